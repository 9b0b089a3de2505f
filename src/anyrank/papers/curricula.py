"""Training curricula: answers that an unsupervised run ranks well count more at first.

MacAvaney et al., "Training Curricula for Open Domain Answer Re-Ranking", SIGIR 2020, arXiv 2004.14269. Weights come
from the run's scores (``priors``) by reciprocal rank, normalised score or kernel density, and grow to 1 over 20 epochs
of 32 batches of 16 pairs; the released code weighs a batch by its mean. The learning rate is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..core.errors import InputError
from ..train.recipe import Check, Curriculum, Data, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure

EPOCH, END = 32 * 16, 20
"""Pairs of the paper's epoch, and the epoch from which all weigh the same."""

CARD = Card(
    name="curricula",
    title="Training Curricula for Open Domain Answer Re-Ranking",
    arxiv="2004.14269",
    year=2020,
    summary="training: easy candidates, by an unsupervised run, count more at first",
    needs="judged groups with the scores of a run (Source of format judged, with run)",
    figures=(
        Figure(0.04, "the best of its collections", "MRR, relative gain", "BERT, at most", "the abstract"),
        Figure(0.09, "the best of its collections", "P@1, relative gain", "BERT, at most", "the abstract"),
    ),
)


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    difficulty: Literal["recip", "norm", "kde"] = "recip",
    pairs: int = EPOCH,
    grade: int = 3,
    start: str = "google-bert/bert-base-uncased",
) -> Recipe:
    """ANTIQUE's set-up: positives are of ``grade`` or above. An epoch of ours is all of the data: ``pairs`` is how many
    groups there are, so that the curriculum ends after as many as in the paper; training goes on as long again (ours).
    Raises InputError on less than one.
    """
    if pairs < 1:
        raise InputError(f"pairs: expected the number of groups, at least 1, found {pairs}")
    return Recipe(
        out=out,
        model=Model(start=start, max_length=512),
        data=Data(train=tuple(train)),
        losses=(Loss(name="pairwise_softmax", options={"mean": "pair"}),),
        curriculum=Curriculum(difficulty=difficulty, end=max(1, round(END * EPOCH / pairs)), threshold=grade - 1),
        optimiser=Optimiser(batch=16, epochs=max(1, round(2 * END * EPOCH / pairs)), schedule="constant_with_warmup"),
        check=Check(measure=f"RR(rel={grade})"),
    )
