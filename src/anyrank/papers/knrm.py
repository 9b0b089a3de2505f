"""Gaussian kernels over the cosines of words (KNRM).

Xiong, Dai, Callan, Liu and Power, "End-to-End Neural Ad-hoc Ranking with Kernel Pooling", SIGIR 2017, arXiv
1706.06613. The model is `models/knrm.py`. Figures are those that a survey's list of results gives; batch, epochs and
lengths are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Recipe
from ..train.sources import Source
from ..train.word_recipe import START, word_recipe
from .card import Card, Figure

SURVEY = "a list of results of neural matching models"

CARD = Card(
    name="knrm",
    title="End-to-End Neural Ad-hoc Ranking with Kernel Pooling",
    arxiv="1706.06613",
    year=2017,
    summary="training: Gaussian kernels over the cosines of words (KNRM)",
    needs="groups of relevant texts and others",
    figures=(
        Figure(0.409, "Robust04", "nDCG@20", "reranking", SURVEY),
        Figure(0.261, "MS MARCO passage", "MRR@10", "reranking", SURVEY),
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("knrm", out, train, start=start)
