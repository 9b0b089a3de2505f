"""Rerankers for many languages by small parts: an adapter for ranking on top of one of the documents' language.

Litschko, Vulić and Glavaš, "Parameter-Efficient Neural Reranking for Cross-Lingual and Multilingual Retrieval", COLING
2022, arXiv 2204.02292. Language adapters are those of `mad_x`; the ranking adapter is trained on English judgements on
top of the English one (``--set adapters.language=FOLDER``). For other languages the model is opened with the adapter of
the documents' language (``language=``, or both, ``query_language=``), and better without the invertible part
(``invertible=False``). The paper's sparse fine-tunings are `sft_reranking`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Adapters, Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="modular_clir",
    title="Parameter-Efficient Neural Reranking for Cross-Lingual and Multilingual Retrieval",
    arxiv="2204.02292",
    year=2022,
    summary="training: a cross-encoder's ranking adapter on top of a language adapter",
    needs="groups of a relevant text and another, and a trained adapter of their language",
    differences=(
        "fresh adapters change nothing (their last layers are 0); the package adapters draws them at random",
        "its MAP divides by the relevant documents retrieved: anyrank eval --retrieved-precision; AP is trec_eval's",
    ),
)
START = "google-bert/bert-base-multilingual-uncased"


def recipe(out: str, train: Sequence[str | Source], *, start: str = START, reduction: int = 16) -> Recipe:
    """The training by the paper's settings: 32 pairs a step, as 16 groups of two texts."""
    return Recipe(
        out=out,
        model=Model(kind="cross", start=start, max_length=512),
        data=Data(train=tuple(train), texts=2),
        losses=(Loss(name="binary_cross_entropy"),),
        optimiser=Optimiser(rate=2e-5, batch=16, steps=625_000, warmup=0.008),
        export=Export(int8=False),
        adapters=Adapters(method="bottleneck", reduction=reduction),
    )
