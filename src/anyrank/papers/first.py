"""FIRST: the logits of the first label order a window; nothing is generated.

Reddy et al., "FIRST: Faster Improved Listwise Reranking with Single Token Decoding", EMNLP 2024, arXiv 2406.15657.
Labels A to T, the opening bracket put into the model's mouth, windows of 20 by 10. Numbers reach only nine documents
there; here a number is read with its closing bracket, as a sum over its tokens.
"""

from __future__ import annotations

from ..core.groupings import Sliding
from ..core.language import ScoresNext
from ..core.rerank import Rerank
from ..llm.first_token import FirstToken
from ..llm.prompts import Template
from ..llm.templates import FIRST_TOKEN
from .card import Card, Figure, Price

CARD = Card(
    name="first",
    title="FIRST: Faster Improved Listwise Reranking with Single Token Decoding",
    arxiv="2406.15657",
    year=2024,
    summary="listwise: the first label's logits order each sliding window",
    capabilities=("next_token_logprobs",),
    formula="ceil((n - 20) / 10) + 1 calls one after another, 1 token each",
    cost=Price(Sliding(20, 10), answer=1),
    figures=(Figure(0.5, "BEIR", "share of latency saved against generation", "zephyr-7b-beta"),),
)


def build(
    backend: ScoresNext, *, size: int = 20, stride: int = 10, passes: int = 1, template: Template = FIRST_TOKEN
) -> Rerank:
    """Sliding windows over label logits."""
    return Rerank(FirstToken(backend, template), Sliding(size, stride, passes), name=CARD.name)
