"""Rerankers for many languages by sparse fine-tunings: one for ranking and one for a language, added to a model.

Litschko, Vulić and Glavaš, "Parameter-Efficient Neural Reranking for Cross-Lingual and Multilingual Retrieval", COLING
2022, arXiv 2204.02292. A language's fine-tuning is that of `composable_sft`; ranking's is trained on English judgements
with the English one applied (``--set adapters.language=FOLDER``), and opened with that of the documents' language
(``language=``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..train.recipe import Adapters, Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="sft_reranking",
    title="Parameter-Efficient Neural Reranking for Cross-Lingual and Multilingual Retrieval",
    arxiv="2204.02292",
    year=2022,
    summary="training: a cross-encoder's sparse fine-tuning (lottery ticket) on top of a language's",
    needs="groups of a relevant text and another, and a trained sparse fine-tuning of their language",
)
START = "google-bert/bert-base-multilingual-uncased"
K = {1: 14_174_208, 2: 7_091_712, 4: 3_550_464, 8: 1_779_840, 16: 894_528, 32: 451_872}
"""The numbers of weights that are as many as those of an adapter of a reduction factor."""


def recipe(
    out: str, train: Sequence[str | Source], *, start: str = START, reduction: Literal[1, 2, 4, 8, 16, 32] = 2
) -> Recipe:
    """The training by the paper's settings: 32 pairs a step, as 16 groups of two texts; the weights trained are as many
    as those of an adapter of the ``reduction``."""
    return Recipe(
        out=out,
        model=Model(kind="cross", start=start, max_length=512),
        data=Data(train=tuple(train), texts=2),
        losses=(Loss(name="binary_cross_entropy"),),
        optimiser=Optimiser(rate=2e-5, batch=16, steps=625_000, warmup=0.008),
        export=Export(int8=False),
        adapters=Adapters(method="sparse", keep=K[reduction], first_steps=187_500, merge=False),
    )
