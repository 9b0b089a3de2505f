"""The matrix of matches read as an image (MatchPyramid).

Pang, Lan, Guo, Xu, Wan and Cheng, "Text Matching as Image Recognition", AAAI 2016, arXiv 1602.06359. The model is
`models/match_pyramid.py`. Figures are those that a survey's list of results gives; batch, epochs and lengths are
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
    name="match_pyramid",
    title="Text Matching as Image Recognition",
    arxiv="1602.06359",
    year=2016,
    summary="training: the matrix of matches read as an image (MatchPyramid)",
    needs="groups of relevant texts and others",
    figures=(
        Figure(0.409, "MQ2007", "nDCG@10", "reranking", SURVEY),
        Figure(0.286, "MS MARCO passage", "MRR@10", "reranking", SURVEY),
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("match_pyramid", out, train, start=start)
