"""An early FIRST reproduction: label logits on more backbones, the likelier of a label's two token forms counting.

Chen et al., "An Early FIRST Reproduction and Improvements to Single-Token Decoding for Fast Listwise Reranking", 2024,
arXiv 2411.05508. Only the share of latency is the paper's own figure here.
"""

from __future__ import annotations

from ..core.groupings import Sliding
from ..core.language import ScoresNext
from ..core.rerank import Rerank
from ..llm.first_token import FirstToken
from ..llm.prompts import Template
from ..llm.templates import FIRST_TOKEN
from .card import Card, Figure, Price

REPRODUCED = "rank_llm's reproduction table"

CARD = Card(
    name="early_first",
    title="An Early FIRST Reproduction and Improvements to Single-Token Decoding for Fast Listwise Reranking",
    arxiv="2411.05508",
    year=2024,
    summary="FIRST, but a label counts with and without a space before it",
    capabilities=("next_token_logprobs",),
    formula="ceil((n - 20) / 10) + 1 calls one after another, 1 token each",
    cost=Price(Sliding(20, 10), answer=1),
    figures=(
        Figure(0.7294, "TREC DL19", "nDCG@10", "FirstMistral, BM25 top 100", REPRODUCED),
        Figure(0.7043, "TREC DL20", "nDCG@10", "FirstMistral, BM25 top 100", REPRODUCED),
        Figure(
            0.7851,
            "TREC DL20",
            "nDCG@10",
            "FirstMistral, SPLADE++ ED top 100 (reproductions .7829 to .7906)",
            REPRODUCED,
        ),
        Figure(0.6849, "TREC DL21", "nDCG@10", "FirstMistral, BM25 top 100", REPRODUCED),
        Figure(0.4893, "TREC DL22", "nDCG@10", "FirstMistral, BM25 top 100", REPRODUCED),
        Figure(0.21, "several", "share of latency saved, least", "against generation"),
        Figure(0.42, "several", "share of latency saved, most", "against generation"),
    ),
)


def build(
    backend: ScoresNext, *, size: int = 20, stride: int = 10, passes: int = 1, template: Template = FIRST_TOKEN
) -> Rerank:
    """Sliding windows over label logits, two forms a label."""
    return Rerank(FirstToken(backend, template, spaced=True), Sliding(size, stride, passes), name=CARD.name)
