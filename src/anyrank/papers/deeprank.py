"""The contexts of each query word's occurrences, read in order (DeepRank).

Pang, Lan, Guo, Xu, Xu and Cheng, "DeepRank: A New Deep Architecture for Relevance Ranking in Information Retrieval",
CIKM 2017, arXiv 1710.05649. The model is `models/deeprank.py`. Figures are those that a survey's list of results
gives; batch, epochs and lengths are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Recipe
from ..train.sources import Source
from ..train.word_recipe import START, word_recipe
from .card import Card, Figure

SURVEY = "a list of results of neural matching models"

CARD = Card(
    name="deeprank",
    title="DeepRank: A New Deep Architecture for Relevance Ranking in Information Retrieval",
    arxiv="1710.05649",
    year=2017,
    summary="training: the contexts of each query word's occurrences, read in order (DeepRank)",
    needs="groups of relevant texts and others",
    figures=(Figure(0.482, "MQ2007", "nDCG@10", "reranking", SURVEY),),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("deeprank", out, train, start=start)
