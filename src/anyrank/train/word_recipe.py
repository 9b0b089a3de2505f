"""The recipe that models of words share (DRMM, KNRM, PACRR, …): their papers' differ in the loss and the rate alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .recipe import Data, Export, Loss, Model, Optimiser, Recipe
from .sources import Source

START = "all-minilm-l6-v2"
"""The model whose word pieces' table training starts from; a file of GloVe, word2vec or fastText vectors does too."""


def word_recipe(
    kind: str,
    out: str,
    train: Sequence[str | Source],
    *,
    start: str = START,
    loss: str = "hinge",
    rate: float = 1e-3,
    **options: Any,
) -> Recipe:
    """The training of a model of words. Batch, epochs and lengths are ours; ``options`` are the model's."""
    return Recipe(
        out=out,
        model=Model(kind=kind, start=start, max_length=256, options=options),
        data=Data(train=tuple(train)),
        losses=(Loss(name=loss),),
        optimiser=Optimiser(rate=rate, batch=16, epochs=5, decay=0.0, bf16=False),
        export=Export(int8=False),
    )
