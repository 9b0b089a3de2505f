"""Runs and judgements of every usual shape are read; ids are texts; errors name what is wrong."""

import gzip
from collections import namedtuple
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate import evaluate
from anyrank.evaluate.inputs import Judgements, id_text, lists, seen_documents


@dataclass
class Frame:
    """A table as pandas has it."""

    rows: list

    @property
    def columns(self):
        return list(self.rows[0])

    def to_dict(self, orient):
        assert orient == "records"
        return self.rows


Row = namedtuple("Row", "query_id doc_id relevance iteration")
GRADES = {"1": {"7": 1, "8": 0}}
RUN = {"1": {"7": 2.0, "8": 1.0}}


@pytest.mark.parametrize(
    "qrels",
    [
        GRADES,
        {1: {7: 1, 8: 0}},
        {1: {7: 1.0, 8: 0.0}},
        {np.int64(1): {np.int64(7): np.int32(1), np.int64(8): np.float64(0)}},
        {"1": {"7": True, "8": False}},
        {"1": {"7": "1", "8": "0"}},
        Frame([{"qid": 1, "docno": 7, "label": 1}, {"qid": 1, "docno": 8, "label": 0}]),
        Frame([{"query_id": "1", "doc_id": 7.0, "relevance": 1.0}, {"query_id": "1", "doc_id": 8.0, "relevance": 0.0}]),
        [Row(1, 7, 1, "0"), Row(1, 8, 0, "0")],
        [{"query-id": "1", "corpus-id": "7", "score": 1}, {"query-id": "1", "corpus-id": "8", "score": 0}],
        Judgements(GRADES),
    ],
)
def test_judgements_of_any_usual_shape(qrels):
    assert Judgements.of(qrels) == Judgements(GRADES)
    assert evaluate({"a": RUN}, qrels, "RR", samples=50).mean("a", "RR") == 1.0


@pytest.mark.parametrize(
    "run",
    [
        RUN,
        {1: {7: 2, 8: 1}},
        {"1": [("7", 2.0), ("8", 1.0)]},
        {1: [7, 8]},
        {"1": {"7": "2.0", "8": "1.0"}},
        [Ranking(Query(1), (Candidate(7, None, 2.0), Candidate(8, None, 1.0)))],
        Ranking.of(Query("1"), ["x", "y"], ids=["7", "8"]),
        Frame([{"qid": 1, "docno": 8, "score": 1.0}, {"qid": 1, "docno": 7, "score": 2.0}]),
        [{"query_id": 1, "doc_id": 7}, {"query_id": 1, "doc_id": 8}],
    ],
)
def test_runs_of_any_usual_shape(run):
    assert lists(run)[0] == {"1": ["7", "8"]}
    assert evaluate({"a": run}, {1: {8: 1}}, ["RR"], samples=50).mean("a", "RR") == 0.5


def test_files_are_read(tmp_path):
    (tmp_path / "q").write_text("1 0 7 1.0\n1 0 8 0\n")
    (tmp_path / "r.gz").write_bytes(gzip.compress(b"1 Q0 8 1 2 t\n1 Q0 7 2 1 t\n"))
    e = evaluate({"a": tmp_path / "r.gz"}, str(tmp_path / "q"), "RR", samples=50)
    assert e.mean("a", "RR") == 0.5


def test_an_iterator_of_rankings_is_read_once():
    e = evaluate({"a": iter([Ranking.of(Query("q"), ["x"], ids=["d"])])}, {"q": {"d": 1}}, ["RR"], samples=50)
    assert e.mean("a", "RR") == 1.0


def test_ids_are_texts():
    same = UUID(int=5)
    assert [id_text(x) for x in (7, 7.0, np.int8(7), np.float32(7), b"7", np.str_("7"), same)] == ["7"] * 6 + [
        str(same)
    ]
    for missing in (None, float("nan"), np.nan):
        with pytest.raises(InputError, match=r"the document id is (NoneType|float): expected a text"):
            id_text(missing)


