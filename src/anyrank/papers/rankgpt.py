"""RankGPT: windows of 20 passages, 10 apart, from the bottom to the top; the model writes each window's order.

Sun et al., "Is ChatGPT Good at Search? Investigating Large Language Models as Re-Ranking Agents", EMNLP 2023,
arXiv 2304.09542. Each passage is a turn of a conversation that the assistant acknowledges; texts are cut at 300 words.
Figures are others' reports of the paper's tables.
"""

from __future__ import annotations

from ..core.groupings import Sliding
from ..core.language import Generates
from ..core.rerank import Rerank
from ..llm.generation import Generated
from ..llm.prompts import Template
from ..llm.templates import CONVERSATION
from .card import Card, Figure, Price

PRP = "quoted by the pairwise prompting paper (arXiv 2306.17563), second hand"

CARD = Card(
    name="rankgpt",
    title="Is ChatGPT Good at Search? Investigating Large Language Models as Re-Ranking Agents",
    arxiv="2304.09542",
    year=2023,
    summary="listwise: the model writes the order of each sliding window",
    capabilities=("generate",),
    formula="ceil((n - 20) / 10) + 1 calls one after another, each with 20 passages and about 6 tokens a label back",
    cost=Price(Sliding(20, 10), per_label=6),
    differences=(
        "rank_llm makes one more call, about a lone first document, where the last window ends there; and its "
        "synchronous form makes none at n = 10 with a stride of 10",
    ),
    figures=(
        Figure(0.7559, "TREC DL19", "nDCG@10", "GPT-4, BM25 top 100", PRP),
        Figure(0.7056, "TREC DL20", "nDCG@10", "GPT-4, BM25 top 100", PRP),
        Figure(0.3277, "TREC DL19", "nDCG@10", "GPT-3.5, BM25 order reversed", PRP),
    ),
)


def build(
    backend: Generates, *, size: int = 20, stride: int = 10, passes: int = 1, template: Template = CONVERSATION
) -> Rerank:
    """Sliding windows over generated orders."""
    return Rerank(Generated(backend, template), Sliding(size, stride, passes), name=CARD.name)
