"""LG-ANNA-Embedding: soft labels of a retriever and a reranker, and negatives under a margin that adapts.

Choi et al., "LG-ANNA-Embedding technical report", 2025, arXiv 2506.07438. The report gives no formula: both losses are
derived by us (see ``losses.contrastive``), and all numbers here are ours. The report's model is Mistral-7B, pooled at
its last token; this recipe trains encoders with mean or [CLS] pooling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..train.recipe import Data, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="lg_anna",
    title="LG-ANNA-Embedding technical report",
    arxiv="2506.07438",
    year=2025,
    summary="training: soft labels, and a margin that grows with the teacher's gap",
    needs="groups labelled by a teacher's scores (anyrank distill)",
)

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "adaptive_margin": {"scale": 0.2, "near": 0.1},
    "soft_infonce": {"weight": 1.0},
}


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    loss: Literal["adaptive_margin", "soft_infonce"] = "adaptive_margin",
    start: str = "sentence-transformers/all-MiniLM-L6-v2",
) -> Recipe:
    """An encoder's training by the margin, or by InfoNCE and the teacher's distribution."""
    return Recipe(
        out=out,
        model=Model(kind="bi", start=start),
        data=Data(train=tuple(train)),
        losses=(Loss(name=loss, options=dict(OPTIONS[loss])),),
        optimiser=Optimiser(batch=32),
    )
