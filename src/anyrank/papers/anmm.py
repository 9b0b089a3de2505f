"""Cosines summed by value, weights shared by value (aNMM).

Yang, Ai, Guo and Croft, "aNMM: Ranking Short Answer Texts with Attention-Based Neural Matching Model", CIKM 2016,
arXiv 1801.01641. The model is `models/anmm.py`. Figures are those that a survey's list of results gives; batch,
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
    name="anmm",
    title="aNMM: Ranking Short Answer Texts with Attention-Based Neural Matching Model",
    arxiv="1801.01641",
    year=2016,
    summary="training: cosines summed by value, weights shared by value (aNMM)",
    needs="groups of relevant texts and others",
    figures=(
        Figure(0.750, "TREC-QA (raw)", "MAP", "reranking", SURVEY),
        Figure(0.811, "TREC-QA (raw)", "MRR", "reranking", SURVEY),
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = START) -> Recipe:
    """The training from the word vectors of ``start``, a model or a file of vectors."""
    return word_recipe("anmm", out, train, start=start)
