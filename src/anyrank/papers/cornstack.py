"""CoRNStack: pairs of docstring and code that find each other, with hard negatives that get harder.

Suresh et al., "CoRNStack: High-Quality Contrastive Data for Better Code Ranking", 2024, arXiv 2412.01007. `curated`
keeps pairs by dual consistency and gives each a pool of other texts; the recipe draws from the pool anew each epoch, by
a softmax whose temperature falls. Thresholds, the number of negatives, the temperatures, rate, batch and epochs are not
published: ours. The query's prefix of the release is left to the data. `anyrank synth cornstack` writes the groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..synth import code
from ..train.group import Group
from ..train.negatives import Draw
from ..train.recipe import Data, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from ..vectors import Encoder
from .card import Card, Figure

CARD = Card(
    name="cornstack",
    title="CoRNStack: High-Quality Contrastive Data for Better Code Ranking",
    arxiv="2412.01007",
    year=2024,
    summary="training: consistent pairs, hard negatives drawn by a temperature that falls, InfoNCE",
    needs="groups of one positive and a pool of others with scores as priors (anyrank synth cornstack)",
    figures=(
        Figure(0.777, "CodeSearchNet, mean of six languages", "MRR@100", "CodeRankEmbed", "its page"),
        Figure(0.805, "CodeSearchNet, mean of six languages", "MRR@100", "CodeRankLLM over it", "its page"),
        Figure(0.569, "AdvTest", "MRR@100", "CodeRankEmbed", "its page"),
        Figure(0.691, "AdvTest", "MRR@100", "CodeRankLLM over it", "its page"),
    ),
)


def curated(pairs: Sequence[Group], encoder: Encoder, *, pool: int = 100) -> Iterator[Group]:
    """The consistent pairs, each with the ``pool`` most similar texts of the others, and all similarities as priors."""
    yield from code.curated(pairs, encoder, pool=pool)


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    negatives: int = 7,
    start: str = "Snowflake/snowflake-arctic-embed-m-long",
) -> Recipe:
    """The retriever's training: InfoNCE over the batch's texts and the drawn negatives."""
    return Recipe(
        out=out,
        model=Model(kind="bi", start=start, max_length=512, options={"pooling": "cls", "in_batch": True}),
        data=Data(train=tuple(train), draw=Draw(negatives=negatives, start=1.0, end=0.02, epochs=3, relative=0.95)),
        losses=(Loss(name="infonce"),),
        optimiser=Optimiser(epochs=3, batch=32),
    )
