"""The largest cosines of each query word (DRMM-TKS).

Fan, Pang, Hou, Guo, Lan and Cheng, "MatchZoo: A Toolkit for Deep Text Matching", 2017, arXiv 1707.07270. The model is
`models/drmm_tks.py`. Figures are those that a survey's list of results gives; batch, epochs and lengths are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Recipe
from ..train.sources import Source
from ..train.word_recipe import START, word_recipe
from .card import Card

CARD = Card(
    name="drmm_tks",
    title="MatchZoo: A Toolkit for Deep Text Matching",
    arxiv="1707.07270",
    year=2017,
    summary="training: the largest cosines of each query word (DRMM-TKS)",
    needs="groups of relevant texts and others",
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors. They stay as they are: shares of a
    query's words sum to 1, so that scores differ by hundredths at first, and the 445 weights beside the vectors need a
    rate at which vectors would be lost."""
    return word_recipe("drmm_tks", out, train, start=start, rate=5e-2, frozen=True)
