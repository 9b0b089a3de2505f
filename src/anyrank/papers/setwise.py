"""Setwise: which of a few passages is best, as the comparison of a heap sort or a bubble sort of the top k.

Zhuang et al., "A Setwise Approach for Effective and Highly Efficient Zero-shot Ranking with Large Language Models",
SIGIR 2024, arXiv 2310.09497. The answer is generated, or read from the labels' likelihoods.
"""

from __future__ import annotations

from typing import Any, Literal

from ..core.groupings import Bubble, Grouping, Heap
from ..core.rerank import Judge, Rerank
from ..llm.first_token import FirstToken
from ..llm.generation import Generated
from ..llm.prompts import Template
from ..llm.templates import SETWISE, SETWISE_TOKEN
from .card import Card, Figure, Price

README = "llm-rankers' README"

CARD = Card(
    name="setwise",
    title="A Setwise Approach for Effective and Highly Efficient Zero-shot Ranking with Large Language Models",
    arxiv="2310.09497",
    year=2023,
    summary="setwise: the best of four, as the comparison of a heap or bubble sort",
    needs="generate, or next_token_logprobs (mode='likelihood')",
    capabilities=("generate", "next_token_logprobs"),
    formula="about n / c + k log_c(n) calls for c children and the top k; n = 100, c = 3, k = 10: 69 to 83 "
    "(bubble sort 42 to 317)",
    cost=Price(Heap(3, 10), answer=3),
    differences=(
        "after an unreadable answer the authors' heap sort keeps the parent; here the best of the first stage wins "
        "(ties='parent' is theirs). With 5 % unreadable answers nDCG@10 is .886 against .864, with 20 % .658 against "
        ".559, for up to 12 % more calls",
        "the authors' bubble sort leaves out windows that can have changed: its top k is right in 260 of 294 cases "
        "with a judge that knows the truth, here in all 294",
    ),
    figures=(Figure(0.6697, "TREC DL19", "nDCG@10", "Flan-T5-large, heap sort, BM25 top 100", README),),
)


def build(
    backend: Any,
    *,
    children: int = 3,
    k: int = 10,
    sort: Literal["heap", "bubble"] = "heap",
    mode: Literal["generation", "likelihood"] = "generation",
    ties: Literal["input", "parent"] = "input",
    template: Template | None = None,
) -> Rerank:
    """The top k by sorting with groups of ``children`` + 1. ``ties="parent"``: after an unreadable answer the heap
    keeps the parent, as the authors' program does."""
    judge: Judge
    if mode == "generation":
        judge = Generated(backend, template or SETWISE)
    else:
        judge = FirstToken(backend, template or SETWISE_TOKEN)
    grouping: Grouping = Heap(children, k, ties=ties) if sort == "heap" else Bubble(children, k)
    return Rerank(judge, grouping, name=CARD.name)
