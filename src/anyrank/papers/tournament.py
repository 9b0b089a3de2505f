"""Tournament: groups judged side by side, the best of each go on, until one group is left.

After Chen et al., "TourRank: Utilizing Large Language Models for Documents Ranking with a Tournament-Inspired
Strategy", 2024, arXiv 2406.11678: one tournament, with whole orders of each group (the paper adds the points of several
tournaments; wrap this in `SelfConsistency` for that). A few rounds instead of a long chain, at a price: where more than
``keep`` of the true best meet in one group, the surplus is lost to lower places.
Figures: none in the sources at hand.
"""

from __future__ import annotations

from ..core.groupings import Tournament
from ..core.language import Generates
from ..core.rerank import Rerank
from ..llm.generation import Generated
from ..llm.prompts import Template
from ..llm.templates import LISTWISE
from .card import Card, Price

CARD = Card(
    name="tournament",
    title="TourRank: Utilizing Large Language Models for Documents Ranking with a Tournament-Inspired Strategy",
    arxiv="2406.11678",
    year=2024,
    summary="listwise: groups of 20 side by side, the best 10 of each go on; lossy, few rounds",
    capabilities=("generate",),
    formula="about 2 n / 20 calls in about log2(n / 20) + 1 rounds",
    cost=Price(Tournament(20, 10), per_label=6),
)


def build(backend: Generates, *, size: int = 20, keep: int = 10, template: Template = LISTWISE) -> Rerank:
    """A tournament over generated orders."""
    return Rerank(Generated(backend, template), Tournament(size, keep), name=CARD.name)
