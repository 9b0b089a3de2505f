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
from anyrank.evaluate.comparisons import Statistics
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


def test_alpha_sets_the_intervals_of_means_and_of_differences():
    """99 % intervals are wider than 50 % ones, of the runs and of their differences."""
    orders = [["good", "fair", "bad"], ["fair", "good", "bad"], ["bad", "fair", "good"]]
    one = [ranking(q, orders[i % 3]) for i, q in enumerate(QRELS)]
    two = [ranking(q, orders[(i // 3) % 3]) for i, q in enumerate(QRELS)]

    def widths(alpha):
        e = evaluate({"one": one, "two": two}, QRELS, ["nDCG@3"], alpha=alpha, samples=2000, baseline="one")
        (c,) = e.comparisons
        summary = e.summaries["two"]["nDCG@3"]
        return summary.high - summary.low, c.high - c.low

    wide, narrow = widths(0.01), widths(0.5)
    assert wide[0] > 1.5 * narrow[0] > 0
    assert wide[1] > 1.5 * narrow[1] > 0


# all pairs, equivalence, winners

THREE = {
    "low": {q: ["bad", "x", "good"] for q in QRELS},
    "high": {q: (["good", "fair"] if i % 3 else ["fair", "good"]) for i, q in enumerate(QRELS)},
    "near": {q: (["good", "fair"] if i % 4 else ["fair", "good"]) for i, q in enumerate(QRELS)},
}


def three(**options):
    return evaluate(THREE, QRELS, ["nDCG@10", "RR(rel=2)"], samples=200, **options)


@pytest.mark.parametrize("test", ["t", "randomisation", "wilcoxon", "tukey"])
def test_all_pairs_are_compared_once_a_measure(test):
    e = three(test=test, pairs="all", baseline="near")
    assert [(c.run, c.baseline) for c in e.comparisons[:3]] == [("low", "near"), ("high", "near"), ("high", "low")]
    assert len(e.comparisons) == 6
    for c in e.comparisons:
        assert c.difference == pytest.approx(e.mean(c.run, c.measure) - e.mean(c.baseline, c.measure))
        assert c.low <= c.difference <= c.high
        assert c.p <= c.corrected
        assert e.between(c.baseline, c.run, c.measure) is e.between(c.run, c.baseline, c.measure) is c
    assert e.compared("high", "nDCG@10").baseline == "near"
    assert e.compared("near", "nDCG@10") is None
    assert Evaluation.from_json(e.table("json")) == e


def test_tukey_is_of_all_pairs_and_corrected_by_itself():
    from anyrank.evaluate.significance import tukey_hsd

    e = three(test="tukey", correction="bonferroni")
    matrix = tukey_hsd([[e.values[r]["nDCG@10"][i] for r in e.runs] for i in range(len(e.queries))])
    assert e.pairs == "all"
    assert [c.corrected for c in e.comparisons[:3]] == pytest.approx([matrix[1, 0], matrix[2, 0], matrix[2, 1]])
    assert "Tukey's HSD test of all pairs, corrected over 3 comparisons a measure by itself" in e.table()


def test_a_correction_is_over_all_pairs_that_were_compared():
    one, all_pairs = three(correction="bonferroni"), three(correction="bonferroni", pairs="all")
    raw = three(correction="none").compared("high", "nDCG@10").p
    assert one.compared("high", "nDCG@10").corrected == pytest.approx(min(1, 2 * raw))
    assert all_pairs.compared("high", "nDCG@10").corrected == pytest.approx(min(1, 3 * raw))


def test_a_difference_is_significant_by_its_corrected_p():
    base, better = [0.5] * 6, [0.9, 0.8, 0.7, 0.6, 0.5, 0.55]
    values = {run: {"RR": row} for run, row in {"base": base, "one": better, "two": better}.items()}
    first, _ = Statistics(correction="bonferroni", samples=50).comparisons(values, "base")
    assert first.p == pytest.approx(0.0388, abs=1e-4)
    assert first.corrected == pytest.approx(0.0777, abs=1e-4)
    assert not first.significant
    first, _ = Statistics(correction="none", samples=50).comparisons(values, "base")
    assert first.significant


def test_a_winner_is_named_only_if_better_than_every_other():
    assert three().winner("nDCG@10") is None
    assert three(pairs="all").winner("nDCG@10") is None
    two = {"high": THREE["high"], "low": THREE["low"]}
    assert evaluate(two, QRELS, ["RR"], samples=50).winner("RR") == "high"
    assert evaluate(two, QRELS, ["RR"], samples=50, test="none").winner("RR") is None
    assert evaluate({"high": THREE["high"]}, QRELS, ["RR"], samples=50).winner("RR") is None
    more = two | {"lower": {q: ["x", "bad"] for q in QRELS}}
    assert evaluate(more, QRELS, ["RR"], samples=50, baseline="low").winner("RR") is None  # high and lower: unknown
    assert evaluate(more, QRELS, ["RR"], samples=50, pairs="all", baseline="low").winner("RR") == "high"
    text = evaluate(more, QRELS, ["RR"], samples=50, pairs="all").table()
    assert "high is significantly better than every other run by RR." in text
    assert "high > low" in text
    assert (
        "No run is shown to be better than every other one by nDCG@10 (not all pairs were compared)." in three().table()
    )
    assert "No run is shown to be better than every other one by nDCG@10." in three(pairs="all").table()


def test_equivalence_is_shown_within_a_margin_alone():
    from anyrank.evaluate.significance import equivalence_test

    e = three(baseline="high", margin=0.15, correction="bonferroni")
    near, low = e.compared("near", "nDCG@10"), e.compared("low", "nDCG@10")
    values = [e.values[r]["nDCG@10"] for r in ("near", "high")]
    assert near.equivalence == pytest.approx(min(1, 2 * equivalence_test(*values, 0.15)))
    assert (near.equivalent, low.equivalent) == (True, False)
    assert f"{e.mean('near', 'nDCG@10'):.4f}≈" in e.table()
    assert "margin 0.15, Bonferroni correction" in e.table()
    assert r"$^{\approx}$" in e.table("latex")
    assert next(csv.DictReader(io.StringIO(e.table("csv"))))["nDCG@10 equivalent"] == "False"
    assert three().compared("near", "nDCG@10").equivalence is None
    assert not three(margin=1e-6, baseline="high").compared("near", "nDCG@10").equivalent


def test_every_comparison_comes_as_csv():
    read = list(csv.DictReader(io.StringIO(three(pairs="all").table("pairs"))))
    assert [(r["measure"], r["run"], r["baseline"]) for r in read[:2]] == [
        ("nDCG@10", "high", "low"), ("nDCG@10", "near", "low"),
    ]  # fmt: skip
    assert len(read) == 6


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"test": "z"}, "no test 'z': t, randomisation, wilcoxon, tukey, none"),
        ({"correction": "fdr"}, "no correction 'fdr': holm, bonferroni, bh, none"),
        ({"pairs": "some"}, "no pairs 'some': baseline, all"),
        ({"interval": "normal"}, "no interval 'normal'"),
        ({"alpha": 1.5}, "alpha=1.5: expected a probability"),
        ({"margin": -1.0}, "margin of equivalence is -1.0"),
    ],
)
def test_options_that_are_not_known_are_named(options, says):
    with pytest.raises(InputError, match=says):
        three(**options)


