import sys

import pytest

from anyrank import Candidate, InputError, MissingExtra, Query, Ranking
from anyrank.io import from_frame, rankings_from_dict, run_to_dict, to_frame, to_rows

RANKING = Ranking(
    Query("q1", "what?"), (Candidate("d2", "two", 5.0), Candidate("d1", "one", 5.0), Candidate("d3", "x", 1.0))
)


class Frame:
    """The one method of a data frame that reading needs."""

    def __init__(self, rows):
        self.rows = rows

    def to_dict(self, orient):
        assert orient == "records"
        return self.rows


def test_rows_have_pyterriers_columns_and_strict_scores():
    rows = list(to_rows([RANKING]))
    assert [list(r) for r in rows] == [["qid", "query", "docno", "text", "score", "rank"]] * 3
    assert [(r["docno"], r["rank"]) for r in rows] == [("d2", 0), ("d1", 1), ("d3", 2)]
    assert rows[0]["score"] > rows[1]["score"] > rows[2]["score"]


def test_a_frame_reads_back():
    (back,) = from_frame(Frame(list(to_rows([RANKING]))))
    assert (back.query, back.ids, [c.content for c in back]) == (RANKING.query, RANKING.ids, ["two", "one", "x"])
    assert back.scores == list(run_to_dict([RANKING])["q1"].values())


def test_frames_of_queries_of_unsorted_rows_and_of_other_columns():
    assert from_frame([{"qid": 1, "query": "a"}, {"qid": 2, "query": "b"}]) == [
        Ranking(Query("1", "a")),
        Ranking(Query("2", "b")),
    ]
    rows = [
        {"qid": "a", "docno": "x", "score": 1, "lang": "en", "text": float("nan")},
        {"qid": "b", "docno": 7, "rank": 3},
        {"qid": "a", "docno": "y", "score": 2.5},
        {"qid": "b", "docno": 8},
    ]
    a, b = from_frame(rows)
    assert (a.ids, a.scores, a[1].meta, a[1].content) == (["y", "x"], [2.5, 1.0], {"lang": "en"}, None)
    assert (b.ids, b.scores) == (["7", "8"], [0.0, -1.0])


def test_bad_frames_are_named():
    with pytest.raises(InputError, match=r"row 1 has no column qid \(columns: query_id\)"):
        from_frame([{"qid": "a"}, {"query_id": "b"}])
    for score in ("high", None, float("nan")):
        with pytest.raises(InputError, match="document 'x' of query 'a' has the score"):
            from_frame([{"qid": "a", "docno": "x", "score": score}])
    with pytest.raises(InputError, match="candidate 'x' appears twice in the ranking of query 'a'"):
        from_frame([{"qid": "a", "docno": "x"}] * 2)


def test_dicts():
    run = {"q1": {"a": 1.0, "b": 2.0}, "q2": {}}
    one, two = rankings_from_dict(run, {"q1": "what?", "q2": "why?"}, {"a": "A", "b": "B"})
    assert (one.ids, [c.content for c in one], one.query.content, len(two)) == (["b", "a"], ["B", "A"], "what?", 0)
    assert run_to_dict([one, two]) == run
    assert rankings_from_dict(run)[0][0].content is None
    with pytest.raises(InputError, match="unknown query id 'q2'"):
        rankings_from_dict(run, {"q1": "what?"})
    with pytest.raises(InputError, match="unknown document id 'b'"):
        rankings_from_dict(run, texts={"a": "A"})
    with pytest.raises(InputError, match="has the score inf"):
        rankings_from_dict({"q": {"a": float("inf")}})


def test_pandas_frames():
    pandas = pytest.importorskip("pandas")
    frame = to_frame([RANKING])
    assert list(frame.columns) == ["qid", "query", "docno", "text", "score", "rank"]
    assert isinstance(frame, pandas.DataFrame)
    assert from_frame(frame)[0].ids == RANKING.ids


def test_without_pandas_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"the package 'pandas', .* pip install 'anyrank\[datasets\]'"):
        to_frame([RANKING])
