"""Vectors of bags of letter trigrams, compared by their cosine.

Huang, He, Gao, Deng, Acero and Heck, "Learning Deep Structured Semantic Models for Web Search using Clickthrough
Data", CIKM 2013. The model is `models/dssm.py`. Figures are those that a survey's list of results gives; batch,
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
    name="dssm",
    title="Learning Deep Structured Semantic Models for Web Search using Clickthrough Data",
    arxiv="",
    year=2013,
    summary="training: vectors of bags of letter trigrams, compared by their cosine",
    needs="groups of relevant texts and others",
    figures=(
        Figure(0.201, "Robust04", "nDCG@20", "reranking", SURVEY),
        Figure(0.371, "MQ2007", "nDCG@10", "reranking", SURVEY),
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("dssm", out, train, start=start, loss="infonce")
