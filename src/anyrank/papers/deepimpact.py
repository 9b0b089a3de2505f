"""DeepImpact: an impact for each word of a document, added up for the words of the query.

Mallia et al., "Learning Passage Impacts for Inverted Indexes", 2021, arXiv 2104.12016. The paper's documents are
expanded by docTTTTTquery first (``anyrank expand``); impacts are stored in 8 bits, rounded up, with the collection's
largest as 256 (``most``, by default 5).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure

CARD = Card(
    name="deepimpact",
    title="Learning Passage Impacts for Inverted Indexes",
    arxiv="2104.12016",
    year=2021,
    summary="training: an impact for each word of a document, searched by postings; queries need no model",
    needs="groups of one relevant text and another",
    figures=(Figure(0.3253, "MS MARCO passage dev", "MRR@10", "with docT5query", "the paper, reported elsewhere too"),),
    differences=(
        "a word is known by its pieces; of several by a checksum, so two rare words may share a number",
        "the largest impact is a setting, not found in the collection",
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = "google-bert/bert-base-uncased") -> Recipe:
    """The training: softmax cross-entropy over a relevant text and one that isn't."""
    return Recipe(
        out=out,
        model=Model(kind="deepimpact", start=start, max_length=300, options={"bits": 8}),
        data=Data(train=tuple(train), texts=2),
        losses=(Loss(name="infonce"),),
        optimiser=Optimiser(rate=3e-6, batch=32),
        export=Export(int8=False),
    )
