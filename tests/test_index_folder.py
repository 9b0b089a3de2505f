"""An index from Python: create, open, add, update, delete, search, reload, and what it refuses."""

import asyncio
import json
import sys
import uuid
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import anyrank as ar
from anyrank.core.types import Candidate
from anyrank.index.build import build

CROSS = Path(__file__).parent / "backends" / "tiny" / "cross"
DOCS = [
    {"id": "r1#0", "text": "wings and lift", "parent": "r1", "year": 1990, "lang": "en", "day": date(1990, 1, 1)},
    {"id": "r1#1", "text": "wings and drag", "parent": "r1", "year": 1995, "lang": "de"},
    {"id": "r2#0", "text": "heat of wings", "title": "Shock", "parent": "r2", "year": np.int64(2001), "lang": "fr"},
    {"id": 7, "text": "soup needs salt", "parent": "r3"},
]


@pytest.fixture
def index(tmp_path):
    return ar.Index.create(tmp_path / "my.index", DOCS)


def test_an_index_of_dicts_is_searched_by_fields(index):
    assert len(index) == 4
    assert "r1#0" in index
    assert 7 in index
    assert "r9" not in index
    assert index.search("soup").ids == ["7"]
    assert sorted(index.search("wings", top_n=2).ids) == ["r1#0", "r1#1"]
    assert sorted(index.search("wings", filter={"year": (1990, None), "lang": ["en", "fr"]}).ids) == ["r1#0", "r2#0"]
    assert index.search("wings", filter=["year>1990", "lang!=fr"]).ids == ["r1#1"]
    assert index.search("wings", filter="day=1990-01-01").ids == ["r1#0"]
    best = index.search("wings drag")[0]
    assert (best.content, best.meta["parent"], best.index, best.original) == ("wings and drag", "r1", None, None)
    assert index.get([7, "r2#0"])[1].content == "Shock heat of wings"
    assert index.get(7)[0].content == "soup needs salt"
    assert [d.id for d in index] == ["r1#0", "r1#1", "r2#0", "7"]


def test_by_default_ten_are_found(tmp_path):
    index = ar.Index.create(tmp_path / "ix", [f"wing {i}" for i in range(20)])
    assert len(index.search("wing")) == 10
    assert (
        len(index.search("wing", k=12))
        == len(index.search("wing", top=12))
        == len(index.search("wing", top_k=12))
        == 12
    )
    with pytest.raises(ar.InputError, match="at least 1"):
        index.search("wing", top_n=0)


def test_a_folder_is_opened_again_and_by_the_command_line(index, tmp_path):
    from click.testing import CliRunner

    from anyrank.cli import cli

    assert ar.Index.open(str(tmp_path / "my.index")).search("soup").ids == ["7"]
    done = CliRunner().invoke(cli, ["search", str(tmp_path / "my.index"), "soup", "--json"])
    assert json.loads(done.stdout)["ranking"][0]["id"] == "7"
    assert ar.pipeline("bm25", index)("soup").ids == ["7"]
    with pytest.raises(ar.InputError, match="does not exist"):
        ar.Index.open(tmp_path / "none")


