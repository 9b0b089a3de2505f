"""The best matches of the states of a bidirectional LSTM (MV-LSTM).

Wan, Lan, Guo, Xu, Pang and Cheng, "A Deep Architecture for Semantic Matching with Multiple Positional Sentence
Representations", AAAI 2016, arXiv 1511.08277. The model is `models/mv_lstm.py`. Figures are those that a survey's
list of results gives; batch, epochs and lengths are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Recipe
from ..train.sources import Source
from ..train.word_recipe import START, word_recipe
from .card import Card

CARD = Card(
    name="mv_lstm",
    title="A Deep Architecture for Semantic Matching with Multiple Positional Sentence Representations",
    arxiv="1511.08277",
    year=2015,
    summary="training: the best matches of the states of a bidirectional LSTM (MV-LSTM)",
    needs="groups of relevant texts and others",
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("mv_lstm", out, train, start=start)
