"""One-line uses: what they read, and what they refuse."""

import asyncio
import subprocess
import sys

import numpy as np
import pytest

import anyrank as ar
from anyrank.core.stage import Each
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.pipeline.text import text

SAME = Each(lambda r: r)


def test_one_text_is_no_list_of_documents():
    with pytest.raises(ar.InputError, match="documents is one text"):
        ar.rerank("q", "one text", Each(lambda r: r))


@pytest.mark.parametrize("top", [0, -1, "2", 2.5, True])
@pytest.mark.parametrize("name", ["top", "top_n", "top_k", "k"])
def test_top_is_at_least_one(name, top):
    with pytest.raises(ar.InputError, match=rf"{name}=.*at least 1"):
        ar.rerank("q", ["a", "b"], SAME, **{name: top})


@pytest.mark.parametrize("name", ["top", "top_n", "top_k", "k"])
def test_top_by_any_of_its_names(name):
    assert ar.rerank("q", ["a", "b", "c"], SAME, **{name: np.int64(2)}).ids == ["0", "1"]
    with pytest.raises(ar.InputError, match="give one of them"):
        ar.rerank("q", ["a"], SAME, top=1, top_n=1, top_k=1)


def test_a_model_by_name_in_place_of_a_pipeline():
    assert ar.rerank("capital of France", ["Lyon is large.", "Paris is the capital."], model="tiny").ids == ["1", "0"]
    with pytest.raises(ar.InputError, match="give one of them"):
        ar.rerank("q", ["a"], SAME, model="mini")
    with pytest.raises(ar.InputError, match="pipeline is of type int"):
        ar.rerank("q", ["a"], 5)
    with pytest.raises(ar.InputError, match="model is of type int"):
        ar.rerank("q", ["a"], model=5)


class Frame:
    """A table by columns, which is iterated over by their names, as those of pandas and polars are."""

    def __init__(self, **columns):
        self.data = columns

    def __iter__(self):
        return iter(self.data)

    def rows(self):
        return [dict(zip(self.data, row)) for row in zip(*self.data.values())]


class Pandas(Frame):
    @property
    def columns(self):
        return list(self.data)

    def to_dict(self, orient):
        assert orient == "records"
        return self.rows()


class Polars(Frame):
    @property
    def columns(self):
        return list(self.data)

    def to_dicts(self):
        return self.rows()

    def to_dict(self):
        return self.data


class Arrow(Frame):
    @property
    def column_names(self):
        return list(self.data)

    def to_pylist(self):
        return self.rows()


@pytest.mark.parametrize("kind", [Pandas, Polars, Arrow])
def test_a_table_is_read_by_its_text_column(kind):
    ranking = ar.rerank("q", kind(docno=["x", "y"], text=["one", "two"], lang=["en", "de"]), SAME)
    assert [(c.id, c.content, c.meta["lang"]) for c in ranking] == [("x", "one", "en"), ("y", "two", "de")]
    with pytest.raises(ar.InputError, match="document text"):
        ar.rerank("q", kind(number=[1, 2]), SAME)
    first, _ = ar.rerank("q", kind(sku=[7, 8], words=["one", "two"]), SAME, id_field="sku", text_field="words")
    assert (first.id, first.content, first.index, first.original) == ("7", "one", 0, {"sku": 7, "words": "one"})


def test_a_mapping_leads_from_ids_to_documents():
    ranking = ar.rerank("q", {"x": "one", 7: {"text": "two", "lang": "de"}}, SAME)
    assert [(c.id, c.content) for c in ranking] == [("x", "one"), ("7", "two")]
    assert ranking[1].meta["lang"] == "de"


@pytest.mark.parametrize(
    "documents", [{"id": "a", "text": "one"}, {"name": ["a"], "words": ["one"]}, {"a": 1}, {"one", "two"}, b"one"]
)
def test_what_is_no_list_of_documents_is_refused(documents):
    with pytest.raises(ar.InputError, match="documents"):
        ar.rerank("q", documents, SAME)


@pytest.mark.parametrize("name", ["mini", "tiny"])
def test_the_shipped_rerankers_know_what_answers_a_question(name):
    texts = [
        "The bank of the river is steep.",
        "Interest rates of banks rose in May.",
        "Banks pay interest on deposits.",
    ]
    best = ar.rerank("do banks pay interest on savings", texts, name)
    assert best.ids == ["2", "1", "0"]
    assert (best.status, best.cost.usage.calls) == ("ok", 4)


@pytest.mark.parametrize("name", ["mini", "tiny", "minilm"])
def test_long_texts_are_read_in_passages(name):
    long = " ".join(["Rivers have banks of sand and stone."] * 60 + ["Banks pay interest on deposits."])
    best = ar.rerank("do banks pay interest on savings", ["Soup needs salt.", long], f'passages("{name}")')
    assert best.ids == ["1", "0"]
    assert best.cost.usage.truncated == 0


def test_a_pipeline_searches_a_folder_or_what_is_opened(tmp_path):
    folder = tmp_path / "c.index"
    build([Candidate("a", "wings lift"), Candidate("b", "soup")], folder)
    opened = Collection.open(folder)
    for index in (folder, str(folder), opened):
        stage = ar.pipeline("bm25(k=3) % 2", index)
        assert stage("wings").ids == ["a"]
        assert text(stage) == "bm25(k=3) % 2"


