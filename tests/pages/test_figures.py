"""Single figures: drawings that stand alone, with colours and style of their own, as SVG and as PDF."""

import re
import sys
from xml.etree import ElementTree

import pytest

from anyrank.core.errors import InputError, MissingExtra
from anyrank.core.trace import Step
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate import evaluate
from anyrank.pages import write_figures
from anyrank.pages.figures import check_format, standalone
from anyrank.pages.svg import drawing, text

NAME = "a/b <&> 'c'"


@pytest.fixture
def evaluated():
    qrels = {f"q {i}": {"d0": 2, "d1": 1} for i in range(14)}
    runs = {}
    for n, name in enumerate(("base", NAME, "third")):
        runs[name] = [
            Ranking(
                Query(q), tuple(Candidate(f"d{(i * n + j) % 6}", f"text {j}") for j in range(6)), (Step("s", n + 0.1),)
            )
            for i, q in enumerate(qrels)
        ]
    return evaluate(runs, qrels, ["nDCG@10"], samples=50), runs, qrels


def test_every_figure_of_the_report_is_a_file(evaluated, tmp_path):
    paths = write_figures(tmp_path / "new" / "folder", *evaluated, flows=4)
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted(p.name for p in paths)
    names = [p.name for p in paths]
    assert {"differences-a_b_c.svg", "differences-third.svg", "quality-against-latency.svg"} < set(names)
    assert len(names) == 7
    assert all(n.startswith("flow-q_") for n in names[3:])
    for path in paths:
        root = ElementTree.parse(path).getroot()
        assert (root.tag, root.get("width")) == ("{http://www.w3.org/2000/svg}svg", "1000")
        words = path.read_text("utf-8")
        assert "var(" not in words
        assert "<style>" in words
        assert "@media" not in words
        assert ":hover" not in words


def test_a_figure_has_the_page_s_colours_and_a_white_ground(evaluated, tmp_path):
    words = write_figures(tmp_path, *evaluated, flows=1)[0].read_text("utf-8")
    assert ".win { fill: #1b62c4; }" in re.sub(r"\s+", " ", words)
    assert '<rect width="1000" height="284" fill="#fff"/>' in words


def test_a_halo_is_drawn_below_its_text():
    """Programs that don't know paint-order would draw the white halo over the letters."""
    chart = drawing("label", 100, 50, text(5, 5, "name", "name halo strong"), text(9, 9, "tick", "tick"))
    marks = ElementTree.fromstring(standalone(chart)).findall("{http://www.w3.org/2000/svg}text")
    assert [(m.get("class"), m.text) for m in marks] == [
        ("name ground strong", "name"), ("name strong", "name"), ("tick", "tick"),
    ]  # fmt: skip


def test_pdf_holds_the_letters_of_the_figure(evaluated, tmp_path):
    pytest.importorskip("cairosvg")
    paths = write_figures(tmp_path, *evaluated, flows=1, format="pdf")
    assert {p.suffix for p in paths} == {".pdf"}
    assert all(p.read_bytes().startswith(b"%PDF") and len(p.read_bytes()) > 2000 for p in paths)


def test_without_the_package_for_pdf_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    with pytest.raises(MissingExtra, match=r"anyrank\[figures\]"):
        check_format("pdf")
    check_format("svg")
    with pytest.raises(InputError, match="no figure format 'png': svg, pdf"):
        check_format("png")


def test_what_is_no_chart_is_refused():
    with pytest.raises(InputError, match="no svg element"):
        standalone("<p>words</p>")


def test_what_an_evaluation_left_out_is_left_out_of_its_figures(tmp_path):
    from anyrank.evaluate.leave_out import LeaveOut

    qrels, runs = {"q": {"a": 1, "q": 1}}, {"r": {"q": ["q", "a"]}, "s": {"q": ["a", "q"]}}
    left_out = LeaveOut(ignore_self=True)
    e = evaluate(runs, qrels, ["RR"], samples=50, leave_out=left_out)
    flow = write_figures(tmp_path, e, runs, qrels, leave_out=left_out)[-1].read_text("utf-8")
    assert "a (grade 1)" in flow
    assert "q (grade" not in flow
