"""PARADE: the vectors of a long document's passages are joined before they are scored.

Li, Yates, MacAvaney, He and Sun, "PARADE: Passage Representation Aggregation for Document Reranking", 2020, arXiv
2008.09093. Windows are those of capreolus; loss, rate and batch are ours. ``aggregate``: max, attn, cnn, or
transformer, the paper's best.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="parade",
    title="PARADE: Passage Representation Aggregation for Document Reranking",
    arxiv="2008.09093",
    year=2020,
    summary="training: a cross-encoder's vectors of a document's passages, joined by a small transformer, then scored",
    needs="groups of long documents with relevance labels",
    differences=("passages beyond the 16th are left out",),
)


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    aggregate: Literal["max", "attn", "cnn", "transformer"] = "transformer",
    start: str = "google-bert/bert-base-uncased",
) -> Recipe:
    """The training: pairs in order by cross entropy."""
    return Recipe(
        out=out,
        model=Model(kind="parade", start=start, max_length=256, options={"aggregate": aggregate}),
        data=Data(train=tuple(train)),
        losses=(Loss(name="ranknet"),),
        optimiser=Optimiser(rate=2e-5, batch=4, accumulate=4),
        export=Export(int8=False),
    )