# documents left out


def test_the_query_itself_is_left_out_of_runs_and_judgements():
    qrels = {"a": {"a": 1, "b": 1}, "b": {"c": 1}}
    runs = {"r": {"a": ["a", "x", "b"], "b": ["c", "b"]}}
    e = evaluate(runs, qrels, ["RR", "R@10"], samples=50, ignore_self=True)
    assert e.values["r"] == {"RR": (0.5, 1.0), "R@10": (1.0, 1.0)}
    assert evaluate(runs, qrels, ["RR"], samples=50).values["r"]["RR"] == (1.0, 1.0)
    assert "The document whose id is the query's was left out" in e.table()
    ids = [Ranking.of(Query(7), ["x", "y"], ids=[7, 8])]
    assert evaluate({"r": ids}, {7: {8: 1}}, ["RR"], samples=50, ignore_self=True).mean("r", "RR") == 1.0


def test_a_residual_collection_is_measured_without_what_was_seen():
    qrels = {"q": {"a": 1, "b": 1, "c": 0}, "p": {"a": 1}}
    runs = {"r": {"q": ["a", "c", "b"], "p": ["x", "a"]}}
    e = evaluate(runs, qrels, ["RR", "R@10", "NumRel"], samples=50, residual={"q": ["a", "unknown"], "other": ["z"]})
    assert e.values["r"] == {"RR": (0.5, 0.5), "R@10": (1.0, 1.0), "NumRel": (1.0, 1.0)}
    assert "Residual collection: 3 documents already seen" in e.table()
    gone = evaluate(runs, qrels, ["RR"], samples=50, residual={"p": ["a"]})
    assert gone.queries == ("q",)  # nothing is judged any more for p
    with pytest.raises(InputError, match="'r' has no result left for any judged query such as 'q'"):
        evaluate({"r": {"q": ["a"]}}, qrels, ["RR"], residual={"q": ["a"], "p": ["a"]})


