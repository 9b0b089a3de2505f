"""Lint of pipelines: likely mistakes are named with their mend, and good pipelines pass."""

import pytest
from click.testing import CliRunner

from anyrank.cli.pipeline import pipeline_command
from anyrank.pipeline.lint import lint


@pytest.mark.parametrize(
    ("text", "stage", "words"),
    [
        ("bm25 % 10 >> mini", "mini", "nothing to promote into the first 10: cut later"),
        ("(bm25 + minilm) % 5 >> tiny", "tiny", "only 5 candidates come in"),
        ("bm25 % 100 >> mini(depth=10)", "mini(depth=10)", "it reads only the first 10"),
        ("bm25 % 10 >> 0.5 * mini + prior", "mini", "only 10 candidates"),
        ("bm25 % 10 >> mini % 20", "% 20", "no more than 10 candidates come in"),
        ("bm25(k=50) % 50", "% 50", "no more than 50 candidates come in"),
        ("bm25 % 3 >> rm3 % 2 >> bm25 % 100", "% 2", "it cuts the candidates before the search"),
        ("bm25 + bm25", "bm25", "it is fused with itself"),
        ("bm25 + 0 * minilm", "0 * minilm", "its weight is 0"),
    ],
)
def test_a_likely_mistake_is_named(text, stage, words):
    assert any(words in finding.message for finding in lint(text) if finding.stage == stage), lint(text)


@pytest.mark.parametrize(
    "text",
    [
        "bm25",
        "bm25 % 100 >> mini",
        "mini % 10",
        "bm25 % 3 >> rm3 >> bm25 % 100 >> mini",
        "bm25 % 50 >> minilm + prior >> feedback('minilm') % 100",
        "bm25 % 10 >> keep('bm25')",
        "bm25 % 5 >> prior",
        "bm25 % 100 >> mini % 10",
        "rrf(bm25, minilm) % 50 >> mini",
    ],
)
def test_what_may_be_meant_passes(text):
    assert lint(text) == []


def test_a_pipeline_may_be_meant_for_more_or_fewer_results():
    assert lint("bm25 % 10 >> mini", shown=5) == []
    assert len(lint("bm25 % 20 >> mini", shown=20)) == 1


def test_explain_warns():
    done = CliRunner().invoke(pipeline_command, ["explain", "bm25 % 10 >> mini"])
    assert "warning: mini: only 10 candidates come in" in done.output
