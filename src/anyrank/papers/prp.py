"""Pairwise ranking prompting (PRP): which of two passages is better, each pair asked in both orders.

Qin et al., "Large Language Models are Effective Text Rankers with Pairwise Ranking Prompting", NAACL 2024 findings,
arXiv 2306.17563. A pair whose two answers agree has a winner; any other is a tie. ``sort``: ``allpair`` (a win 1, a tie
1/2), ``heap`` (the top k by heap sort), ``sliding`` (k passes of neighbours from the bottom). The answer is generated,
or read from the likelihoods of the two.
"""

from __future__ import annotations

from typing import Any, Literal

from ..core.errors import InputError
from ..core.groupings import AllPairs, Grouping, Heap, Sliding
from ..core.rerank import Judge, Rerank
from ..judges.both_orders import BothOrders
from ..llm.first_token import FirstToken
from ..llm.generation import Generated
from ..llm.prompts import Template
from ..llm.templates import PAIR, PAIR_TOKEN
from .card import Card, Figure, Price

Sort = Literal["allpair", "heap", "sliding"]
QUOTED = "quoted from the paper's tables, second hand"

COSTS = {
    "allpair": Price(AllPairs(), answer=2),
    "heap": Price(Heap(2, 10, pairs=True), answer=2, calls=2),
    "sliding": Price(Sliding(2, 1, 10), answer=2, calls=2),
}
"""Costs of the three sorts (k = 10)."""

CARD = Card(
    name="prp",
    title="Large Language Models are Effective Text Rankers with Pairwise Ranking Prompting",
    arxiv="2306.17563",
    year=2023,
    summary="pairwise: the better of two, asked in both orders; all pairs, heap sort or k sliding passes",
    needs="generate, or next_token_logprobs (mode='scoring')",
    capabilities=("generate", "next_token_logprobs"),
    formula="sliding: about 2 k n calls (n = 100, k = 10: 1,890); all pairs n (n - 1): 9,900; heap sort of the top 10: "
    "about 540",
    cost=Price(Sliding(2, 1, 10), answer=2, calls=2),
    differences=(
        "where the two orders of a pair contradict each other, the paper doesn't say what a heap sort does: here the "
        "first stage's order decides, in llm-rankers the parent stays (ties='parent')",
        "a pair of which only one order was read is a tie and counts as not fully judged (status partial)",
    ),
    figures=(
        Figure(0.7265, "TREC DL19", "nDCG@10", "Flan-UL2, sliding-10", QUOTED),
        Figure(0.7046, "TREC DL20", "nDCG@10", "Flan-UL2, sliding-10", QUOTED),
        Figure(0.7242, "TREC DL19", "nDCG@10", "Flan-UL2, all pairs", QUOTED),
        Figure(0.7068, "TREC DL20", "nDCG@10", "Flan-UL2, all pairs", QUOTED),
        Figure(0.8580, "TREC DL20", "nDCG@1", "Flan-UL2, all pairs", QUOTED),
        Figure(0.5355, "BEIR, seven sets", "nDCG@10", "best of the paper", QUOTED),
        Figure(0.7240, "TREC DL19", "nDCG@10", "all pairs, BM25 order reversed", QUOTED),
        Figure(0.6484, "TREC DL19", "nDCG@10", "sliding-10, BM25 order reversed", QUOTED),
        Figure(0.2604, "TREC DL19", "nDCG@10", "sliding-1, BM25 order reversed", QUOTED),
    ),
)


def build(
    backend: Any,
    *,
    sort: Sort = "sliding",
    k: int = 10,
    mode: Literal["generation", "scoring"] = "generation",
    ties: Literal["input", "parent"] = "input",
    template: Template | None = None,
) -> Rerank:
    """Pairs in both orders under one of the three sorts. ``ties="parent"``: a heap keeps the parent where the two
    orders contradict each other, as llm-rankers does."""
    sorts: dict[str, Grouping] = {
        "allpair": AllPairs(),
        "heap": Heap(2, k, pairs=True, ties=ties),
        "sliding": Sliding(2, 1, k),
    }
    if sort not in sorts:
        raise InputError(f"sort={sort!r}: choose one of {', '.join(sorts)}")
    judge: Judge
    if mode == "generation":
        judge = Generated(backend, template or PAIR)
    else:
        judge = FirstToken(backend, template or PAIR_TOKEN)
    return Rerank(judge if sort == "allpair" else BothOrders(judge), sorts[sort], name=CARD.name)
