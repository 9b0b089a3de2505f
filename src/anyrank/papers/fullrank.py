"""Full ranking: all passages in one prompt, cut at 100 words each; and the labels that such a model is trained on.

Liu et al., "Sliding Windows Are Not the End: Exploring Full Ranking with Long-Context Large Language Models", ACL 2025,
arXiv 2412.14574. `labels` makes a complete order with a short-window teacher: a pass of windows fixes the best
size - stride; the next pass works on the rest.
"""

from __future__ import annotations

from dataclasses import replace

from ..core.groupings import Sliding
from ..core.language import Generates
from ..core.rerank import Rerank
from ..llm.generation import Generated
from ..llm.prompts import Template
from ..llm.templates import LISTWISE
from ..train.listwise_labels import MultiPass, labels
from .card import Card, Figure, Price

__all__ = ["CARD", "MultiPass", "build", "labels"]

CARD = Card(
    name="fullrank",
    title="Sliding Windows Are Not the End: Exploring Full Ranking with Long-Context Large Language Models",
    arxiv="2412.14574",
    year=2024,
    summary="listwise: 100 passages in one call; a multi-pass teacher for complete labels",
    capabilities=("generate",),
    formula="1 call of n passages (ceil(n / 100) windows for more than 100); the label builder 45 calls for 100",
    cost=Price(Sliding(100, 100), per_label=6),
    figures=(
        Figure(0.7287, "TREC DL19", "nDCG@1", "RankMistral100, BM25 top 100", "the paper's repository"),
        Figure(0.7419, "TREC DL19", "nDCG@5", "RankMistral100, BM25 top 100", "the paper's repository"),
        Figure(0.7255, "TREC DL19", "nDCG@10", "RankMistral100, BM25 top 100", "the paper's repository"),
        Figure(0.7129, "TREC DL20", "nDCG@10", "RankMistral100, BM25 top 100", "the paper's repository"),
    ),
)


def build(backend: Generates, *, size: int = 100, words: int = 100, template: Template = LISTWISE) -> Rerank:
    """One generated order of up to ``size`` passages."""
    return Rerank(Generated(backend, replace(template, words=words)), Sliding(size, size), name=CARD.name)
