"""PreTTR: a cross-encoder whose lower layers read query and document apart, so that documents' states can be stored.

MacAvaney, Nardini, Perego, Tonellotto, Goharian and Frieder, "Efficient Document Re-Ranking for Transformers by
Precomputing Term Representations", SIGIR 2020, arXiv 2004.14255. The form is that of the code of cross-architecture
distillation (arXiv 2010.02666), which also gives the usual training, by a teacher's margins.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="prettr",
    title="Efficient Document Re-Ranking for Transformers by Precomputing Term Representations",
    arxiv="2004.14255",
    year=2020,
    summary="training: a cross-encoder whose lower layers read query and document apart",
    needs="groups labelled by a teacher's scores, or by relevance",
    differences=(
        "documents' positions begin behind the longest query, so that states don't depend on the query",
        "states are not compressed",
    ),
)


def recipe(
    out: str, train: Sequence[str | Source], *, join: int = 3, start: str = "distilbert/distilbert-base-uncased"
) -> Recipe:
    """The training: Margin-MSE; ``join`` layers read query and document apart."""
    return Recipe(
        out=out,
        model=Model(kind="prettr", start=start, max_length=230, options={"join": join, "query_length": 38}),
        data=Data(train=tuple(train)),
        losses=(Loss(name="margin_mse", options={"mean": "pair"}),),
        optimiser=Optimiser(rate=7e-6, batch=32, schedule="constant_with_warmup"),
        export=Export(int8=False),
    )
