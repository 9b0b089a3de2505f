"""The evaluation as a value, its cost and its tables."""

import csv
import io
import json
import sys

import pytest

from anyrank.core.errors import InputError, MissingExtra
from anyrank.core.trace import Step, Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate import Cost, Evaluation, evaluate, peak_memory_mb
from anyrank.evaluate.tables import FORMATS, legend, query_rows, rows

QRELS = {f"q{i}": {"good": 2, "fair": 1, "bad": 0} for i in range(12)}


def ranking(q, ids, *steps):
    return Ranking(Query(q, f"query {q}"), tuple(Candidate(d, f"text of {d}", 1.0) for d in ids), steps)


def slow(i):
    usage = Usage(
        calls=2, prompt_tokens=30, completion_tokens=10, truncated=i == 0, repairs={"missing": 3} if i == 1 else {}
    )
    fell = Usage(fallback=1) if i == 2 else Usage(calls=1)
    return Step("judge", 0.2, usage), Step("second", 0.1, fell, ("Error: x",) if i == 2 else ())


@pytest.fixture(scope="module")
def e():
    good = [ranking(q, ["good", "fair", "bad"], *slow(i)) for i, q in enumerate(QRELS)]
    bad = [ranking(q, ["bad", "new", "fair", "good"] if i else ["good"]) for i, q in enumerate(QRELS)][:-1]
    same = {q: {"x|y": 1.0, "good": 1.0} for q in [*QRELS, "stranger"]}
    runs = {"bad_run": bad, "good & best": good, "same": same}
    return evaluate(runs, QRELS, ["nDCG@2", "RR(rel=2)@10", "AP"], memory={"good & best": 123.4}, samples=500)


def test_values_and_what_is_missing(e):
    assert e.mean("good & best", "nDCG@2") == 1.0
    assert e.values["bad_run"]["RR(rel=2)@10"] == (1.0, *[0.25] * 10, 0.0)
    assert e.mean("bad_run", "RR(rel=2)@10") == pytest.approx(3.5 / 12)
    assert e.unanswered == {"bad_run": ("q11",), "good & best": (), "same": ()}
    assert e.unjudged == {"bad_run": (), "good & best": (), "same": ("stranger",)}
    assert e.judged_name == "Judged@2"
    assert e.judged == pytest.approx({"bad_run": (1 + 10 * 0.5) / 11, "good & best": 1.0, "same": 0.5})
    assert e.tied == {"bad_run": 0, "good & best": 0, "same": 13}
    text = " ".join(legend(e))
    assert "bad_run: no results for 1 query (q11); they count 0." in text
    assert "same: no judgements for 1 query (stranger); left out." in text
    assert "paired t-test, Holm correction over 2 comparisons a measure, alpha 0.05" in text
    assert "12 queries" in text
    assert "Smallest difference" in text


def test_comparisons(e):
    c = e.compared("good & best", "nDCG@2")
    assert (c.wins, c.ties, c.losses) == (12, 0, 0)
    assert c.significant
    assert c.p <= c.corrected < 0.05
    assert c.low <= c.difference <= c.high
    assert e.compared("bad_run", "nDCG@2") is None
    assert len(e.comparisons) == 6


def test_cost_from_traces(e):
    cost = e.costs["good & best"]
    assert cost.ms == pytest.approx(300)
    assert cost.as_row() == pytest.approx(
        {"ms": 300, "calls": (24 + 11) / 12, "tokens": 40, "truncated": 1, "repaired": 3, "fallback": 1, "cached": 0,
         "peak_mb": 123.4}
    )  # fmt: skip
    assert cost.statuses == {"ok": 10, "repaired": 1, "fallback": 1}
    assert [s.name for s in cost.steps] == ["judge", "second"]
    assert cost.steps[1].notes == ("Error: x",)
    assert e.costs["bad_run"] is None
    assert e.costs["same"] is None
    assert Cost.of([]).ms == 0
    assert 1 < peak_memory_mb() < 1e6


