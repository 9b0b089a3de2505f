"""Negatives that the model confuses with the relevant texts as it trains: the collection is searched again by newer
weights (ANCE, arXiv 2007.00808)."""

from __future__ import annotations

import copy
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import TrainerCallback

from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate
from .group import Group
from .same_text import copies


@dataclass(slots=True, eq=False)
class Refreshed:
    """The texts of a group labelled above 0, and ``negatives`` others drawn from the best ``depth`` documents by a
    bi-encoder's dot products; the documents are encoded again every ``every`` epochs. Copies of a relevant text are
    never drawn. The draw is fixed by seed, epoch and the group's id (or query), and the weights at the refreshing.

    With ``steps`` documents are encoded beside the training instead, by a copy of the weights: those of step k are
    searched from step k + ``steps`` on (until then those before), however long the encoding takes; the training waits
    for it if it must, so that the negatives are the same on any machine. The loop calls `at_step`.
    """

    model: Any
    documents: Sequence[Candidate]
    negatives: int = 1
    depth: int = 200
    every: int = 1
    seed: int = 0
    batch: int = 256
    steps: int = 0
    _refreshed: int = -1
    _vectors: Any = field(default=None, repr=False)
    _next: _Encoding | None = field(default=None, repr=False)

    def __call__(self, group: Group, epoch: int) -> Group:
        if self._vectors is None or (not self.steps and epoch // self.every != self._refreshed):
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

    def at_step(self, step: int) -> None:
        """After every ``steps`` steps: take the vectors that were begun then, and begin new ones by the weights now."""
        if not self.steps or step % self.steps:
            return
        if self._next is not None:
            self._vectors = self._next.result()
        fixed = copy.deepcopy(self.model).requires_grad_(False)
        self._next = _Encoding(fixed, [text_of(d.content) for d in self.documents], self.batch)
        self._next.start()

    def _encoded(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """Vectors [texts, width] by the present weights."""
        was_training = self.model.training
        vectors = encoded(self.model, texts, self.batch, query)
        self.model.train(was_training)
        return vectors


class _Encoding(threading.Thread):
    """Encodes texts beside the training."""

    def __init__(self, model: Any, texts: Sequence[str], batch: int) -> None:
        super().__init__(daemon=True)  # a training that stops doesn't wait for it
        self.model = model
        self.texts = texts
        self.batch = batch
        self.vectors: NDArray[np.float32] | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.vectors = encoded(self.model, self.texts, self.batch)
        except Exception as error:  # noqa: BLE001  # raised where the vectors are needed
            self.error = error

    def result(self) -> NDArray[np.float32]:
        """The vectors, once they are there. Raises what the encoding raised."""
        self.join()
        if self.vectors is None:
            raise self.error or InputError("the documents weren't encoded")
        return self.vectors


class Steps(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Tells a drawing the steps of the training."""

    def __init__(self, draw: Refreshed) -> None:
        self.draw = draw

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.draw.at_step(state.global_step)


def encoded(model: Any, texts: Sequence[str], batch: int, query: bool = False) -> NDArray[np.float32]:
    """Vectors [texts, width] of a bi-encoder, which is set to evaluation."""
    import torch

    model.eval()
    with torch.no_grad():
        parts = [
            model.encode(texts[i : i + batch], query=query).float().cpu().numpy() for i in range(0, len(texts), batch)
        ]
    return np.concatenate(parts)
