"""MAD-X: a language adapter, with an invertible part, trained on plain text of the language.

Pfeiffer, Vulić, Gurevych and Ruder, "MAD-X: An Adapter-Based Framework for Multi-Task Cross-Lingual Transfer", EMNLP
2020, arXiv 2005.00052; the settings are those of arXiv 2204.02292 (see `modular_clir`), the data a text a line.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Adapters, Data, Export, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="mad_x",
    title="MAD-X: An Adapter-Based Framework for Multi-Task Cross-Lingual Transfer",
    arxiv="2005.00052",
    year=2020,
    summary="training: a language adapter with an invertible part, by masked tokens of plain text",
    needs="plain text of a language, a text a line",
)


def recipe(
    out: str, train: Sequence[str | Source], *, start: str = "google-bert/bert-base-multilingual-uncased"
) -> Recipe:
    """The training of a language's adapter: 250,000 steps of 64 texts."""
    return Recipe(
        out=out,
        model=Model(kind="mlm", start=start, max_length=256),
        data=Data(train=tuple(Source(path=f, format="text") if isinstance(f, str) else f for f in train)),
        losses=(),
        optimiser=Optimiser(rate=1e-4, batch=64, steps=250_000),
        export=Export(int8=False),
        adapters=Adapters(method="bottleneck", reduction=2, coupling=2),
    )
