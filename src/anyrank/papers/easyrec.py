"""EasyRec: recommendation by texts, an encoder of profiles that is trained on interactions and serves unseen items.

Ren and Huang, "EasyRec: Simple yet Effective Language Models for Recommendation", 2024, arXiv 2408.08821. Groups hold a
user's profile, a profile of an item that the user interacted with, and one of another item, drawn anew each epoch
(``domains/recommend``: ``anyrank recommend train``).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Data, Export, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure

CARD = Card(
    name="easyrec",
    title="EasyRec: Simple yet Effective Language Models for Recommendation",
    arxiv="2408.08821",
    year=2024,
    summary="training: profiles of users against items of the batch, with masked words, for recommendation",
    needs="groups of a user's profile, an item that the user interacted with, and one that not, in this order",
    figures=(
        Figure(0.0286, "Amazon Sports, zero-shot", "Recall@20", "small (82M)"),
        Figure(0.0518, "Amazon Sports, zero-shot", "Recall@20", "base (125M)"),
        Figure(0.0557, "Amazon Sports, zero-shot", "Recall@20", "large (355M)"),
    ),
    differences=(
        "profiles are written by templates, the paper's by gpt-3.5-turbo; a language model is optional",
        "pooling as the start has it: the paper's [CLS] through a linear layer and tanh is roberta's own pooler",
    ),
)


def recipe(
    out: str, train: Sequence[str | Source], *, start: str = "FacebookAI/roberta-base", pooling: str = "cls"
) -> Recipe:
    """The training by the paper's settings; its batch of 32 stands on eight GPUs."""
    return Recipe(
        out=out,
        model=Model(kind="easyrec", start=start, max_length=64, options={"pooling": pooling, "temperature": 0.05}),
        data=Data(train=tuple(train), texts=2),
        losses=(),
        optimiser=Optimiser(rate=5e-5, batch=256, epochs=25),
        export=Export(int8=False),
    )
