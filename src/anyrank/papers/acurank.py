"""AcuRank: only candidates whose place in the top k is uncertain are judged again, in groups.

Yoon et al., "AcuRank: Uncertainty-Aware Adaptive Computation for Listwise Reranking", arXiv 2505.18512.
Figures: none in the sources at hand.
"""

from __future__ import annotations

from ..core.groupings import Uncertain
from ..core.language import Generates
from ..core.rerank import Rerank
from ..llm.generation import Generated
from ..llm.prompts import Template
from ..llm.templates import CONVERSATION
from .card import Card, Price

CARD = Card(
    name="acurank",
    title="AcuRank: Uncertainty-Aware Adaptive Computation for Listwise Reranking",
    arxiv="2505.18512",
    year=2025,
    summary="listwise: groups of those candidates whose place in the top k is open",
    capabilities=("generate",),
    formula="about 4 calls in 2 rounds for 100 candidates in groups of 20; with most=3 about twice as many",
    cost=Price(Uncertain(20, 10), per_label=6),
    differences=(
        "estimates are normal means and variances, each group's order a measurement, in place of TrueSkill; the prior "
        "is the place in the input, not the first stage's score",
    ),
)


def build(
    backend: Generates,
    *,
    size: int = 20,
    k: int = 10,
    doubt: float = 0.02,
    most: int = 1,
    template: Template = CONVERSATION,
) -> Rerank:
    """Groups of uncertain candidates over generated orders."""
    return Rerank(Generated(backend, template), Uncertain(size, k, doubt, most), name=CARD.name)