def test_documents_are_added_replaced_and_deleted(index):
    assert index.add([("new", "a kettle"), {"id": uuid.UUID(int=1), "text": "a pan"}]) == 2
    assert str(uuid.UUID(int=1)) in index
    with pytest.raises(ar.InputError, match="'new' is in the index already"):
        index.add([("new", "a pot")])
    assert index.update({"new": "a red pot", "r9": "wings again"}) == 2
    assert index.search("kettle").ids == []
    assert index.search("pot").ids == ["new"]
    assert index.delete("new") == 1
    assert index.delete([7, "nothing"]) == 1
    assert index.delete(filter={"parent": "r1"}) == 2
    assert sorted(d.id for d in index) == sorted([str(uuid.UUID(int=1)), "r2#0", "r9"])
    assert index.delete(filter={"year": 2001, "parent": {"!=": "r2"}}) == 0
    assert index.delete([]) == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda i: i.add(["a text"]), r"documents\[0\]: it has no id"),
        (lambda i: i.update([{"text": "a text"}]), r"documents\[0\]: it has no id"),
        (lambda i: i.update([("a1", "x"), ("a1", "y")]), "'a1' comes twice"),
        (lambda i: i.update([(1, "x"), ("1", "y")]), "'1' comes twice"),
        (lambda i: i.add([{"id": "z", "words": "x"}]), r"documents\[0\]: no document text"),
        (lambda i: i.add({"id": "z", "text": "x"}), "one mapping with a field 'text'"),
        (lambda i: i.delete(), "ids or a filter"),
        (lambda i: i.delete("a", filter="year=1"), "ids or a filter"),
        (lambda i: i.delete(filter={}), "would delete all"),
        (lambda i: i.delete(filter={"nothing": 1}), "no document has a field 'nothing'"),
        (lambda i: i.delete({"id": 7}), "ids is of type dict"),
        (lambda i: i.delete([None]), "the id is NoneType"),
        (lambda i: i.search(["a", "b"]), "query is a list"),
        (lambda i: i.search("wing", "minilm"), "holds no vectors of 'minilm'"),
        (lambda i: i.search("wing", "bm52"), "did you mean 'bm25'"),
        (lambda i: i.search("wing", filter={"year": "new"}), "holds numbers"),
        (lambda i: i.search("wing", ar.pipeline("bm25", i), filter="year=1990"), "a stage has its own filter"),
        (lambda i: i.get("nothing"), "'nothing' is not in the index"),
    ],
)
def test_what_an_index_refuses_leaves_it_as_it_was(index, call, words):
    with pytest.raises(ar.InputError, match=words):
        call(index)
    assert [d.id for d in index] == ["r1#0", "r1#1", "r2#0", "7"]


@pytest.mark.parametrize(
    ("documents", "models", "words"),
    [
        ([("a", "x"), ("a", "y")], (), "'a' comes twice"),
        ([5], (), r"documents\[0\]: a document of type int"),
        ([{"id": "a", "text": "x", "what": object()}], (), "can't be stored as JSON"),
        (["x"], [str(CROSS)], "cross scores candidates and makes no vectors"),
        (["x"], [5], "models has a member of type int"),
    ],
)
def test_a_failed_creation_leaves_nothing(tmp_path, documents, models, words):
    with pytest.raises(ar.InputError, match=words):
        ar.Index.create(tmp_path / "ix", documents, models)
    assert not (tmp_path / "ix").exists()


def test_an_index_is_replaced_only_if_that_is_asked_for(index):
    with pytest.raises(ar.InputError, match="overwrite=True"):
        ar.Index.create(index.path, ["different"])
    other = ar.Index.create(index.path, ["quite different"], overwrite=True)
    assert [d.id for d in other] == ["0"]
    with pytest.raises(ar.InputError, match="open it again"):
        index.search("different")
    index.reload()
    assert index.search("different").ids == ["0"]


def test_an_open_index_sees_what_others_wrote(index):
    ar.Index.open(index.path).add([("new", "a kettle")])
    assert index.search("kettle").ids == ["new"]
    ar.Index.open(index.path).delete("new")
    index.reload()
    assert len(index) == 4


def test_filters_follow_what_was_written_since(index):
    with pytest.raises(ar.InputError, match="holds numbers"):
        index.search("wings", filter="year=unknown")
    ar.Index.open(index.path).add([{"id": "new", "text": "wings", "year": "unknown"}])
    assert index.delete(filter="year=unknown") == 1
    index.add([{"id": "newer", "text": "wings", "year": "none"}])
    assert index.search("wings", filter="year=gone").ids == []


