"""CEDR: cosines of words in every layer of a transformer, read by KNRM, PACRR or DRMM beside [CLS].

MacAvaney, Yates, Cohan and Goharian, "CEDR: Contextualized Embeddings for Document Ranking", SIGIR 2019, arXiv
1904.07094. The loss and the batch are those of the authors' program. It trains a vanilla BERT first, and starts from
it: so does ``start`` here, with the folder of a trained cross-encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="cedr",
    title="CEDR: Contextualized Embeddings for Document Ranking",
    arxiv="1904.07094",
    year=2019,
    summary="training: a head of KNRM, PACRR or DRMM on the cosines of words in every layer, and [CLS]",
    needs="groups with relevance labels",
    differences=(
        "a part of a long text is compared with the query as it is read beside it, not with the first part's",
        "padding adds to no kernel or histogram",
        "one rate of 2e-5 for all weights; there the head has 1e-3",
    ),
)


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    head: Literal["knrm", "pacrr", "drmm"] = "knrm",
    start: str = "google-bert/bert-base-uncased",
) -> Recipe:
    """The training: 1 - softmax of a pair's scores."""
    return Recipe(
        out=out,
        model=Model(kind="cedr", start=start, max_length=512, options={"head": head}),
        data=Data(train=tuple(train)),
        losses=(Loss(name="pairwise_softmax"),),
        optimiser=Optimiser(rate=2e-5, batch=16),
        export=Export(int8=False),
    )
