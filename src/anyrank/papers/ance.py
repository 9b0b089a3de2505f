"""ANCE: a dense encoder trained against the texts that it confuses with the positive itself, which are searched anew.

Xiong et al., "Approximate Nearest Neighbor Negative Contrastive Learning for Dense Text Retrieval", 2020, arXiv
2007.00808. `Refreshed` draws a group's negatives from the best 200 of the collection by the model as it is at the
beginning of an epoch; give it to a training:

    model = setup.build(recipe.model)
    train(recipe, train=groups, model=model, draw=Refreshed(model, documents))

Start from a model that was trained on BM25's negatives. Long documents (ANCE-MaxP): ``passages("runs/ance")`` after
``>>``, or passages as the documents of the index.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate
from ..train.group import Group
from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.same_text import copies
from ..train.sources import Source
from .card import Card, Figure

CARD = Card(
    name="ance",
    title="Approximate Nearest Neighbor Negative Contrastive Learning for Dense Text Retrieval",
    arxiv="2007.00808",
    year=2020,
    summary="training: negatives from the newest model's own results, searched again each epoch",
    needs="groups with a relevant text, and the collection (Refreshed)",
    figures=(
        Figure(0.3302, "MS MARCO passage dev", "MRR@10", "ANCE-FirstP", "its repository"),
        Figure(0.9584, "MS MARCO passage dev", "R@1000", "ANCE-FirstP", "its repository"),
        Figure(0.648, "TREC DL19", "nDCG@10", "ANCE-FirstP, retrieval"),
    ),
    differences=(
        "the search waits for the training, at the beginning of an epoch; the paper's runs beside it",
        "search is exact; AdamW in place of LAMB; no layer behind [CLS]",
        "a training resumed within an epoch searches by the weights at that point",
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = "FacebookAI/roberta-base") -> Recipe:
    """The training by the paper's settings; without `Refreshed` its negatives are the files'."""
    return Recipe(
        out=out,
        model=Model(kind="bi", start=start, max_length=512, options={"pooling": "cls", "similarity": "dot"}),
        data=Data(train=tuple(train)),
        losses=(Loss(name="infonce"),),
        optimiser=Optimiser(rate=1e-6, batch=8, accumulate=2),
        export=Export(int8=False),
    )


@dataclass(slots=True, eq=False)
class Refreshed:
    """The texts of a group labelled above 0, and ``negatives`` others drawn from the best ``depth`` documents by a
    bi-encoder's dot products; the documents are encoded again every ``every`` epochs. Copies of a relevant text are
    never drawn. The draw is fixed by seed, epoch and the group's id (or query), and the weights at the refreshing.
    """

    model: Any
    documents: Sequence[Candidate]
    negatives: int = 1
    depth: int = 200
    every: int = 1
    seed: int = 0
    batch: int = 256
    _refreshed: int = -1
    _vectors: Any = field(default=None, repr=False)

    def __call__(self, group: Group, epoch: int) -> Group:
        if epoch // self.every != self._refreshed:
            self._vectors = self._encoded([text_of(d.content) for d in self.documents])
            self._refreshed = epoch // self.every
        scores = self._vectors @ self._encoded([text_of(group.query)], query=True)[0]
        best = np.argsort(-scores, kind="stable")[: self.depth].tolist()
        relevant = [c for c, label in zip(group.candidates, group.labels) if label > 0]
        ids = {c.id for c in relevant if c.id}
        others = [self.documents[i] for i in best if self.documents[i].id not in ids]
        same = copies([d.content for d in others], [c.content for c in relevant])
        others = [d for d, copy in zip(others, same) if not copy]
        if not others:
            raise InputError(f"{group.name}: no document beside the relevant ones: give more documents")
        rng = np.random.default_rng([self.seed, epoch, zlib.crc32((group.id or text_of(group.query)).encode())])
        drawn = rng.choice(len(others), min(self.negatives, len(others)), replace=False).tolist()
        labels = [label for label in group.labels if label > 0]
        members = (*relevant, *(others[i] for i in drawn))
        return Group(group.query, members, (*labels, *[0.0] * len(drawn)), group.id)

    def _encoded(self, texts: Sequence[str], *, query: bool = False) -> Any:
        """Vectors [texts, width] by the present weights, as an array."""
        import torch

        was_training = self.model.training
        self.model.eval()
        with torch.no_grad():
            parts = [
                self.model.encode(texts[i : i + self.batch], query=query).float().cpu().numpy()
                for i in range(0, len(texts), self.batch)
            ]
        self.model.train(was_training)
        return np.concatenate(parts)
