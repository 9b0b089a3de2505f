"""A convolutional vector of each side, compared by a perceptron (ARC-I).

Hu, Lu, Li and Chen, "Convolutional Neural Network Architectures for Matching Natural Language Sentences", NIPS 2014,
arXiv 1503.03244. The model is `models/arc_i.py`. Figures are those that a survey's list of results gives; batch,
epochs and lengths are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Recipe
from ..train.sources import Source
from ..train.word_recipe import START, word_recipe
from .card import Card, Figure

SURVEY = "a list of results of neural matching models"

CARD = Card(
    name="arc_i",
    title="Convolutional Neural Network Architectures for Matching Natural Language Sentences",
    arxiv="1503.03244",
    year=2014,
    summary="training: a convolutional vector of each side, compared by a perceptron (ARC-I)",
    needs="groups of relevant texts and others",
    figures=(
        Figure(0.066, "Robust04", "nDCG@20", "reranking", SURVEY),
        Figure(0.386, "MQ2007", "nDCG@10", "reranking", SURVEY),
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("arc_i", out, train, start=start)
