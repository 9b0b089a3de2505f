"""LiT5: a small T5 encodes each passage of a window alone; its decoder reads them all and writes their order.

Tamber et al., "Scaling Down, LiTting Up: Efficient Zero-Shot Listwise Reranking with Seq2seq Encoder-Decoder Models",
2023, arXiv 2312.16098. ``read="order"`` is LiT5-Distill; ``"attention"`` LiT5-Score, a question answerer whose
cross-attention, weighted by the length of the values, ranks the passages; it needs no labels. Sources of 110 words,
about the 150 tokens of the released models. The figures are rank_llm's reproduction, not the paper's.
"""

from __future__ import annotations

from typing import Literal

from ..core.groupings import Sliding
from ..core.rerank import Rerank
from ..llm.capabilities import FusesSources
from ..llm.fusion_in_decoder import Fused
from ..llm.prompts import Template
from ..llm.templates import LIT5, LIT5_SCORE
from .card import Card, Figure, Price

RANK_LLM = "rank_llm's reproduction table"

CARD = Card(
    name="lit5",
    title="Scaling Down, LiTting Up: Efficient Zero-Shot Listwise Reranking with Seq2seq Encoder-Decoder Models",
    arxiv="2312.16098",
    year=2023,
    summary="listwise: a T5 encodes each passage alone, its decoder writes the window's order",
    needs="generate_fused of an encoder-decoder",
    capabilities=("generate_fused",),
    formula="ceil((n - 20) / 10) + 1 calls one after another, each of 20 sources and about 6 tokens a label back",
    cost=Price(Sliding(20, 10), per_label=6, fixed=0, document=130),
    figures=(
        Figure(0.7247, "TREC DL19", "nDCG@10", "LiT5-Distill-large, BM25 top 100", RANK_LLM),
        Figure(0.7049, "TREC DL20", "nDCG@10", "LiT5-Distill-large, BM25 top 100", RANK_LLM),
        Figure(0.6671, "TREC DL21", "nDCG@10", "LiT5-Distill-large, BM25 top 100", RANK_LLM),
        Figure(0.5102, "TREC DL22", "nDCG@10", "LiT5-Distill-large, BM25 top 100", RANK_LLM),
        Figure(0.4578, "TREC DL23", "nDCG@10", "LiT5-Distill-large, BM25 top 100", RANK_LLM),
    ),
)


def build(
    backend: FusesSources,
    *,
    read: Literal["order", "attention"] = "order",
    size: int = 20,
    stride: int = 10,
    passes: int = 1,
    template: Template | None = None,
) -> Rerank:
    """Sliding windows over fused sources."""
    form = template or (LIT5 if read == "order" else LIT5_SCORE)
    return Rerank(Fused(backend, form, read), Sliding(size, stride, passes), name=CARD.name)
