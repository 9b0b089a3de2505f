"""In-context reranking (ICR): the attention that the query pays to each document, calibrated by an empty query.

Chen et al., "Attention in Large Language Models Yields Efficient Zero-Shot Re-Rankers", ICLR 2025, arXiv 2410.02642.
All documents in one prompt, the first stage's best last; two forward passes, no generation; tokens under the document's
mean less two deviations are dropped.
"""

from __future__ import annotations

from ..core.groupings import Sliding
from ..core.language import Attends
from ..core.rerank import Judge, Rerank
from ..judges.presentation import Presented
from ..llm.attention import Attention
from ..llm.prompts import Template
from ..llm.templates import ATTENTION
from .card import Card, Figure, Price

CARD = Card(
    name="icr",
    title="Attention in Large Language Models Yields Efficient Zero-Shot Re-Rankers",
    arxiv="2410.02642",
    year=2024,
    summary="listwise: calibrated attention to each document, two forward passes",
    capabilities=("attention",),
    formula="2 forward passes of n passages (the second reuses the first's documents), nothing generated",
    cost=Price(Sliding(1000, 1000), calls=2),
    figures=(Figure(0.6, "BEIR and multi-hop sets", "share of latency saved, at least", "against RankGPT"),),
)


def build(
    backend: Attends,
    *,
    size: int = 1000,
    stride: int | None = None,
    blank: str = "N/A",
    reverse: bool = True,
    template: Template = ATTENTION,
) -> Rerank:
    """Attention over the whole list, or over windows of ``size``. ``blank=""`` leaves the calibration out."""
    judge: Judge = Attention(backend, template, blank)
    return Rerank(Presented(judge, "reversed") if reverse else judge, Sliding(size, stride or size), name=CARD.name)