def test_condensed_lists_hold_judged_documents_alone():
    qrels, runs = {"q": {"a": 1, "c": 0}}, {"r": {"q": ["x", "y", "c", "z", "a"], "unjudged": ["x"]}}
    e = evaluate(runs, qrels, ["RR", "Judged@5"], samples=50, condensed=True)
    assert e.values["r"] == {"RR": (0.5,), "Judged@5": (1.0,)}
    assert e.unjudged["r"] == ("unjudged",)
    assert "Condensed lists" in e.table()


def test_counts_are_means_and_the_table_says_so():
    e = evaluate({"r": {"q": ["a", "b"], "p": ["a"]}}, {"q": {"a": 1}, "p": {"a": 1}}, ["NumRet"], samples=50)
    assert e.mean("r", "NumRet") == 1.5
    assert "NumRet: means over the queries (trec_eval sums counts)" in e.table()


def test_one_measure_may_be_a_text_and_runs_must_have_names():
    assert evaluate({"r": {"q": ["a"]}}, {"q": {"a": 1}}, "nDCG@10", samples=50).measures == ("nDCG@10",)
    with pytest.raises(InputError, match="expected a mapping of names to runs, found a list"):
        evaluate([{"q": ["a"]}], {"q": {"a": 1}})
    with pytest.raises(InputError, match=r"a measure is a name such as nDCG@10, not a int"):
        evaluate({"r": {"q": ["a"]}}, {"q": {"a": 1}}, [10])


def test_costs_may_be_given_with_runs_that_hold_none():
    cost = Cost(1, (Step("bm25", 0.5),))
    e = evaluate({"r": {"q": ["a"]}}, {"q": {"a": 1}}, ["RR"], samples=50, costs={"r": cost})
    assert e.costs["r"].ms == 500
    assert "500.0" in e.table()


def test_intervals_of_means_and_differences_follow_alpha():
    """A confidence of 50 % lies within one of 99 %."""
    half, wide = three(alpha=0.5), three(alpha=0.01)
    for inner, outer in (
        (half.summaries["near"]["nDCG@10"], wide.summaries["near"]["nDCG@10"]),
        (half.compared("near", "nDCG@10"), wide.compared("near", "nDCG@10")),
    ):
        assert outer.low < inner.low < inner.high < outer.high
    assert half.compared("near", "nDCG@10").detectable < wide.compared("near", "nDCG@10").detectable


def test_a_cost_keeps_five_distinct_notes_of_a_stage():
    rankings = [ranking(f"q{i}", ["d"], Step("s", 0.1, Usage(), (f"note {i % 7}",))) for i in range(20)]
    assert Cost.of(rankings).steps[0].notes == tuple(f"note {i}" for i in range(5))


def test_a_pair_is_shown_with_the_better_run_first():
    from anyrank.evaluate.tables import pair_cells

    more = {"high": THREE["high"], "low": THREE["low"], "lower": {q: ["x", "bad"] for q in QRELS}}
    e = evaluate(more, QRELS, ["RR"], samples=50, pairs="all")
    c = e.compared("low", "RR")
    assert c.difference < 0
    (row,) = (row for row in pair_cells(e)[1] if row[0] == "high > low")
    assert row[1:3] == [f"{-c.difference:+.4f}", f"{-c.high:+.3f} to {-c.low:+.3f}"]
    assert row[4] == f"{c.losses}/{c.ties}/{c.wins}" == "12/0/0"
