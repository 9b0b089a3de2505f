"""The comparison report: self-contained, escaped, bounded, and with all its sections."""

import re
from dataclasses import replace

import pytest
from markupsafe import escape

from anyrank.core.trace import Step, Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate import evaluate
from anyrank.pages import report, write_report
from anyrank.pages.svg import one_line

EVIL = "</title><script>alert('x')</script> & \"quoted\" \x00"
DOCS = [f"d{i}" for i in range(30)]


def made(queries=8, runs=("first", "second " + EVIL), traced=True):
    """Runs whose order turns with the query, so that all differ."""
    qrels = {f"q{i}": {f"d{j}": (i + j) % 4 for j in range(12)} for i in range(queries)}
    out = {}
    for n, name in enumerate(runs):
        out[name] = []
        for i, q in enumerate(qrels):
            turn = (i * (n + 3)) % 30 if n else 0
            docs = tuple(
                Candidate(d, {"title": d, "text": EVIL * 200}, -float(r))
                for r, d in enumerate(DOCS[turn:] + DOCS[:turn])
            )
            usage = Usage(calls=1, repairs={"missing": n})
            steps = (Step("judge" + EVIL, 0.01 * 10**n, usage, (EVIL,)),) if traced else ()
            out[name].append(Ranking(Query(q, "words of " + q + EVIL), docs, steps))
    return out, qrels


@pytest.fixture(scope="module")
def page():
    runs, qrels = made()
    return report(evaluate(runs, qrels, samples=200), runs, qrels, title=EVIL)


def test_the_page_is_well_formed_and_needs_nothing_else(page, check_page):
    check_page(page)
    assert page.count("<title>") > 30
    assert page.count("<svg") == 2 + 1 + 1 + 8  # whiskers, bars, scatter, flows


def test_text_from_data_is_escaped_and_cut(page):
    assert "alert('x')" not in page
    assert "\0" not in page
    assert "&lt;script&gt;alert(" in page
    assert max(map(len, re.findall(r"<title>([^<]*)</title>", page))) < 1200


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "'\"><img src=x onerror=alert(1)>",
        "</svg></style></title><b>",
        "{{ 7 * 7 }}{% raw %}",
        "\u202egnp.exe\u2066 \u0645\u062d\u0631\u0643",
        "\ud800 \x1b[31m \x00",
        "名前 😀 <",
    ],
)
def test_hostile_names_stay_inert_wherever_they_stand(name, check_page):
    """As run, query, document, their texts, and the stage and note of a trace."""
    names = [f"base {name}", f"other {name}"]
    key = "".join(c for c in name if c not in "\0\ud800")  # ids: pytrec_eval reads C strings of valid Unicode
    docs = [Candidate(f"{key}{i}", name, -float(i)) for i in range(12)]
    steps = (Step(name, 0.1, Usage(calls=1, repairs={"missing": 1}), (name,)),)
    runs = {n: [Ranking(Query(key, name), tuple(docs[k:]), steps)] for k, n in enumerate(names)}
    qrels = {key: {f"{key}1": 1, f"{key}0": 0}}
    page = report(evaluate(runs, qrels, samples=50), runs, qrels, title=name)
    check_page(page)
    assert f"<h1>{escape(one_line(name))}</h1>" in page
    assert page.count(escape(one_line(names[0]))) >= 5


def test_the_sections_are_there(page):
    for words in ("Quality", "Query by query", "Quality against latency", "Rank flow", "what went wrong", "Judged@10"):
        assert words in page
    assert "bars-menu" in page
    assert "Pareto front" in page
    assert "paired t-test, Holm correction" in page


def rows_of(page, heading):
    """The words of a section's table, a list a row."""
    table = re.search(rf"<h2>{heading}</h2>.*?</table>", page, re.S)[0]
    rows = [re.findall(r"<t[hd].*?</t[hd]>", row, re.S) for row in re.findall(r"<tr>.*?</tr>", table, re.S)]
    return [[" ".join(re.sub(r"<svg.*?</svg>|<[^>]*>", "", cell, flags=re.S).split()) for cell in row] for row in rows]