def test_vectors_are_kept_in_step(tmp_path):
    index = ar.Index.create(tmp_path / "ix", DOCS, models="minilm")
    assert index.models == ["minilm"]
    index.add([("k", "a kettle boils water")])
    index.update([(7, "bread is baked")])
    assert index.search("boiling water in a kettle", "minilm", top_n=1).ids == ["k"]
    assert index.search("a bakery", "minilm", top_n=1).ids == ["7"]
    assert index.search("drag", "bm25 + minilm", top_n=1, filter={"lang": "de"}).ids == ["r1#1"]
    index.encode(["splade"])
    assert index.models == ["minilm", "splade-tiny"]
    assert "vectors of minilm, splade-tiny" in repr(index)


def test_many_searches_and_asynchronous_ones(index):
    many = index.search_many({"a": "soup", "b": "drag"}, top_n=1)
    assert [(r.query.id, r.ids) for r in many] == [("a", ["7"]), ("b", ["r1#1"])]
    assert [r.query.id for r in index.search_many(["soup", "drag"])] == ["q1", "q2"]

    async def main():
        one = await asyncio.gather(*(index.asearch(q) for q in ("soup", "drag")))
        return [*one, *await index.asearch_many(["soup"])]

    assert [r.ids for r in asyncio.run(main())] == [["7"], ["r1#1"], ["7"]]


def test_an_index_of_a_file_and_of_other_objects(tmp_path):
    @dataclass
    class Product:
        sku: int
        description: str
        price: float

    products = [Product(1, "a red shoe", 10.5), Product(2, "a blue shoe", 20)]
    index = ar.Index.create(tmp_path / "p", products, id_field="sku", text_field="description")
    assert index.search("shoe", filter={"price": (15, None)}).ids == ["2"]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"_id": "d1", "text": "wing", "year": 1990}\n')
    assert ar.Index.create(tmp_path / "f", corpus).search("wing").ids == ["d1"]
    (tmp_path / "beir").mkdir()
    corpus.rename(tmp_path / "beir" / "corpus.jsonl")
    (tmp_path / "beir" / "queries.jsonl").write_text('{"_id": "q", "text": "wing"}\n')
    assert ar.Index.create(tmp_path / "b", tmp_path / "beir").search("wing").ids == ["d1"]


def test_an_index_says_what_it_holds(index, monkeypatch):
    assert repr(index) == f"Index({str(index.path)!r}): 4 documents, english"
    info = index.info()
    assert info["documents"] == 4
    assert info["fields"] == ["day", "lang", "parent", "title", "year"]
    assert info["bytes"] > 100
    assert index.to_dict() == info
    assert "<td>day, lang, parent, title, year</td>" in index._repr_html_()

    class FakePandas:
        @staticmethod
        def DataFrame(rows, columns):
            return columns, rows

    monkeypatch.setitem(sys.modules, "pandas", FakePandas)
    columns, rows = index.to_pandas()
    assert columns[:2] == ["id", "text"]
    assert (rows[3]["id"], rows[3]["text"], rows[3]["parent"]) == ("7", "soup needs salt", "r3")


def test_an_index_without_words(tmp_path):
    collection = build([Candidate("a", {"image": "cat.jpg"})], tmp_path / "ix")
    assert "not lexical" in repr(ar.Index(tmp_path / "ix", collection))


def test_many_fields_are_known_by_an_even_sample(tmp_path):
    documents = [{"id": i, "text": "x", **({"early": 1} if i < 1500 else {"late": 1})} for i in range(3000)]
    index = ar.Index.create(tmp_path / "ix", documents)
    assert index.info()["fields"] == ["early", "late"]


def test_a_damaged_file_is_named(index):
    pytest.importorskip("anyrank.index.check")
    assert index.check().problems == []
    rows = index.path / "rows.bin"
    rows.write_bytes(rows.read_bytes().replace(b"soup", b"soap"))
    assert any("rows.bin" in str(problem) for problem in ar.Index.open(index.path).check().problems)
