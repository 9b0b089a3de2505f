"""The store: documents of any JSON content; results are read as they were found, and only when somebody looks."""

import gc
import json
from collections import UserDict

import numpy as np
import pytest

from anyrank.core.content import Image
from anyrank.core.errors import InputError
from anyrank.core.stage import Fuse
from anyrank.core.types import Candidate, Query, Ranking, read_together
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.io.runs import write_run
from anyrank.retrieve.stages import BM25, Attach, VectorSearch
from anyrank.store.checksums import checksum
from anyrank.store.manifest import Manifest
from anyrank.store.rows import Snapshot
from anyrank.store.store import Store
from anyrank.vectors import Encoded, Tokens

CONTENTS = [
    "a text",
    {"title": "A cat", "text": "on a mat"},
    ["red", "shoe"],
    7,
    {"image": Image("cat.jpg"), "text": "a cat"},
    [Image("shoe.png", "image/webp"), "a shoe"],
]


def test_contents_are_any_json_and_come_back(tmp_path):
    docs = [Candidate(f"d{i}", c, meta={"n": i}) for i, c in enumerate(CONTENTS)]
    collection = build(docs, tmp_path / "x")
    assert list(collection.documents()) == docs
    assert list(Store.open(tmp_path / "x").documents()) == docs
    assert [i for i, _ in collection.lexical.search(["cats"], 9)[0]] == ["d1", "d4"]
    assert {i for i, _ in collection.lexical.search(["shoe"], 9)[0]} == {"d2", "d5"}
    assert collection.lexical.search(["7"], 9)[0].ids == ["d3"]
    assert BM25(collection)("mat")[0].content == {"title": "A cat", "text": "on a mat"}


def test_any_mapping_is_stored_as_an_object(tmp_path):
    collection = build([Candidate("d", UserDict(text="lift"), meta=UserDict(n=1))], tmp_path / "x")
    assert collection.get(["d"]) == [Candidate("d", {"text": "lift"}, meta={"n": 1})]


def test_a_title_in_a_mapping_counts_as_one_beside_a_text(tmp_path):
    mapped = build([Candidate("d", {"title": "Wings", "text": "lift"}), Candidate("e", "x")], tmp_path / "x")
    plain = build([Candidate("d", "lift", meta={"title": "Wings"}), Candidate("e", "x")], tmp_path / "y")
    assert mapped.lexical.search(["wings lift"], 1) == plain.lexical.search(["wings lift"], 1)


class Pictures:
    """Two numbers an image, of its name."""

    name = "pictures"

    def encode(self, contents, *, query=False):
        names = [c if isinstance(c, str) else (c["image"] if isinstance(c, dict) else c).source for c in contents]
        return Encoded(np.array([[len(n), n.count("a")] for n in names], dtype=np.float32))


@pytest.mark.parametrize("wrap", [lambda i: i, lambda i: {"image": i}], ids=["image", "mapping"])
def test_documents_without_text_have_no_lexical_index(tmp_path, wrap):
    docs = [Candidate(f"d{i}", wrap(Image(n)), meta={"year": i}) for i, n in enumerate(["cat.jpg", "banana.png", "a"])]
    collection = build(docs, tmp_path / "x")
    assert list(collection.documents()) == docs
    assert collection.store.manifest.lexical is False
    for ask in (lambda: collection.lexical, lambda: BM25(collection)("cat")):
        with pytest.raises(InputError, match=r"no lexical index, .*: search it by vectors"):
            ask()
    collection.encode(Pictures())
    search = VectorSearch(collection.vectors("pictures"), Pictures(), collection)
    assert search("xxx").ids == ["d1", "d0", "d2"]
    assert VectorSearch(collection.vectors("pictures"), Pictures(), collection, filter={"year": (1, 2)})("x").ids == [
        "d1",
        "d2",
    ]
    again = Collection.open(tmp_path / "x")
    assert again.update([docs[0], Candidate("d9", wrap(Image("z")))]) == 2
    assert again.delete(["d2"]) == 1
    assert list(again.ids()) == ["d1", "d0", "d9"]


def test_lexical_may_be_left_out_or_forced(tmp_path):
    texts = [Candidate("d", "a text")]
    assert build(texts, tmp_path / "x", lexical=False).store.manifest.lexical is False
    image = build([Candidate("d", Image("x.png"))], tmp_path / "y", lexical=True)
    assert image.add([Candidate("e", "wing")]) == 1
    assert BM25(image)("wing").ids == ["e"]
    assert build([], tmp_path / "z").store.manifest.lexical is True
    assert build([Candidate("d")], tmp_path / "n").get(["d"])[0].content == ""

    def stops():
        yield Candidate("a", "text")
        raise KeyError

    with pytest.raises(KeyError):
        build(stops(), tmp_path / "s", batch=1)
    with pytest.raises(InputError, match=r"lexical=True, .*not .*lexical=False"):
        build(texts, tmp_path / "s", lexical=False)