def test_tables_hold_the_values_of_the_evaluation():
    runs, qrels = made(runs=("first", "second"))
    runs["bare"] = {q: {"d0": 1.0} for q in qrels}
    e = evaluate(runs, qrels, ["nDCG@10", "AP"], samples=50)
    page = report(e, runs, qrels)
    head, first, second, _ = rows_of(page, "Quality")
    low, high = (f(getattr(e.summaries[r]["nDCG@10"], end) for r in runs) for f, end in ((min, "low"), (max, "high")))
    interval = f"95% interval, {low:.2f} to {high:.2f}"
    assert head == ["run", "nDCG@10", interval, "difference", "p", "W/T/L", "AP", "Judged@10"]
    c = e.compared("second", "nDCG@10")
    assert first[:2] == ["first", f"{e.mean('first', 'nDCG@10'):.4f}"]
    assert first[3:6] == ["baseline", "", ""]
    assert second[3] == f"{c.difference:+.4f}"
    assert second[5] == f"{c.wins}/{c.ties}/{c.losses}"
    assert second[6].startswith(f"{e.mean('second', 'AP'):.4f}")
    assert second[7] == f"{e.judged['second']:.3f}"
    head, first, second, bare = rows_of(page, "Cost, and what went wrong")
    assert head[-2:] == ["not judged", "stages (ms a query), notes"]
    assert dict(zip(head, second))["repaired"] == "8"
    assert dict(zip(head, first))["ms/query"] == "10.0"
    assert re.fullmatch(r"judge.* 100\.0; “.*”", second[-1])
    assert bare[1:-2] == ["–"] * (len(head) - 3)
    assert bare[-1] == "no trace"
    assert "without timings: bare" in page


def test_marks_show_significance_and_the_best():
    qrels = {f"q{i}": {"a": 1} for i in range(20)}
    good = {q: {"a": 2.0, "b": 1.0} for q in qrels}
    bad = {q: {"a": 1.0, "b": 2.0 if i else 0.0} for i, q in enumerate(qrels)}
    for base, other, mark in ((bad, good, '<span class="up">▲</span>'), (good, bad, '<span class="down">▼</span>')):
        runs = {"base": base, "other": other}
        page = report(evaluate(runs, qrels, ["RR@10"], samples=50), runs, qrels)
        assert page.count(mark) == 1
        assert page.count('<td class="best">1.0000') == 1


def test_flows_are_bounded_and_the_most_changed():
    runs, qrels = made(queries=70)
    e = evaluate(runs, qrels, ["nDCG@10"], samples=50)
    page = report(e, runs, qrels)
    assert page.count('class="flow"') == 60
    assert "10 others are left out" in page
    assert len(page) < 6_000_000
    gap = {q: abs(a - b) for q, a, b in zip(e.queries, *(e.values[r]["nDCG@10"] for r in e.runs))}
    first = re.search(r'id="flow-menu" data-shows="flow">\n<option value="0">(\w+)', page)[1]
    assert gap[first] == max(gap.values())


def test_one_run_of_bare_scores_makes_a_page_too():
    qrels = {"q": {"a": 1}}
    runs = {"only": {"q": {"a": 1.0, "b": 0.5}, "x": {"a": 1.0}}}
    page = report(evaluate(runs, qrels, samples=50), runs, qrels, queries={"q": "what is a?"}, texts={"a": "a thing"})
    assert "Query by query" not in page
    assert "hold no timings" in page
    assert "what is a?" in page
    assert "a (grade 1): a thing" in page
    assert "b (no judgement)" in page


def test_a_report_is_written_whole(tmp_path):
    qrels, runs = {"q": {"a": 1}}, {"only": {"q": {"a": 1.0}}}
    e = evaluate(runs, qrels, samples=50)
    write_report(tmp_path / "r.html", e, runs, qrels, title="A title", texts={"a": "lone \ud800 surrogate"})
    assert "<h1>A title</h1>" in (tmp_path / "r.html").read_text("utf-8")
    with pytest.raises(KeyError):
        write_report(tmp_path / "r.html", e, {}, qrels)
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def lead(page):
    """The words below the title."""
    return re.sub(r"<[^>]*>", "", re.search(r'<p class="lead">(.*?)</p>', page, re.S)[1]).strip()


