"""Signals of passages that decide together (HiNT).

Fan, Guo, Lan, Xu, Zhai and Cheng, "Modeling Diverse Relevance Patterns in Ad-hoc Retrieval", SIGIR 2018, arXiv
1805.05737. The model is `models/hint.py`. Figures are those that a survey's list of results gives; batch, epochs and
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
    name="hint",
    title="Modeling Diverse Relevance Patterns in Ad-hoc Retrieval",
    arxiv="1805.05737",
    year=2018,
    summary="training: signals of passages that decide together (HiNT)",
    needs="groups of relevant texts and others",
    figures=(Figure(0.490, "MQ2007", "nDCG@10", "reranking", SURVEY),),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("hint", out, train, start=start)
