"""The lexical index: quality, safety of queries, changes, filters."""

import csv
import gzip
import json
import math
import multiprocessing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.index.analysis import Analyser
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.index.languages import LANGUAGES
from anyrank.retrieve.stages import BM25
from anyrank.testing import check_index

DOCS = [
    Candidate("a", "the running dogs run far", meta={"title": "Dogs", "year": 2000, "lang": "en", "tags": ["x", "y"]}),
    Candidate("b", "a dog runs", meta={"year": 1999.5, "lang": "en us", "by": {"name": "Zoë"}}),
    Candidate("c", "cats sleep", meta={"year": 2010, "ok": True, "day": "2001-02-03"}),
    Candidate("d", "", meta={"year": -3}),
]


@pytest.fixture
def collection(tmp_path):
    return build(DOCS, tmp_path / "x")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return build(DOCS, tmp_path_factory.mktemp("lexical") / "x")


def found(collection, text, k=10, **kw):
    return [i for i, _ in collection.lexical.search([text], k, **kw)[0]]


def test_search_finds_stems_and_titles_best_first(shared):
    assert found(shared, "dog running") == ["a", "b"]
    assert found(shared, "dog", 1) == ["a"]
    assert found(shared, "CATS") == ["c"]
    assert [len(r) for r in shared.lexical.search(["", "the of", "unicorn", "dog"], 99)] == [0, 1, 0, 2]
    assert shared.lexical.search([], 5) == []


@pytest.mark.parametrize("k", [0, -1])
def test_k_must_be_positive(shared, k):
    with pytest.raises(InputError, match=f"k={k}"):
        shared.lexical.search(["dog"], k)


@given(st.text(max_size=40))
def test_any_text_is_a_safe_query(shared, text):
    assert all(s > 0 for _, s in shared.lexical.search([text], 10)[0])


@pytest.mark.parametrize("text", ["dog AND (", "title: dog", '"dog', "dog^*~[ TO", "-dog", "dog \ud800", "dog\0"])
def test_query_syntax_means_nothing(shared, text):
    assert "a" in found(shared, text)


def test_a_repeated_term_weighs_by_its_count(shared):
    once, thrice = (dict(shared.lexical.search([t], 9)[0]) for t in ("dog", "dog dog dogs"))
    assert thrice["a"] == pytest.approx(3 * once["a"])


def test_long_queries_are_searched_whole(shared):
    assert found(shared, " ".join(f"w{i}" for i in range(5000)) + " cats") == ["c"]


def test_contract(shared, tmp_path, make):
    texts = ["wing", "lift drag heat", "nothing of it", "the"]
    docs = make(50)
    check_index(build(docs, tmp_path / "y").lexical, texts, [d.id for d in docs])


@pytest.mark.parametrize(("filter", "said"), [({"nothing": 1}, "no document has a field"), ({"year": (5, 4)}, "empty")])
def test_filters_that_nothing_could_pass_are_refused(collection, filter, said):
    with pytest.raises(InputError, match=said):
        collection.lexical.search(["wing"], 3, among=filter)


def test_threads_change_nothing(tmp_path, make):
    lexical = build(make(200), tmp_path / "y").lexical
    texts = ["wing lift", "heat", "", "cone wake jet"] * 5
    alone = lexical.search(texts, 20)
    lexical.threads = 2
    assert lexical.search(texts, 20) == alone


@pytest.mark.parametrize(
    ("filter", "ids"),
    [
        ({"lang": "en"}, "a"),
        ({"lang": ["en", "en us"]}, "ab"),
        ({"year": 2000}, "a"),
        ({"year": 2000.0}, "a"),
        ({"year": (2000, None)}, "ac"),
        ({"year": (None, 1999.5)}, "bd"),
        ({"year": (1999.5, 2000)}, "ab"),
        ({"year": (None, None)}, "abcd"),
        ({"tags": "y"}, "a"),
        ({"by.name": "Zoë"}, "b"),
        ({"ok": True}, "c"),
        ({"ok": False}, ""),
        ({"day": ("2001-01-01", "2001-12-31")}, "c"),
        ({"day": ("2002-01-01", None)}, ""),
        ({"year": (1990, None), "lang": "en"}, "a"),
    ],
)
def test_filters(shared, collection, filter, ids):
    collection.update([Candidate(d.id, "word", meta={**d.meta, "title": ""}) for d in DOCS])
    assert sorted(found(collection, "word", among=filter)) == list(ids)
    assert {s for _, s in collection.lexical.search(["word"], 9, filter)[0]} <= {
        s for _, s in collection.lexical.search(["word"], 9)[0]
    }