def test_the_function_keeps_its_name_beside_the_room_of_pipelines():
    code = "import anyrank as ar; import anyrank.pipeline.parser, anyrank.pipeline.text; ar.pipeline('mini')"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import anyrank.pipeline.parser; import anyrank as ar; ar.pipeline('mini')"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_ranking_of_a_mapping_is_refused():
    with pytest.raises(ar.InputError, match="its keys as ids"):
        ar.Ranking.of("q", {"x": "one"})


def lengths(groups):
    return [ar.Judgement([len(c.content) for c in members]) for _, members in groups]


LONGEST = ar.Rerank(lengths, ar.Pointwise())


def test_a_result_says_where_its_candidates_were_and_which_objects():
    documents = [{"id": "a", "text": "one"}, ("b", "three"), "four"]
    best = ar.rerank("q", documents, LONGEST % 2)
    assert [(c.id, c.index, c.score) for c in best] == [("b", 1, 5.0), ("2", 2, 4.0)]
    assert [c.original for c in best] == [documents[1], documents[2]]
    assert best[0].original is documents[1]


def test_places_and_objects_come_through_every_kind_of_stage():
    documents = ["one", "three", "four"]
    for stage in (
        LONGEST + SAME >> ar.Keep("x"),
        LONGEST | SAME,
        2 * LONGEST,
        LONGEST >> ar.Keep("x") % 2,
        ar.pipeline("mini + prior"),
    ):
        for c in ar.rerank("q", documents, stage):
            assert documents[c.index] is c.original


def test_a_result_without_documents():
    best = ar.rerank("q", ["one", "three"], LONGEST, return_documents=False)
    assert [(c.id, c.index, c.content, c.original) for c in best] == [("1", 1, None, None), ("0", 0, None, None)]


@pytest.mark.parametrize("wrong", [["q1", "q2"], ("q1", "q2")])
def test_several_queries_are_for_another_function(wrong):
    with pytest.raises(ar.InputError, match="rerank_many"):
        ar.rerank(wrong, ["a"], SAME)


def test_many_queries_go_to_the_judge_together():
    batches = []

    def judge(groups):
        batches.append([q.id for q, _ in groups])
        return lengths(groups)

    many = ar.rerank_many(
        ["a", "b"], [["one", "three"], [("x", "one"), ("y", "three"), ("z", "six")]], ar.Rerank(judge)
    )
    assert [(r.query.id, r.query.content, r.ids) for r in many] == [
        ("q1", "a", ["1", "0"]),
        ("q2", "b", ["y", "x", "z"]),
    ]
    assert batches == [["q1", "q1", "q2", "q2", "q2"]]
    assert [r.ids for r in ar.rerank_many(["a", "b"], [["one", "three"]] * 2, LONGEST, top_k=1)] == [["1"], ["1"]]
    assert ar.rerank_many([], [], LONGEST) == []


def test_many_queries_by_their_ids():
    many = ar.rerank_many({"x": "a", 7: "b"}, {7: ["one"], "x": ["two", "three"]}, LONGEST)
    assert [(r.query.id, r.ids) for r in many] == [("x", ["1", "0"]), ("7", ["0"])]
    many = ar.rerank_many([ar.Query("own", "a"), {"text": "b", "qid": 5}, "c"], [["one"]] * 3, LONGEST)
    assert [r.query.id for r in many] == ["own", "5", "q3"]


@pytest.mark.parametrize(
    ("queries", "documents", "words"),
    [
        ("one", [["a"]], "queries is of type str"),
        (5, [["a"]], "queries is of type int"),
        (["a", "b"], [["a"]], "1 lists of documents for 2 queries"),
        (["a", "b"], ["one", "two"], r"documents\[0\] is a text: give a list of documents for each query"),
        (["a"], "one", "expected a list of documents for each query"),
        (["a"], {"q1": ["a"]}, "documents is a mapping, and queries a list"),
        ({"x": "a"}, {"y": ["a"]}, "query id 'x' is not in both"),
        ([ar.Query("q2", "a"), "b"], [["a"], ["a"]], "query id 'q2' appears 2 times"),
        (["a", 5], [["a"], ["a"]], r"queries\[1\]: query is of type int"),
        (["a", "b"], [["a"], [5]], r"query 'q2': documents\[0\]"),
        (["a"], [{"text": "a"}], "query 'q1': documents is one mapping"),
    ],
)
def test_queries_and_lists_that_do_not_match_are_refused(queries, documents, words):
    with pytest.raises(ar.InputError, match=words):
        ar.rerank_many(queries, documents, SAME)


def test_asynchronous_forms_give_the_same():
    async def main():
        one = await asyncio.gather(*(ar.arerank("q", ["one", "three"], LONGEST, top_n=n) for n in (1, 2)))
        return one, await ar.arerank_many(["a"], [["one", "three"]], LONGEST)

    (first, second), many = asyncio.run(main())
    assert (first.ids, second.ids, many[0].ids) == (["1"], ["1", "0"], ["1", "0"])
    with pytest.raises(ar.InputError, match="rerank_many"):
        asyncio.run(ar.arerank(["a", "b"], ["one"], SAME))


def test_names_of_fields_and_pipelines_are_texts():
    with pytest.raises(ar.InputError, match="text_field is of type int"):
        ar.rerank("q", ["a"], SAME, text_field=5)
    with pytest.raises(ar.InputError, match="expected a text"):
        ar.pipeline(SAME)
