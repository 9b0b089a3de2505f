"""LRL: a listwise prompt without training, in the form of variables to be sorted; windows from the bottom to the top.

Ma et al., "Zero-Shot Listwise Document Reranking with a Large Language Model", 2023, arXiv 2305.02156. The figures are
rank_llm's reproduction with a later model.
"""

from __future__ import annotations

from ..core.groupings import Sliding
from ..core.language import Generates
from ..core.rerank import Rerank
from ..llm.generation import Generated
from ..llm.prompts import Template
from ..llm.templates import NAMED
from .card import Card, Figure, Price

RANK_LLM = "rank_llm's reproduction table"

CARD = Card(
    name="lrl",
    title="Zero-Shot Listwise Document Reranking with a Large Language Model",
    arxiv="2305.02156",
    year=2023,
    summary="listwise: passages as named variables, the model writes the sorted list",
    capabilities=("generate",),
    formula="ceil((n - 20) / 10) + 1 calls one after another, about 6 tokens a label back",
    cost=Price(Sliding(20, 10), per_label=6),
    figures=(
        Figure(0.7296, "TREC DL19", "nDCG@10", "gpt-4o-mini, BM25 top 100", RANK_LLM),
        Figure(0.6807, "TREC DL20", "nDCG@10", "gpt-4o-mini, BM25 top 100", RANK_LLM),
    ),
)


def build(
    backend: Generates, *, size: int = 20, stride: int = 10, passes: int = 1, template: Template = NAMED
) -> Rerank:
    """Sliding windows over generated lists."""
    return Rerank(Generated(backend, template), Sliding(size, stride, passes), name=CARD.name)