@pytest.mark.parametrize("wrong", [{"year": (1, 2, 3)}, {"year": ("x", None)}, {"year": None}, {"s": "x" * 300}])
def test_a_malformed_filter_is_named(shared, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        shared.lexical.search(["dog"], 1, wrong)


def test_documents_come_back_whole_and_in_the_asked_order(shared):
    b, a = shared.get(["b", "a"])
    assert (b.id, b.content, b.meta) == ("b", "a dog runs", {"year": 1999.5, "lang": "en us", "by": {"name": "Zoë"}})
    assert a.content == "Dogs the running dogs run far"
    assert list(shared.ids()) == list("abcd")
    assert len(shared) == 4
    assert "a" in shared
    assert "z" not in shared
    with pytest.raises(InputError, match="'z'"):
        shared.get(["a", "z"])


def test_what_is_read_can_be_built_again_unchanged(shared, tmp_path):
    again = build(shared.documents(), tmp_path / "again")
    assert list(again.documents()) == list(shared.documents())
    assert again.lexical.search(["dog"], 9) == shared.lexical.search(["dog"], 9)


def test_changes_are_seen_at_once_and_after_opening(collection):
    assert collection.add([Candidate("e", "dog house")]) == 1
    assert collection.update([Candidate("a", "old"), Candidate("f", "x"), Candidate("a", "horse")]) == 2
    assert collection.delete(["b", "nobody"]) == 1
    for one in (collection, Collection.open(collection.path)):
        assert found(one, "dog") == ["e"]
        assert found(one, "horse") == ["a"]
        assert found(one, "old") == []
        assert list(one.ids()) == ["c", "d", "e", "a", "f"]
        assert len(one) == 5
        assert one.store.mask().sum() == 5


def test_adding_a_known_id_changes_nothing(collection):
    for docs in ([Candidate("z", "new"), Candidate("a", "again")], [Candidate("z", "x"), Candidate("z", "y")]):
        with pytest.raises(InputError, match=repr(docs[1].id)):
            collection.add(docs)
        assert list(collection.ids()) == list("abcd")


def test_other_readers_see_changes_at_the_next_search_or_reload(collection):
    other = Collection.open(collection.path)
    collection.add([Candidate("e", "zebra")])
    assert "e" not in other
    other.reload()
    assert "e" in other
    assert found(other, "zebra") == ["e"]


@pytest.mark.parametrize(
    "doc", [Candidate("", "x"), Candidate("y" * 600, "x"), Candidate("y", {3}), Candidate("y", "x", meta={"f": {1, 2}})]
)
def test_a_document_that_cannot_be_stored_is_named(collection, doc):
    with pytest.raises(InputError, match="document"):
        collection.add([doc])
    assert len(collection) == 4


def test_lone_surrogates_and_null_bytes_are_stored(collection):
    collection.add([Candidate("s\ud800", "zebra \udfff\0 stripes", meta={"k\ud800": "v\ud800"})])
    assert BM25(collection, 1)("zebra")[0].content == "zebra \ufffd\0 stripes"


def _hold(path, ready, done):
    from anyrank.store.engine import Writing

    index = Collection.open(path)
    writing = Writing.begin(index.store.engine, index.path)
    ready.set()
    done.wait(20)
    writing.end()


def test_two_processes_cannot_write_at_once(collection):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(str(collection.path), ready, done))
    other.start()
    assert ready.wait(20)
    with pytest.raises(InputError, match="another process is writing"):
        collection.add([Candidate("e", "x")])
    assert found(collection, "cats") == ["c"]
    done.set()
    other.join(20)
    assert other.exitcode == 0
    assert collection.add([Candidate("e", "x")]) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_finds_its_words(language, tmp_path):
    assert Analyser(language).terms("Wort word 日本 слово λόγος")


def test_language_decides_stems(tmp_path):
    german = build([Candidate("1", "die Häuser der Stadt")], tmp_path / "de", language="german")
    plain = build([Candidate("1", "dogs"), Candidate("2", "the dog")], tmp_path / "none", language="none")
    chinese = build([Candidate("1", "我喜欢苹果"), Candidate("2", "abc 香蕉")], tmp_path / "zh", language="chinese")
    assert found(Collection.open(german.path), "haus") == ["1"]
    assert found(plain, "dog") == ["2"]
    assert found(plain, "the") == ["2"]
    assert found(chinese, "苹果") == ["1"]
    assert found(chinese, "ABC") == ["2"]
    with pytest.raises(InputError, match="klingon"):
        build([], tmp_path / "kl", language="klingon")


@pytest.mark.parametrize(
    ("name", "split", "least"),
    [("scifact", "train", 0.69), ("nfcorpus", "dev", 0.28), ("cranfield", "test", 0.34), ("vaswani", "test", 0.44)],
)
def test_quality_on_real_collections(data, tmp_path, name, split, least):
    measures = pytest.importorskip("ir_measures")

    def lines(file):
        with gzip.open(data / name / file, "rt", encoding="utf-8") as opened:
            yield from map(json.loads, opened)

    docs = (Candidate(d["_id"], d["text"], meta={"title": d["title"]}) for d in lines("corpus.jsonl.gz"))
    lexical = build(docs, tmp_path / name).lexical
    with open(data / name / "qrels" / f"{split}.tsv") as file:
        qrels = {}
        for row in csv.DictReader(file, delimiter="\t"):
            qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    queries = {q["_id"]: q["text"] for q in lines("queries.jsonl.gz") if q["_id"] in qrels}
    run = dict(zip(queries, map(dict, lexical.search(list(queries.values()), 100))))
    assert measures.calc_aggregate([measures.nDCG @ 10], qrels, run)[measures.nDCG @ 10] >= least


def bm25(frequency, length, documents, holders, mean):
    """The formula with k1 = 1.2 and b = 0.75, as Lucene has it."""
    idf = math.log(1 + (documents - holders + 0.5) / (holders + 0.5))
    return idf * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * length / mean))


def test_a_title_counts_three_times_and_four_words_smooth_every_length(tmp_path):
    """Both constants decide quality on short fields: a change of either is one of all results."""
    docs = [
        Candidate("body", "wing flow"),
        Candidate("title", "wing flow", meta={"title": "wing"}),  # the title is in the content, once
        Candidate("long", "wing " + "flow " * 9),
        Candidate("none", "flow"),
    ]
    index = build(docs, tmp_path / "x")
    lengths = {"body": 2 + 4, "title": 2 + 2 + 4, "long": 10 + 4, "none": 1 + 4}
    mean = sum(lengths.values()) / 4
    expected = {i: bm25(3 if i == "title" else 1, lengths[i], 4, 3, mean) for i in ("title", "body", "long")}
    assert dict(index.lexical.search(["wing"], 9)[0]) == pytest.approx(expected, rel=1e-5)
