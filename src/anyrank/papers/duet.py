"""Exact matches and learnt representations side by side (DUET).

Mitra, Diaz and Craswell, "Learning to Match Using Local and Distributed Representations of Text for Web Search", WWW
2017, arXiv 1610.08136. The model is `models/duet.py`. Figures are those that a survey's list of results gives; batch,
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
    name="duet",
    title="Learning to Match Using Local and Distributed Representations of Text for Web Search",
    arxiv="1610.08136",
    year=2017,
    summary="training: exact matches and learnt representations side by side (DUET)",
    needs="groups of relevant texts and others",
    figures=(
        Figure(0.453, "MQ2007", "nDCG@10", "reranking", SURVEY),
        Figure(0.266, "MS MARCO passage", "MRR@10", "reranking", SURVEY),
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("duet", out, train, start=start, loss="infonce")
