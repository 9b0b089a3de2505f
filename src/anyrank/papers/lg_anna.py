"""LG-ANNA-Embedding: a decoder that embeds queries under an instruction and examples, by soft labels of a retriever and
a reranker, with negatives under a margin that adapts.

Choi et al., "LG-ANNA-Embedding technical report", 2025, arXiv 2506.07438. The report gives no formula: the losses
(``losses.contrastive``) and the margins (``mining.Rules``) are derived by us, and all numbers here are ours but LoRA's,
which are bge-en-icl's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..train.negatives import Draw
from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="lg_anna",
    title="LG-ANNA-Embedding technical report",
    arxiv="2506.07438",
    year=2025,
    summary="training: a decoder's end token after instruction and examples, soft labels, negatives under a margin",
    needs="judged groups with a retriever's scores as priors, labelled anew by a teacher (anyrank distill --groups)",
)

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "adaptive_margin": {"scale": 0.2, "near": 0.1},
    "soft_infonce": {"weight": 1.0},
}
MARGINS: Mapping[str, Mapping[str, float]] = {
    "none": {},
    "absolute": {"absolute": 0.1},
    "relative": {"relative": 0.95},
    "adaptive": {"adaptive": 0.5},
}
"""The rules by which a text is too near the positive to be a negative, and a usual value of each."""


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    loss: Literal["soft_infonce", "adaptive_margin"] = "soft_infonce",
    margin: Literal["none", "absolute", "relative", "adaptive"] = "relative",
    negatives: int = 7,
    examples: int = 5,
    start: str = "mistralai/Mistral-7B-v0.1",
) -> Recipe:
    """A decoder's training by InfoNCE and the teacher's distribution, or by a margin that grows with the teacher's gap;
    ``negatives`` are drawn among the texts outside the ``margin``."""
    limits: dict[str, Any] = dict(MARGINS[margin]) if margin != "none" else {}
    draw = Draw(negatives=negatives, start=1.0, end=1.0, **limits) if limits else Draw()
    lora = {"lora": 64, "lora_alpha": 16, "lora_dropout": 0.1}
    return Recipe(
        out=out,
        model=Model(kind="instructed", start=start, max_length=512, options={"examples": examples, **lora}),
        data=Data(train=tuple(train), draw=draw),
        losses=(Loss(name=loss, options=dict(OPTIONS[loss])),),
        optimiser=Optimiser(rate=1e-4, batch=32),
        export=Export(int8=False),
    )