@pytest.mark.parametrize(
    ("qrels", "says"),
    [
        ({"q": {"d": 0.5}}, r"query 'q' grades document 'd' 0\.5: expected a whole number"),
        ({"q": {"d": 2**70}}, "expected a whole number"),
        ({"q": {"d": "high"}}, "'high': expected a whole number"),
        ({"q": {"d": None}}, "None: expected a whole number"),
        ({"q": {"d": float("nan")}}, "nan: expected a whole number"),
        ({"q": ["d1", "d2"]}, r"query 'q' are a list: expected \{document: grade\}"),
        ({"q": {1: 1, "1": 0}}, "document '1' appears twice"),
        ({1: {"d": 1}, "1": {"d": 0}}, "two query ids that are the same text"),
        ([("q", "d", 1)], "a list with a tuple"),
        ([{"query": "q", "doc": "d"}], "no column with a query id .*: its columns are query, doc"),
        ([{"qid": "q", "docno": "d", "label": 1}, {"qid": "q", "docno": "d", "label": 2}], "judged twice"),
        (5, "found a int, expected"),
        (None, "found a NoneType, expected"),
    ],
)
def test_judgements_that_cannot_be_read_are_named(qrels, says):
    with pytest.raises(InputError, match=says):
        evaluate({"a": {"q": {"d": 1.0}}}, qrels, ["RR"])


@pytest.mark.parametrize(
    ("run", "says"),
    [
        ({"q": {"d": None}}, "score of 'd' is None, not a finite number"),
        ({"q": {"d": "high"}}, "score of 'd' is high, not a finite number"),
        ({"q": {"d": float("inf")}}, "is inf, not a finite number"),
        ({"q": {"d": 10**400}}, "not a finite number"),
        ({"q": {"d": [1, 2]}}, r"\[1, 2\], not a number"),
        ({"q": "d"}, "the results are a str"),
        ({"q": 7}, "the results are a int"),
        ({"q": ["d", "d"]}, "document 'd' appears twice"),
        (7, "run 'a' is a int: expected rankings"),
        (["q d"], "a list with a str"),
        ([{"qid": "q", "docno": "d", "score": 1.0}, {"qid": "q", "docno": "e"}], "2 rows, 1 of them with a score"),
    ],
)
def test_runs_that_cannot_be_read_are_named(run, says):
    with pytest.raises(InputError, match=says):
        evaluate({"a": run}, {"q": {"d": 1}}, ["RR"])


def test_scores_beyond_single_precision_are_named_where_it_decides():
    assert lists({"q": {"d": 1e300}})[0] == {"q": ["d"]}
    with pytest.raises(InputError, match="above the largest number of single precision"):
        lists({"q": {"d": 1e300}}, ties="trec_eval")


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 2), min_size=1, max_size=6), st.text(min_size=1))
def test_any_text_is_an_id(docs, query):
    """Also NUL, halves of surrogate pairs, and white space."""
    run = {query: {d: float(-i) for i, d in enumerate(docs)}}
    expected = next((1 / n for n, g in enumerate(docs.values(), 1) if g > 0), 0.0)
    e = evaluate({"a": run}, {query: docs}, ["RR"], samples=20)
    assert e.mean("a", "RR") == pytest.approx(expected)
    e.table("json").encode()


def test_subtopics_of_a_file_are_kept_and_rounds_of_judging_are_none(tmp_path):
    (tmp_path / "diversity").write_text("q 1 d 1\nq 2 d 0\nq 2 e 2\n")
    assert Judgements.of(tmp_path / "diversity") == Judgements(
        {"q": {"d": 1, "e": 2}}, {"q": {"d": {"1": 1, "2": 0}, "e": {"2": 2}}}
    )
    (tmp_path / "rounds").write_text("q 1 d 1\nq 4.5 e 2\n")
    assert Judgements.of(tmp_path / "rounds") == Judgements({"q": {"d": 1, "e": 2}})


def test_documents_already_seen_come_from_any_shape(tmp_path):
    (tmp_path / "run").write_text("q Q0 d 1 2 t\n")
    (tmp_path / "qrels").write_text("q 0 d 0\n")
    for value in (
        {"q": {"d"}},
        {"q": ["d"]},
        {"q": {"d": 0}},
        tmp_path / "run",
        tmp_path / "qrels",
        RUN | {"q": ["d"]},
    ):
        assert seen_documents(value)["q"] == {"d"}
