"""BERT-MaxP: long documents ranked by the scores of their passages, the first (FirstP), the best (MaxP) or all (SumP).

Dai and Callan, "Deeper Text Understanding for IR with Contextual Neural Language Modeling", SIGIR 2019, arXiv
1905.09217. Windows, lengths and the share of passages in training are those of capreolus; AvgP is its too. Loss, rate
and batch are ours. A judge that is trained already reads passages by ``passages("MODEL")`` in a pipeline, without
training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="bert_maxp",
    title="Deeper Text Understanding for IR with Contextual Neural Language Modeling",
    arxiv="1905.09217",
    year=2019,
    summary="training: a cross-encoder of passages; a document's score is its first, best, mean or summed passage's",
    needs="groups of long documents with relevance labels",
    differences=(
        "the loss is over the documents' scores, each of the passages that were drawn; there each drawn passage is an "
        "example of its own with the document's label",
        "passages beyond the 16th are left out",
    ),
)


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    aggregate: Literal["first", "max", "mean", "sum"] = "max",
    start: str = "google-bert/bert-base-uncased",
) -> Recipe:
    """The training: pairs in order, the first passage always and the others with probability .1."""
    return Recipe(
        out=out,
        model=Model(kind="passages", start=start, max_length=256, options={"aggregate": aggregate, "share": 0.1}),
        data=Data(train=tuple(train)),
        losses=(Loss(name="hinge"),),
        optimiser=Optimiser(rate=2e-5, batch=4, accumulate=4),
        export=Export(int8=False),
    )
