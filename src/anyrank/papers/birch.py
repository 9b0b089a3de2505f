"""Birch: a long document's score is a weighted sum of those of its best sentences, mixed with the first stage's.

Yang, Zhang and Lin, "Simple Applications of BERT for Ad Hoc Document Retrieval", 2019, arXiv 1903.10972; the weights of
three sentences begin at a third each and are learned, and a document of fewer sentences has its worst again, as in
capreolus. The share of the first stage, BM25 there, is ``prior``: candidates must come with its scores. Loss, rate and
batch are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="birch",
    title="Simple Applications of BERT for Ad Hoc Document Retrieval",
    arxiv="1903.10972",
    year=2019,
    summary="training: the three best sentences, weighed, with the first stage's score",
    needs="groups of documents with relevance labels, and priors (the first stage's scores)",
    differences=(
        "the weights of sentences are learned with the rest; there they are found by a grid on held-out queries",
        "the share of the first stage is set, .1 unless stated otherwise: its scale must suit that of the logits",
    ),
)


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    prior: float = 0.1,
    top: int = 3,
    start: str = "google-bert/bert-base-uncased",
) -> Recipe:
    """The training on groups of documents; at most 64 sentences of each are read."""
    options = {"aggregate": "top", "top": top, "unit": "sentences", "window": 1, "stride": 1, "most": 64}
    return Recipe(
        out=out,
        model=Model(kind="passages", start=start, max_length=128, options={**options, "prior": prior}),
        data=Data(train=tuple(train)),
        losses=(Loss(name="hinge"),),
        optimiser=Optimiser(rate=1e-5, batch=4, accumulate=4),
        export=Export(int8=False),
    )
