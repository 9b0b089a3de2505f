"""What notebooks show: rank flows and evaluations, without scripts and without the markup of documents."""

from anyrank.core.trace import Step, Usage
from anyrank.core.types import Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.pages import Flow

HOSTILE = "</style><script>alert(1)</script>"


def test_a_flow_holds_no_markup_of_documents():
    a = Ranking.of(HOSTILE, [HOSTILE, "two"], ids=["x", HOSTILE])
    html = Flow.of({"a": a, HOSTILE: a.scored([0, 1])}, {"x": 3})._repr_html_()
    assert "<script" not in html
    assert html.count("</style>") == 1
    assert html.count("<circle") == 4
    assert "grade3" in html
    assert "unjudged" in html


def test_an_evaluation_names_a_winner_only_where_a_test_found_one():
    qrels = {f"q{n}": {"a": 1} for n in range(9)}
    good, bad = {q: ["a"] for q in qrels}, {q: ["b", "a"] for q in qrels}
    html = evaluate({"<good>": good, "bad": bad}, qrels, ["RR"])._repr_html_()
    assert "<b>1.0000</b>" in html
    assert "&lt;good&gt; <small>(baseline)" in html
    assert "0 better, 0 level, 9 worse" in html
    assert "<b>" not in evaluate({"good": good, "same": good}, qrels, ["RR"])._repr_html_()


def test_a_ranking_shows_its_steps_and_what_went_wrong():
    steps = (Step("bm25", 0.002), Step("mini", 0.1, Usage(calls=1200, prompt_tokens=7, fallback=1), ("<no> server",)))
    html = Ranking.of("q", ["a"]).with_step(*steps)._repr_html_()
    assert "bm25: 2 ms → mini (partial): 100 ms, 1,200 calls, 7 tokens" in html
    assert "&lt;no&gt; server" in html
