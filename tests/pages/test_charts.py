"""Charts: sound drawings that show what they were given."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.pages.charts import MOST_BARS, MOST_POINTS, SERIES, Bar, Point, bars, curves, pareto, scatter, whisker
from anyrank.pages.rank_flow import rank_flow

DOCS = [f"d{i}" for i in range(30)]


def test_bars_of_many_queries_are_an_even_sample():
    drawn = bars([Bar(i / 1000 - 0.5, f"q{i}") for i in range(1000)], "all")
    assert drawn.count('class="mark"') == MOST_BARS
    assert ">q999<" in drawn
    assert ">q0<" in drawn
    assert "mean -0.0005" in drawn


def test_bars_fall_from_gains_to_losses_and_are_marked_so():
    drawn = bars([Bar(-0.5, "worse"), Bar(0.2, "better"), Bar(0.0, "level"), Bar(0.4, "best")], "all")
    assert re.findall(r'class="(win|tie|loss)"', drawn) == ["win", "win", "tie", "loss"]
    names = ["best", "better", "level", "worse"]
    assert sorted(names, key=lambda name: drawn.index(f">{name}<")) == names


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
    positions = [(t.get("x"), t.get("y")) for t in names]
    assert len(set(positions)) == len(positions) == 6


def test_a_flow_shows_leaving_documents_and_grades():
    orders = {"a": DOCS[:12], "b": [*DOCS[5:20]]}
    drawn = rank_flow(orders, {"d5": 7, "d6": 0}, lambda d: f"text {d}", {"a": ".5"}, "label")
    root = ElementTree.fromstring(drawn)
    docs = [g for g in root.iter("g") if (g.get("class") or "").startswith("doc")]
    assert len(docs) == 15
    assert sum(c.get("class") == "out" for g in docs for c in g) == 10
    assert sum(c.get("class") == "link" for g in docs for c in g) == 5
    assert [g.get("class") for g in docs].count("doc grade3") == 1
    assert [g.get("class") for g in docs].count("doc unjudged") == 13
    wide = rank_flow({f"run {i}": DOCS for i in range(20)}, {}, str, {}, "label")
    assert "min-width:1980px" in wide


def test_long_curves_are_thinned_from_end_to_end():
    points = [(i / 2999, 1 - i / 2999) for i in range(3000)]
    drawn = curves({"a": points, "none <made>": []}, "precision against coverage", "coverage")
    assert drawn.count(" L") == MOST_POINTS - 1
    path = next(ElementTree.fromstring(drawn).iter("path")).get("d")
    assert path.startswith("M64.0 14.0 L")
    assert path.endswith(" L980.0 400.0")
    assert "made" not in drawn


def test_a_curve_of_one_point_is_a_dot():
    root = ElementTree.fromstring(curves({"a": [(0.5, 1.0)]}, "label", "x"))
    assert [(c.get("cx"), c.get("cy")) for c in root.iter("circle")] == [("522", "14")]
    assert not list(root.iter("path"))


def test_curves_beyond_the_colours_are_dashed():
    drawn = curves({f"s{i}": [(0.0, 0.5), (1.0, 0.5)] for i in range(SERIES + 2)}, "label", "x")
    assert drawn.count("stroke-dasharray") == 2
    assert drawn.count("var(--series0)") == drawn.count("var(--series1)") == 2


def test_a_label_keeps_off_the_pareto_front():
    """The name of a slower, slightly worse run would stand on the front's line above its point."""
    points = [
        Point("fast", 1.0, 0.4, 0.3, 0.5),
        Point("good", 240.0, 0.6, 0.5, 0.7),
        Point("mini", 860.0, 0.58, 0.5, 0.7),
    ]
    chart = scatter(points, "nDCG@10")
    line = float(re.search(r"H[\d.]+ V([\d.]+) H980", chart)[1])
    y = float(re.search(r'y="([\d.]+)"[^>]*>mini</text>', chart)[1])
    assert not y - 13 <= line <= y + 4


def test_a_whisker_spans_its_scale_from_end_to_end():
    root = ElementTree.fromstring(whisker(0.5, 0.0, 1.0, 0.0, 1.0))
    (span,), (dot,) = root.iter("line"), root.iter("circle")
    assert (span.get("x1"), span.get("x2"), dot.get("cx")) == ("6", "154", "80")


def test_a_point_stands_on_its_interval():
    root = ElementTree.fromstring(scatter([Point("run", 10.0, 0.5, 0.4, 0.8)], "m"))
    (interval,) = (e for e in root.iter("line") if "range" in e.get("class"))
    (dot,) = root.iter("circle")
    low, high, middle = float(interval.get("y1")), float(interval.get("y2")), float(dot.get("cy"))
    assert high < middle < low
    assert (low - middle) / (low - high) == pytest.approx(0.25, abs=0.01)
