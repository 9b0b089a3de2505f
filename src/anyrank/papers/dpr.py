"""DPR: a dense encoder trained on each question's passage against those of all other questions of the batch.

Karpukhin et al., "Dense Passage Retrieval for Open-Domain Question Answering", 2020, arXiv 2004.04906: negative
log-likelihood of the positive among the batch's texts, of which one a question is a hard negative (BM25's). Questions
and passages have an encoder each. Of the groups' texts the first two are used: the positive and its hard negative.
Memory for large batches: ``optimiser.cache``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure

CARD = Card(
    name="dpr",
    title="Dense Passage Retrieval for Open-Domain Question Answering",
    arxiv="2004.04906",
    year=2020,
    summary="training: in-batch negatives and one hard negative, [CLS] vectors, dot product",
    needs="groups of a relevant text and a hard negative, in this order",
    figures=(
        Figure(0.7997, "NQ test", "top-20 accuracy", "DPR, single", "its repository"),
        Figure(0.8587, "NQ test", "top-100 accuracy", "DPR, single", "its repository"),
        Figure(0.8133, "NQ test", "top-20 accuracy", "the later model", "its repository"),
        Figure(0.8729, "NQ test", "top-100 accuracy", "the later model", "its repository"),
    ),
    differences=("the warm-up is a share: 1,237 of about 18,400 steps",),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = "google-bert/bert-base-uncased") -> Recipe:
    """The training by the paper's settings, of which the batch is 16 a GPU on eight."""
    options = {"pooling": "cls", "similarity": "dot", "in_batch": True, "separate_documents": True}
    return Recipe(
        out=out,
        model=Model(kind="bi", start=start, max_length=256, options=options),
        data=Data(train=tuple(train), texts=2),
        losses=(Loss(name="infonce"),),
        optimiser=Optimiser(rate=2e-5, batch=128, epochs=40, warmup=0.067, clip=2.0),
        export=Export(int8=False),
    )
