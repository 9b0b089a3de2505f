"""Permutation self-consistency: the same listwise reranker on several shuffles, and the order they agree on.

Tang et al., "Found in the Middle: Permutation Self-Consistency Improves Listwise Ranking in Large Language Models",
NAACL 2024, arXiv 2310.07712. Kemeny order (by swaps of neighbours) or Borda points.
Figures: none in the sources at hand.
"""

from __future__ import annotations

from typing import Any, Literal

from ..core.groupings import Sliding
from ..core.stage import Stage
from ..judges.consensus import SelfConsistency
from . import rankgpt
from .card import Card, Price

CARD = Card(
    name="self_consistency",
    title="Found in the Middle: Permutation Self-Consistency Improves Listwise Ranking in Large Language Models",
    arxiv="2310.07712",
    year=2023,
    summary="listwise: several shuffles of the input, joined by Borda points or a Kemeny order",
    needs="what the inner reranker needs",
    capabilities=("generate",),
    formula="shuffles times the inner reranker, side by side",
    cost=Price(Sliding(20, 10), per_label=6, calls=5),  # five shuffles of RankGPT, side by side
)


def build(
    backend: Any,
    *,
    shuffles: int = 5,
    how: Literal["borda", "kemeny"] = "kemeny",
    seed: int = 0,
    stage: Stage | None = None,
) -> SelfConsistency:
    """Consensus over ``stage`` (default: RankGPT's windows with ``backend``)."""
    return SelfConsistency(stage or rankgpt.build(backend), shuffles, how, seed, CARD.name)
