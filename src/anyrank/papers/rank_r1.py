"""Rank-R1: the best of twenty after thinking, as the comparison of a heap sort of the top ten.

Zhuang et al., "Rank-R1: Enhancing Reasoning in LLM-based Document Rerankers via Reinforcement Learning", 2025, arXiv
2503.06034. Only the text between answer tags is read; the documents of a group are shown in shuffled order; ``votes``
shuffles may vote. Where no answer can be read, the group keeps its order.
"""

from __future__ import annotations

from ..core.groupings import Heap
from ..core.language import Generates
from ..core.rerank import Judge, Rerank
from ..judges.presentation import Presented
from ..judges.votes import Votes
from ..llm.generation import THINKING, Generated
from ..llm.prompts import Template
from ..llm.templates import REASONING
from .card import Card, Figure, Price

CARD = Card(
    name="rank_r1",
    title="Rank-R1: Enhancing Reasoning in LLM-based Document Rerankers via Reinforcement Learning",
    arxiv="2503.06034",
    year=2025,
    summary="setwise: the best of 20 after reasoning, in a heap sort of the top 10",
    capabilities=("generate",),
    formula="heap sort with 19 children, top 10: for n = 100 19 calls (sorted input) to 25 (reversed), each with "
    "up to 2,048 tokens of reasoning",
    cost=Price(Heap(19, 10), answer=500),
    figures=(Figure(0.388, "BRIGHT", "nDCG@10", "ReasonIR with Rank-R1", "the BRIGHT leaderboard"),),
)


def build(
    backend: Generates,
    *,
    children: int = 19,
    k: int = 10,
    votes: int = 1,
    seed: int = 929,
    shuffle: bool = True,
    max_tokens: int = THINKING,
    template: Template = REASONING,
) -> Rerank:
    """Heap sort over reasoned choices."""
    judge: Judge = Generated(backend, template, max_tokens)
    if votes > 1:
        judge = Votes(judge, votes, seed)
    elif shuffle:
        judge = Presented(judge, "shuffled", seed)
    return Rerank(judge, Heap(children, k), name=CARD.name)
