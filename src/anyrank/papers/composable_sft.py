"""Composable sparse fine-tuning: the few weights that a language changes most, trained on plain text of it.

Ansell, Ponti, Korhonen and Vulić, "Composable Sparse Fine-Tuning for Cross-Lingual Transfer", ACL 2022, arXiv
2110.07560; the settings are those of arXiv 2204.02292 (see `sft_reranking`), the data a text a line.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Adapters, Data, Export, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="composable_sft",
    title="Composable Sparse Fine-Tuning for Cross-Lingual Transfer",
    arxiv="2110.07560",
    year=2022,
    summary="training: a language's sparse fine-tuning (lottery ticket), by masked tokens of plain text",
    needs="plain text of a language, a text a line",
)


def recipe(
    out: str, train: Sequence[str | Source], *, start: str = "google-bert/bert-base-multilingual-uncased"
) -> Recipe:
    """The training of a language's fine-tuning: two of 100,000 steps of 8 texts."""
    return Recipe(
        out=out,
        model=Model(kind="mlm", start=start, max_length=256),
        data=Data(train=tuple(Source(path=f, format="text") if isinstance(f, str) else f for f in train)),
        losses=(),
        optimiser=Optimiser(rate=5e-5, batch=8, steps=100_000),
        export=Export(int8=False),
        adapters=Adapters(method="sparse", keep=7_387_776, l1=0.1, merge=False),
    )