def test_a_winner_is_named_only_where_the_test_says_so():
    qrels = {f"q{i}": {"a": 1} for i in range(20)}
    good = {q: ["a", "b"] for q in qrels}
    near = {q: ["a", "b"] if i else ["b", "a"] for i, q in enumerate(qrels)}
    bad = {q: ["b", "a"] for q in qrels}

    def words(runs, **options):
        return lead(report(evaluate(runs, qrels, ["RR"], samples=50, **options), runs, qrels))

    assert words({"good": good, "bad": bad}) == (
        "2 runs, 20 queries; the best by RR: good (1.0000), significantly better than every other run."
    )
    assert words({"good": good, "near": near}) == (
        "2 runs, 20 queries; the highest mean RR: good (1.0000); not significantly better than near."
    )
    assert words({"bad": bad, "near": near, "good": good}) == (
        "3 runs, 20 queries; the highest mean RR: good (1.0000); significantly better than bad, not compared with near."
    )
    assert "significantly better than bad, not significantly better than near" in words(
        {"bad": bad, "near": near, "good": good}, pairs="all"
    )
    assert words({"good": good, "bad": bad}, test="none").endswith(
        "the highest mean RR: good (1.0000); no test was made."
    )
    assert words({"good": good}) == "1 run, 20 queries; RR 1.0000."


def test_all_pairs_are_a_table_of_the_page():
    runs, qrels = made(runs=("first", "second", "third_one"))
    e = evaluate(runs, qrels, ["nDCG@10"], samples=50, pairs="all", margin=0.9)
    page = report(e, runs, qrels)
    head, *rows = rows_of(page, "All pairs")
    assert head == ["pair, by nDCG@10", "difference", "interval", "p", "W/T/L"]
    assert len(rows) == 3
    assert all(" ≈ " in row[0] or " &gt; " in row[0] for row in rows)
    assert "third_<wbr>one" in page
    assert "All pairs" not in report(evaluate(runs, qrels, samples=50), runs, qrels)


def test_long_names_break_at_their_joints(check_page):
    runs, qrels = made(runs=("first", "dl19.SPLADE_P_P_ENSEMBLE_DISTIL.top100<b>"))
    page = report(evaluate(runs, qrels, samples=50), runs, qrels)
    check_page(page)
    assert "dl19.<wbr>SPLADE_<wbr>P_<wbr>P_<wbr>ENSEMBLE_<wbr>DISTIL.<wbr>top100&lt;b&gt;" in page


def test_points_have_the_intervals_of_the_evaluation():
    from anyrank.pages.comparison import charts_of

    runs, qrels = made(runs=("first", "second"))
    e = evaluate(runs, qrels, ["nDCG@10"], samples=50)
    s = e.summaries["first"]["nDCG@10"]
    words = f"first: {s.mean:.4f} ({s.low:.3f} to {s.high:.3f}), 10 ms a query"
    assert words in charts_of(e, runs, qrels, flows=1).scatter


def test_the_five_queries_that_changed_most_are_listed():
    from anyrank.pages.comparison import charts_of

    qrels = {f"q{i}": {"a": 1} for i in range(16)}
    base = {q: ["x", "a"] for q in qrels}
    # Of the other run six queries rise to the first rank, seven fall to later ones, three stay.
    other = {
        q: ["a"] if i < 6 else ["x", "a"] if i < 9 else [*"xyz", *"bcdefgh"[: i - 9], "a"] for i, q in enumerate(qrels)
    }
    runs = {"base": base, "other": other}
    (d,) = charts_of(evaluate(runs, qrels, ["RR"], samples=50), runs, qrels).differences
    assert ([g for g, _ in d.gained], len(d.lost)) == ([0.5] * 5, 5)
    assert [g for g, _ in d.lost] == sorted(g for g, _ in d.lost)
    assert d.lost[0][1].startswith("q15")


def test_a_run_that_is_better_throughout_has_bars_of_gains_alone():
    from anyrank.pages.comparison import charts_of

    qrels = {f"q{i}": {"a": 1} for i in range(4)}
    runs = {"base": {q: ["x", "a"] for q in qrels}, "other": {q: ["a", "x"] for q in qrels}}
    (d,) = charts_of(evaluate(runs, qrels, ["RR"], samples=50), runs, qrels).differences
    assert re.findall(r'class="(win|tie|loss)"', d.chart) == ["win"] * 4
    assert "0.5000 → 1.0000 (+0.5000)" in d.chart


def test_flows_break_ties_as_the_evaluation_did():
    from anyrank.pages.comparison import charts_of

    qrels = {"q": {"a": 1}}
    runs = {"one": {"q": {"a": 1.0, "b": 1.0}}, "two": {"q": {"b": 2.0, "a": 1.0}}}

    e = evaluate(runs, qrels, ["RR"], samples=50, ties="given")
    given, broken = (charts_of(replace(e, ties=ties), runs, qrels).flows[0][2] for ties in ("given", "trec_eval"))
    assert given != broken  # trec_eval has b before a in both runs
