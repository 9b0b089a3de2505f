"""ColBERT: late interaction over contextual states of tokens, and its two trainings.

Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over BERT",
SIGIR 2020, arXiv 2004.12832. The model is `models/colbert.py`, the score `vectors/tokens.py`; `models/late.py` is
the form of the shipped models, without a projection. The first training (SIGIR 2020) puts a relevant text before
another; the second (ColBERTv2, arXiv 2112.01488) teaches a cross-encoder's scores of 64 texts a query, and sets the
best of them against all texts of the batch.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="colbert",
    title="ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over BERT",
    arxiv="2004.12832",
    year=2020,
    summary="training: a state a token, compared by the sum over the query's states of the largest similarity (MaxSim)",
    needs="a late-interaction model: mini, tiny, a folder of ColBERT or PyLate (--encode stores it); to train, groups",
    differences=(
        "padding never counts: a text's own states alone are compared, where ColBERT's program sets padded products to "
        "-9999 and PyLate multiplies them by 0",
        "the shipped models have no projection, weigh the query's states, and add the similarity of the mean states",
    ),
)


READING: dict[str, Any] = {
    "query_marker": "[unused0]",
    "document_marker": "[unused1]",
    "expand": 32,
    "skip": list(string.punctuation),
}
"""Queries are padded to 32 tokens by [MASK], documents' punctuation marks don't count."""


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    distilled: bool = False,
    start: str = "google-bert/bert-base-uncased",
) -> Recipe:
    """The first training, on pairs; ``distilled``: the second, on groups of 64 texts labelled by a teacher's scores."""
    if not distilled:
        return Recipe(
            out=out,
            model=Model(kind="colbert", start=start, max_length=180, options=READING),
            data=Data(train=tuple(train)),
            losses=(Loss(name="pairwise_cross_entropy"),),
            optimiser=Optimiser(rate=3e-6, batch=32),
            export=Export(int8=False),
        )
    return Recipe(
        out=out,
        model=Model(kind="colbert", start=start, max_length=180, options={**READING, "in_batch": True}),
        data=Data(train=tuple(train), texts=64),
        losses=(Loss(name="kl_distillation", own=True), Loss(name="adaptive_margin", options={"scale": 0.0})),
        optimiser=Optimiser(rate=1e-5, batch=32, warmup=0.05),
        export=Export(int8=False),
    )
