"""The report: self-contained, escaped, bounded, and showing what it should."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.trace import Step, Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate import evaluate, report, write_report
from anyrank.evaluate.charts import MOST_BARS, Bar, Point, bars, esc, pareto, scatter, ticks
from anyrank.evaluate.flow import flow

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


class Reader(HTMLParser):
    """Tags opened and not closed, and what they name."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.tags, self.links = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "action") or k.startswith("on")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_is_well_formed_and_needs_nothing_else(page):
    reader = Reader()
    reader.feed(page)
    assert reader.wrong == []
    assert reader.open == []
    assert reader.links == []
    assert reader.tags.count("script") == 1
    assert reader.tags.count("title") > 30
    assert not re.search(r"https?:|@import|url\(|fetch\(|@\w+@", page)
    script = re.search(r"<script>(.*?)</script>", page, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "prefers-color-scheme: dark" in page


def test_text_from_data_is_escaped_and_cut(page):
    assert "alert('x')" not in page
    assert "\0" not in page
    assert "&lt;script&gt;alert(" in page
    assert max(map(len, re.findall(r"<title>([^<]*)</title>", page))) < 1200


def test_every_drawing_is_sound_and_named(page):
    drawings = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(drawings) == 2 + 1 + 1 + 8  # whiskers, bars, scatter, flows
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("aria-label")
        numbers = [
            v for e in root.iter() for k, v in e.attrib.items() if k in ("x", "y", "cx", "cy", "x1", "y2", "width")
        ]
        assert "nan" not in " ".join(numbers)
        assert all(float(e.get("height")) >= 0 for e in root.iter("rect"))


def test_the_sections_are_there(page):
    for words in ("Quality", "Query by query", "Quality against latency", "Rank flow", "what went wrong", "Judged@10"):
        assert words in page
    assert "bars-menu" in page
    assert "Pareto front" in page
    assert "paired t-test, Holm correction" in page


def test_flows_are_bounded_and_the_most_changed():
    runs, qrels = made(queries=70)
    e = evaluate(runs, qrels, ["nDCG@10"], samples=50)
    page = report(e, runs, qrels)
    assert page.count('class="flow"') == 60
    assert "10 others are left out" in page
    assert len(page) < 6_000_000
    gap = {q: abs(a - b) for q, a, b in zip(e.queries, *(e.values[r]["nDCG@10"] for r in e.runs))}
    first = re.search(r'id="flow-menu"><option value="0">(\w+)', page)[1]
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


def test_many_queries_are_sampled_evenly():
    drawn = bars([Bar(i / 1000 - 0.5, f"q{i}") for i in range(1000)], "all")
    assert drawn.count('class="mark"') == MOST_BARS
    assert ">q999<" in drawn
    assert ">q0<" in drawn
    assert "mean -0.0005" in drawn


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_pareto_front_is_what_nothing_beats(pairs):
    points = [Point(str(i), ms, q / 10, 0, 1) for i, (ms, q) in enumerate(pairs)]
    front = {(p.ms, p.quality) for p in pareto(points)}
    assert front == {
        (p.ms, p.quality) for p in points
        if not any((o.ms <= p.ms and o.quality > p.quality) or (o.ms < p.ms and o.quality >= p.quality) for o in points)
    }  # fmt: skip
    ElementTree.fromstring(scatter(points, "nDCG@10"))


def test_labels_of_close_points_do_not_overlap():
    drawn = scatter([Point(f"name{i}", 10 + i / 10, 0.5 + i / 1000, 0.4, 0.6) for i in range(6)], "m")
    names = [t for t in ElementTree.fromstring(drawn).iter("text") if "name" in (t.get("class") or "")]
    places = [(t.get("x"), t.get("y")) for t in names]
    assert len(set(places)) == len(places) == 6


def test_a_flow_shows_leaving_documents_and_grades():
    orders = {"a": DOCS[:12], "b": [*DOCS[5:20]]}
    drawn = flow(orders, {"d5": 7, "d6": 0}, lambda d: f"text {d}", {"a": ".5"}, "label")
    root = ElementTree.fromstring(drawn)
    docs = [g for g in root.iter("g") if (g.get("class") or "").startswith("doc")]
    assert len(docs) == 15
    assert sum(c.get("class") == "out" for g in docs for c in g) == 10
    assert sum(c.get("class") == "link" for g in docs for c in g) == 5
    assert [g.get("class") for g in docs].count("doc grade3") == 1
    assert [g.get("class") for g in docs].count("doc unjudged") == 13
    wide = flow({f"run {i}": DOCS for i in range(20)}, {}, str, {}, "label")
    assert "min-width:1980px" in wide


@given(st.floats(-5, 5), st.floats(0.001, 10))
def test_ticks_are_round_few_and_inside(low, width):
    found = ticks(low, low + width)
    assert 1 <= len(found) <= 8
    assert all(low - 1e-6 <= t <= low + width + 1e-6 for t in found)


@given(st.text())
def test_escaped_text_is_one_printable_line(text):
    out = esc(text, 20)
    assert not re.search(r"[<>\"\n\r\0]", out)
    assert len(out) <= 20 * 6
