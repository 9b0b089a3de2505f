"""PACRR that sees the context of a match and its place (Co-PACRR).

Hui, Yates, Berberich and de Melo, "Co-PACRR: A Context-Aware Neural IR Model for Ad-hoc Retrieval", WSDM 2018, arXiv
1706.10192. The model is `models/co_pacrr.py`. Figures are those that a survey's list of results gives; batch, epochs
and lengths are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Recipe
from ..train.sources import Source
from ..train.word_recipe import START, word_recipe
from .card import Card, Figure

SURVEY = "a list of results of neural matching models"

CARD = Card(
    name="co_pacrr",
    title="Co-PACRR: A Context-Aware Neural IR Model for Ad-hoc Retrieval",
    arxiv="1706.10192",
    year=2017,
    summary="training: PACRR that sees the context of a match and its place (Co-PACRR)",
    needs="groups of relevant texts and others",
    figures=(Figure(0.284, "MS MARCO passage", "MRR@10", "reranking", SURVEY),),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("co_pacrr", out, train, start=start, loss="pairwise_softmax")
