"""TK: word vectors with a small transformer over them, compared by kernels.

Hofstätter, Zlabinger and Hanbury, "Interpretable & Time-Budget-Constrained Contextualization for Re-Ranking", ECAI
2020, arXiv 2002.01854. ``start``: a file of word vectors (GloVe of 300 numbers in the paper), or a model's folder,
whose word pieces it takes. Loss and batch are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="tk",
    title="Interpretable & Time-Budget-Constrained Contextualization for Re-Ranking",
    arxiv="2002.01854",
    year=2020,
    summary="training: two transformer layers over word vectors, cosines, kernels; a fast reranker",
    needs="groups with relevance labels",
    differences=("one rate of 1e-4 for all weights; there the transformer's is 1e-5 and the kernels' 1e-4",),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = "all-minilm-l6-v2") -> Recipe:
    """The training: pairs in order by a margin."""
    return Recipe(
        out=out,
        model=Model(kind="tk", start=start, max_length=200),
        data=Data(train=tuple(train)),
        losses=(Loss(name="hinge"),),
        optimiser=Optimiser(rate=1e-4, batch=32),
        export=Export(int8=False),
    )
