"""COIL: a short vector for each word piece, compared with those of equal pieces alone, beside a [CLS] vector.

Gao, Dai and Callan, "COIL: Revisit Exact Lexical Match in Information Retrieval with Contextualized Inverted List",
2021, arXiv 2104.07186.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure

CARD = Card(
    name="coil",
    title="COIL: Revisit Exact Lexical Match in Information Retrieval with Contextualized Inverted List",
    arxiv="2104.07186",
    year=2021,
    summary="training: vectors of word pieces that meet equal pieces alone, and one of the whole text",
    needs="groups of one relevant text and hard negatives",
    figures=(
        Figure(0.353, "MS MARCO passage dev", "MRR@10", "COIL-full, BM25's negatives"),
        Figure(0.373, "MS MARCO passage dev", "MRR@10", "COIL-full, hard negatives", "its repository"),
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = "google-bert/bert-base-uncased") -> Recipe:
    """The training: softmax cross-entropy over a relevant text, its group's negatives and all texts of the batch."""
    return Recipe(
        out=out,
        model=Model(kind="coil", start=start, max_length=128, options={"dim": 32, "whole": 768, "in_batch": True}),
        data=Data(train=tuple(train), texts=8),
        losses=(Loss(name="infonce"),),
        optimiser=Optimiser(rate=5e-6, batch=8, epochs=5),
        export=Export(int8=False),
    )
