"""Margin-MSE: a student learns a teacher's margin between a relevant and another passage, not its scores.

Hofstätter et al., "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation", 2020,
arXiv 2010.02666. The teachers' scores are published as lines of two scores and three ids, which a recipe reads
(``Source(format="teacher_scores", …)``); ours come from ``anyrank distill``. Students are of any architecture: ``kind``
"cross" (BERT_CAT) or "bi" (BERT_DOT: [CLS], dot product). Rate, batch and lengths are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..train.recipe import Data, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure

PYSERINI = "Pyserini's reproduction"

CARD = Card(
    name="margin_mse",
    title="Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation",
    arxiv="2010.02666",
    year=2020,
    summary="training: a student is taught the margins of a teacher's scores",
    needs="groups labelled by a teacher's scores (anyrank distill, or the published files)",
    figures=(
        Figure(0.3250, "MS MARCO passage dev", "MRR@10", "DistilBERT as BERT_DOT, several teachers (T2)", PYSERINI),
        Figure(0.9553, "MS MARCO passage dev", "R@1000", "DistilBERT as BERT_DOT, several teachers (T2)", PYSERINI),
        Figure(0.6994, "TREC DL19", "nDCG@10", "DistilBERT-KD, dense retrieval", PYSERINI),
        Figure(0.6447, "TREC DL20", "nDCG@10", "DistilBERT-KD, dense retrieval", PYSERINI),
    ),
)


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    kind: Literal["cross", "bi"] = "bi",
    start: str = "distilbert/distilbert-base-uncased",
) -> Recipe:
    """The student's training: Margin-MSE alone, its mean over all pairs of the batch."""
    options = {"pooling": "cls", "similarity": "dot"} if kind == "bi" else {}
    return Recipe(
        out=out,
        model=Model(kind=kind, start=start, max_length=200, options=options),
        data=Data(train=tuple(train)),
        losses=(Loss(name="margin_mse", options={"mean": "pair"}),),
        optimiser=Optimiser(rate=7e-6, batch=32, schedule="constant_with_warmup"),
    )