def test_json_comes_back_equal(e):
    assert Evaluation.from_json(e.table("json")) == e
    assert json.loads(e.table("json"))["table"] == json.loads(json.dumps(rows(e)))


def test_csv_holds_every_row(e):
    read = list(csv.DictReader(io.StringIO(e.table("csv"))))
    assert [r["run"] for r in read] == list(e.runs)
    assert float(read[1]["nDCG@2"]) == 1.0
    assert read[0]["nDCG@2 p"] == ""
    assert read[1]["truncated"] == "1"


def test_text_marks_what_is_significant_and_shows_cost(e):
    quality, cost, _ = e.table("text").split("\n\n")
    head, _, *lines = quality.splitlines()
    assert "95% CI" in head
    assert "1.0000▲" in lines[1]
    assert "baseline" in lines[0]
    assert "▲" not in lines[0]
    head, _, *lines = cost.splitlines()
    assert "repaired" in head
    assert "cached" not in head
    assert "123" in lines[1]


def test_markdown_and_latex_escape_names(e):
    tex = e.table("latex")
    assert r"good \& best & \textbf{1.0000}$^{\uparrow}$" in tex
    assert r"bad\_run" in tex
    assert r"\toprule" in tex
    assert not any(c in tex for c in "▲\0\1\2\3–")
    md = e.table("markdown")
    table = [line for line in md.splitlines() if line.startswith("|")]
    assert len(table) == 5
    assert len({line.count("|") for line in table}) == 1
    assert "**1.0000**▲" in md


def test_query_rows_hold_every_value(e):
    table = query_rows(e)
    assert len(table) == 36
    assert table[3] == {
        "query": "q1",
        "run": "bad_run",
        "nDCG@2": 0.0,
        "RR(rel=2)@10": 0.25,
        "AP": e.values["bad_run"]["AP"][1],
    }


def test_queries_come_as_csv(e):
    read = list(csv.DictReader(io.StringIO(e.table("queries"))))
    assert [float(r["AP"]) for r in read if r["run"] == "same"] == list(e.values["same"]["AP"])


def test_one_run_alone_has_no_comparison():
    e = evaluate({"a": {"q": {"x": 1.0}}}, {"q": {"x": 1}}, samples=50)
    assert e.baseline is None
    assert e.comparisons == ()
    assert all(f == "json" or "better" not in e.table(f) for f in FORMATS)
    assert e.judged_name == "Judged@10"
    assert Evaluation.from_json(e.table("json")) == e


def test_nothing_is_compared_where_no_test_is_wanted():
    run = {q: {"good": 1.0} for q in QRELS}
    e = evaluate({"a": run, "b": run}, QRELS, test="none", samples=50)
    assert (e.baseline, e.comparisons) == (None, ())
    assert "W/T/L" not in e.table()


def test_identical_runs_never_differ_significantly():
    run = {q: {"good": 1.0, "bad": 2.0} for q in QRELS}
    for test in ("t", "randomisation"):
        e = evaluate({"a": run, "b": run}, QRELS, test=test, samples=50)
        assert all(c.p == 1.0 and not c.significant and c.effect is None for c in e.comparisons)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"runs": {}}, "at least one run"),
        ({"measures": []}, "one measure"),
        ({"baseline": "bn25"}, "there are bm25"),
        ({"qrels": {"7": {"x": 1}}}, "query ids are like 'q', the judged ones like '7'"),
        ({"qrels": {}}, "hold no query"),
        ({"measures": ["ndgc"]}, "did you mean nDCG"),
    ],
)
def test_errors_say_what_is_wrong(change, says):
    given = {"runs": {"bm25": {"q": {"x": 1.0}}}, "qrels": {"q": {"x": 1}}} | change
    with pytest.raises(InputError, match=says):
        evaluate(**given)


def test_unknown_formats_and_missing_packages(e, monkeypatch):
    with pytest.raises(InputError, match="text, markdown, latex, csv, queries, pairs, json"):
        e.table("yaml")
    monkeypatch.setitem(sys.modules, "tabulate", None)
    with pytest.raises(MissingExtra, match="tabulate"):
        e.table()
