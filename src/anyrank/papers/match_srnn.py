"""A recurrent network over two dimensions of word matches (Match-SRNN).

Wan, Lan, Xu, Guo, Pang and Cheng, "Match-SRNN: Modeling the Recursive Matching Structure with Spatial RNN", IJCAI
2016, arXiv 1604.04378. The model is `models/match_srnn.py`. Figures are those that a survey's list of results gives;
batch, epochs and lengths are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Recipe
from ..train.sources import Source
from ..train.word_recipe import START, word_recipe
from .card import Card

CARD = Card(
    name="match_srnn",
    title="Match-SRNN: Modeling the Recursive Matching Structure with Spatial RNN",
    arxiv="1604.04378",
    year=2016,
    summary="training: a recurrent network over two dimensions of word matches (Match-SRNN)",
    needs="groups of relevant texts and others",
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("match_srnn", out, train, start=start)
