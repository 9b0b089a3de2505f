"""Histograms of cosines for each query word, weighed by its rarity (DRMM).

Guo, Fan, Ai and Croft, "A Deep Relevance Matching Model for Ad-hoc Retrieval", CIKM 2016, arXiv 1711.08611. The model
is `models/drmm.py`. Figures are those that a survey's list of results gives; batch, epochs and lengths are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Recipe
from ..train.sources import Source
from ..train.word_recipe import START, word_recipe
from .card import Card, Figure

SURVEY = "a list of results of neural matching models"

CARD = Card(
    name="drmm",
    title="A Deep Relevance Matching Model for Ad-hoc Retrieval",
    arxiv="1711.08611",
    year=2016,
    summary="training: histograms of cosines for each query word, weighed by its rarity (DRMM)",
    needs="groups of relevant texts and others",
    figures=(
        Figure(0.382, "Robust04", "nDCG@20", "reranking", SURVEY),
        Figure(0.440, "MQ2007", "nDCG@10", "reranking", SURVEY),
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors. They stay as they are, and the 162
    weights beside them need a higher rate than a table."""
    return word_recipe("drmm", out, train, start=start, rate=1e-2)
