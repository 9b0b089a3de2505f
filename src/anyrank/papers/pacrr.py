"""N-gram matches read from the cosine matrix, the best few of each query word (PACRR).

Hui, Yates, Berberich and de Melo, "PACRR: A Position-Aware Neural IR Model for Relevance Matching", EMNLP 2017, arXiv
1704.03940. The model is `models/pacrr.py`. Figures are those that a survey's list of results gives; batch, epochs and
lengths are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Recipe
from ..train.sources import Source
from ..train.word_recipe import START, word_recipe
from .card import Card

CARD = Card(
    name="pacrr",
    title="PACRR: A Position-Aware Neural IR Model for Relevance Matching",
    arxiv="1704.03940",
    year=2017,
    summary="training: n-gram matches read from the cosine matrix, the best few of each query word (PACRR)",
    needs="groups of relevant texts and others",
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("pacrr", out, train, start=start, loss="pairwise_softmax")
