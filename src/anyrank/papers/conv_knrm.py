"""Gaussian kernels over the cosines of n-grams of all lengths (Conv-KNRM).

Dai, Xiong, Callan and Liu, "Convolutional Neural Networks for Soft-Matching N-Grams in Ad-hoc Search", WSDM 2018. The
model is `models/conv_knrm.py`. Figures are those that a survey's list of results gives; batch, epochs and lengths are
ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Recipe
from ..train.sources import Source
from ..train.word_recipe import START, word_recipe
from .card import Card, Figure

SURVEY = "a list of results of neural matching models"

CARD = Card(
    name="conv_knrm",
    title="Convolutional Neural Networks for Soft-Matching N-Grams in Ad-hoc Search",
    arxiv="",
    year=2018,
    summary="training: Gaussian kernels over the cosines of n-grams of all lengths (Conv-KNRM)",
    needs="groups of relevant texts and others",
    figures=(
        Figure(0.416, "Robust04", "nDCG@20", "reranking", SURVEY),
        Figure(0.283, "MS MARCO passage", "MRR@10", "reranking", SURVEY),
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("conv_knrm", out, train, start=start)