@pytest.mark.parametrize("wrong", [{1, 2}, b"x", Image(b"x"), [object()]])
def test_what_is_no_json_is_named(tmp_path, wrong):
    with pytest.raises(InputError, match="document 'd'"):
        build([Candidate("d", wrong)], tmp_path / "x")


@pytest.fixture
def reads(monkeypatch):
    """The rows whose documents were read."""
    rows = []
    real = Snapshot.documents

    def documents(self, wanted):
        rows.extend(wanted)
        return real(self, wanted)

    monkeypatch.setattr(Snapshot, "documents", documents)
    return rows


def test_a_search_a_fusion_a_cut_and_a_run_read_no_document(tmp_path, make, bag, reads):
    collection = build(make(100), tmp_path / "x")
    collection.encode(bag, "v")
    reads.clear()
    lexical, near = BM25(collection), VectorSearch(collection.vectors("v"), bag, collection)
    for stage in (lexical, near, lexical + near, lexical | near, Fuse((lexical % 20, 0.5 * near)) % 30):
        rankings = stage.run(["wing lift", "heat", "nothing"])
        write_run(tmp_path / "run", rankings)
        assert sum(map(len, rankings)) > 20
    bare = [Ranking(r.query, tuple(Candidate(i, score=s) for i, s in zip(r.ids, r.scores))) for r in rankings]
    attached = Attach(collection).batch(bare)
    write_run(tmp_path / "run", attached)
    assert reads == []
    read_together(c for r in rankings for c in r)
    assert reads == []
    (first, *_) = rankings
    assert first[0].content
    union = {i for r in rankings for i in r.ids}
    assert len(reads) == len(union)  # each once, though several queries found it
    assert list(first) == [c.rescored(s) for c, s in zip(collection.get(first.ids), first.scores)]
    reads.clear()
    assert list(rankings[0]) == list(first)
    assert reads == []
    assert list(attached[0]) == list(first)


def test_results_are_read_as_they_were_found(tmp_path, make):
    """After an update, a delete, a reload and even a new build in the same folder."""
    docs = make(30)
    collection = build(docs, tmp_path / "x")
    by_id = {d.id: d for d in docs}

    def search(one):
        ranking = BM25(one)("wing lift drag")
        assert len(ranking) > 5
        return ranking

    updated, deleted, rebuilt = search(collection), search(collection), search(Collection.open(tmp_path / "x"))
    collection.update([Candidate(d.id, "zebra text") for d in docs])
    assert [c.content for c in updated] == [by_id[i].content for i in updated.ids]
    fresh = BM25(collection)("zebra")
    collection.delete(list(by_id))
    assert len(BM25(collection)("zebra")) == 0
    assert [c.content for c in deleted] == [by_id[i].content for i in deleted.ids]
    build([Candidate(f"n{i}", "wing " * 20) for i in range(100)], tmp_path / "x", overwrite=True)
    assert [c.content for c in rebuilt] == [by_id[i].content for i in rebuilt.ids]
    assert {c.content for c in fresh} == {"zebra text"}


def test_contents_of_another_store_are_attached_by_id(tmp_path, make, bag):
    """A search over one collection with the documents of another, as by a translated corpus."""
    collection = build(make(20), tmp_path / "x")
    collection.encode(bag, "v")
    other = build([Candidate(d.id, f"translated {d.id}") for d in make(20)][::-1], tmp_path / "y")
    found = VectorSearch(collection.vectors("v"), bag, other, 5)("wing lift")
    assert [c.content for c in found] == [f"translated {i}" for i in found.ids]


class States:
    """A state a word."""

    name = "states"

    def encode(self, contents, *, query=False):
        words = [c.split() for c in contents]
        return Encoded(Tokens.of([np.array([[w.count("a"), len(w)] for w in ws], dtype=np.float32) for ws in words]))


def test_token_matrices_are_stored_and_searched(tmp_path, make):
    collection = build(make(50), tmp_path / "x")
    collection.encode(States(), dtype="float16", shard=20)
    texts = ["wing lift", "a jet"]
    queries = States().encode(texts).vectors
    docs = States().encode([d.content for d in collection.documents()]).vectors
    for q, found in enumerate(Collection.open(tmp_path / "x").vectors("states").search(queries, 7)):
        scores = docs.near(queries.take([q]))
        best = np.argsort(-scores, kind="stable")[:7]
        assert found == [(f"d{i}", float(scores[i])) for i in best]
    ranking = VectorSearch(collection.vectors("states"), States(), collection, 3)(Query("q", "wing"))
    assert len(ranking) == 3


