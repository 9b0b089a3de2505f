"""Letter trigrams of three words at a time, the largest over a text.

Shen, He, Gao, Deng and Mesnil, "A Latent Semantic Model with Convolutional-Pooling Structure for Information
Retrieval", CIKM 2014. The model is `models/cdssm.py`. Figures are those that a survey's list of results gives; batch,
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
    name="cdssm",
    title="A Latent Semantic Model with Convolutional-Pooling Structure for Information Retrieval",
    arxiv="",
    year=2014,
    summary="training: letter trigrams of three words at a time, the largest over a text",
    needs="groups of relevant texts and others",
    figures=(
        Figure(0.146, "Robust04", "nDCG@20", "reranking", SURVEY),
        Figure(0.325, "MQ2007", "nDCG@10", "reranking", SURVEY),
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("cdssm", out, train, start=start, loss="infonce")
