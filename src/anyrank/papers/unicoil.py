"""uniCOIL: one weight for each word piece of query and document, searched by postings.

Lin and Ma, "A Few Brief Notes on DeepImpact, COIL, and a Conceptual Framework for Information Retrieval Techniques",
2021, arXiv 2106.14807. The paper's documents are expanded by docTTTTTquery first (``anyrank expand``); weights from 0
to 5 are stored in 8 bits. Rate, batch, epochs and length are those of COIL's program.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure

CARD = Card(
    name="unicoil",
    title="A Few Brief Notes on DeepImpact, COIL, and a Conceptual Framework for Information Retrieval Techniques",
    arxiv="2106.14807",
    year=2021,
    summary="training: a weight for each word piece in context, searched by postings",
    needs="groups of one relevant text and hard negatives",
    figures=(
        Figure(0.3516, "MS MARCO passage dev", "MRR@10", "uniCOIL with docT5query"),
        Figure(0.3509, "MS MARCO passage dev", "MRR@10", "uniCOIL with docT5query", "Pyserini's reproduction"),
    ),
    differences=("a fresh head begins with a weight of about 1 for every piece",),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = "google-bert/bert-base-uncased") -> Recipe:
    """The training: softmax cross-entropy over a relevant text, its group's negatives and all texts of the batch."""
    return Recipe(
        out=out,
        model=Model(kind="unicoil", start=start, max_length=192, options={"bits": 8, "most": 5.0, "in_batch": True}),
        data=Data(train=tuple(train), texts=8),
        losses=(Loss(name="infonce"),),
        optimiser=Optimiser(rate=5e-6, batch=8, epochs=5),
        export=Export(int8=False),
    )