def test_an_index_that_this_version_lacks_is_named(tmp_path, make, bag):
    collection = build(make(5), tmp_path / "x")
    collection.encode(bag, "v")
    meta = tmp_path / "x" / "vectors" / "v" / "vectors.json"
    for old, new, words in (
        ('"dim"', '"index": "hnsw", "dim"', "its index 'hnsw' is unknown"),
        ('"kind": "', '"kind": "un', "unknown kind 'un"),
    ):
        text = meta.read_text()
        changed = json.loads(text.replace(old, new))
        del changed["checksum"]  # as a version would write it that has its own
        if "index" in changed:
            changed["index_checksum"] = checksum(json.dumps({"index": "hnsw"}).encode())
        meta.write_text(json.dumps(changed))
        with pytest.raises(InputError, match=words):
            Collection.open(tmp_path / "x").vectors("v")
        meta.write_text(text)


def test_a_read_only_folder_is_searched_and_not_written(tmp_path):
    path = tmp_path / "x"
    writer = build([Candidate("a", "wing")], path)
    lock = path / "lexical" / ".tantivy-meta.lock"
    lock.unlink()
    lock.mkdir()  # the lock can't be created, as on a read-only file system, for root too
    reader = Collection.open(path)
    assert reader.lexical.search(["wing"], 3)[0].ids == ["a"]
    assert [d.content for d in reader.documents()] == ["wing"]
    with pytest.raises(InputError, match="read-only"):
        reader.update([Candidate("b", "wing")])
    with pytest.raises(InputError, match="read-only"):
        reader.delete(["a"])
    with pytest.raises(InputError, match="read-only"):
        reader.encode(Lengths())
    assert not (path / "vectors").exists()
    lock.rmdir()
    writer.add([Candidate("b", "wing")])
    reader.reload()
    assert sorted(reader.lexical.search(["wing"], 3)[0].ids) == ["a", "b"]
    links = reader.store.links.folder
    assert links.is_dir()
    del reader
    gc.collect()
    assert not links.exists()


class Lengths:
    """One dimension: the length of a text."""

    name = "lengths"

    def encode(self, contents, query=False):
        return Encoded(np.array([[len(c)] for c in contents], dtype=np.float32))


def test_an_open_pipeline_sees_later_changes(tmp_path):
    path = tmp_path / "x"
    build([Candidate("a", "wing")], path)
    encoder = Lengths()
    Collection.open(path).encode(encoder, "one")
    opened = Collection.open(path)
    stages = BM25(opened), VectorSearch(opened.vectors("one"), encoder, opened)
    assert [s("wing").ids for s in stages] == [["a"], ["a"]]
    other = Collection.open(path)
    other.update([Candidate("a", "a wing, changed"), Candidate("b", "wing")], {"one": encoder})
    for stage in stages:
        assert {c.id: c.content for c in stage("wing")} == {"a": "a wing, changed", "b": "wing"}
    other.delete(["a"])
    assert [s("wing").ids for s in stages] == [["b"], ["b"]]


def test_an_open_pipeline_refuses_a_collection_built_anew(tmp_path):
    path = tmp_path / "x"
    build([Candidate("a", "wing")], path)
    opened = Collection.open(path)
    build([Candidate("b", "wing"), Candidate("c", "wing")], path, overwrite=True)
    with pytest.raises(InputError, match=r"built anew.*open it again"):
        BM25(opened)("wing")
    with pytest.raises(InputError, match="built anew"):
        opened.update([Candidate("d", "wing")])
    assert BM25(Collection.open(path))("wing").ids == ["b", "c"]


@pytest.mark.parametrize(
    "change",
    [{"format": f} for f in (0, -1, 1.9, True, "1")]
    + [{"complete": "no"}, {"documents": -1}, {"rows": 1.5}, {"language": None}, {"last": 3}, {"lexical": 1}],
)
def test_a_manifest_of_wrong_values_is_refused(tmp_path, change):
    Manifest().write(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=r"manifest\.json"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("left", [0, 16, None])
def test_rows_cut_off_are_an_error_of_every_search_and_not_fewer_results(tmp_path, make, bag, left):
    path = tmp_path / "x"
    collection = build(make(5), path)
    collection.encode(bag, "v")
    collection.update(make(2))  # so that there are more rows than documents
    collection.encode(bag, "v")
    rows = path / "rows.idx"
    rows.unlink() if left is None else rows.write_bytes(rows.read_bytes()[:left])
    collection = Collection.open(path)
    with pytest.raises(InputError, match=r"rows\.idx: is damaged.*--overwrite"):
        collection.vectors("v").search(bag.encode(["wing"], query=True).vectors, 3)
    with pytest.raises(InputError, match=r"rows\.idx: is damaged"):
        list(collection.ids())
