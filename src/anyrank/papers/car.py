"""CAR: a reranker trained on queries that a model rewrote with the relevant document in sight; users' own queries at
search.

"Context Aware Query Rewriting for Text Rankers using LLM", 2023, arXiv 2308.16753. `anyrank synth car` rewrites the
queries of training groups (`synth/rewriting.py`); the training is an ordinary one.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure

CARD = Card(
    name="car",
    title="Context Aware Query Rewriting for Text Rankers using LLM",
    arxiv="2308.16753",
    year=2023,
    summary="training: ambiguous queries rewritten with their relevant document in sight, none at search",
    needs="groups with rewritten queries (anyrank synth car)",
    figures=(
        Figure(0.33, "passage ranking", "largest relative gain", "over training on original queries", "the abstract"),
        Figure(0.28, "document ranking", "largest relative gain", "over training on original queries", "the abstract"),
    ),
    differences=(
        "prompt, choice of ambiguous queries, passages of long documents and filters are ours: none is published",
        "without a model the document's most frequent words are added to the query",
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = "google-bert/bert-base-uncased") -> Recipe:
    """An ordinary cross-encoder's training, whose rate and loss are ours."""
    return Recipe(
        out=out,
        model=Model(start=start, max_length=512),
        data=Data(train=tuple(train)),
        losses=(Loss(name="binary_cross_entropy", options={"mean": "pair"}),),
        optimiser=Optimiser(rate=2e-5, batch=16),
        export=Export(int8=False),
    )
