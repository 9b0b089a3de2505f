"""ANCE: a dense encoder trained against the texts that it confuses with the positive itself, which are searched anew.

Xiong et al., "Approximate Nearest Neighbor Negative Contrastive Learning for Dense Text Retrieval", 2020, arXiv
2007.00808. `Refreshed` draws a group's negatives from the best 200 of the collection by the model as it was some steps
ago, or is at the beginning of an epoch. In a recipe it is ``data.refresh``, with the collection; in Python:

    model = setup.build(recipe.model)
    train(recipe, train=groups, model=model, draw=Refreshed(model, documents))

Start from a model that was trained on BM25's negatives. Long documents (ANCE-MaxP): ``passages("runs/ance")`` after
``>>``, or passages as the documents of the index.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.negatives import Refresh
from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure

CARD = Card(
    name="ance",
    title="Approximate Nearest Neighbor Negative Contrastive Learning for Dense Text Retrieval",
    arxiv="2007.00808",
    year=2020,
    summary="training: negatives from the newest model's own results, searched again and again",
    needs="groups with a relevant text, and the collection (data.refresh.corpus)",
    figures=(
        Figure(0.3302, "MS MARCO passage dev", "MRR@10", "ANCE-FirstP", "its repository"),
        Figure(0.9584, "MS MARCO passage dev", "R@1000", "ANCE-FirstP", "its repository"),
        Figure(0.648, "TREC DL19", "nDCG@10", "ANCE-FirstP, retrieval"),
    ),
    differences=(
        "the collection is encoded beside the training in the same process; the paper has machines for it",
        "search is exact; AdamW in place of LAMB, its warm-up a share of the steps, there 5,000; no layer behind [CLS]",
        "a training that is resumed searches by the weights at that point",
    ),
)


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    start: str = "FacebookAI/roberta-base",
    corpus: str = "",
    steps: int = 10_000,
) -> Recipe:
    """The training by the paper's settings, its negatives from the results in a ``corpus`` (its documents are encoded
    every ``steps`` steps); without one they are the files'."""
    return Recipe(
        out=out,
        model=Model(kind="bi", start=start, max_length=512, options={"pooling": "cls", "similarity": "dot"}),
        data=Data(train=tuple(train), refresh=Refresh(corpus=corpus, steps=steps) if corpus else Refresh()),
        losses=(Loss(name="infonce"),),
        optimiser=Optimiser(rate=1e-6, batch=8, accumulate=2),
        export=Export(int8=False),
    )
