"""Batches of groups: of near length, in an order that only the seed and the epoch decide, as tensors."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Sampler

from .group import Group

WINDOW = 16
"""Batches that are sorted by size together: more means less padding, fewer a better mix of sizes."""


class Batches(Sampler[list[int]]):  # type: ignore[misc,unused-ignore]
    """Yields the positions of groups, ``batch`` at a time. Groups are shuffled; windows of 16 batches are sorted by
    size, cut into batches, and these are shuffled. Trainer sets the epoch by `set_epoch`; the order depends on the seed
    and the epoch only, so that a resumed run goes on where it stopped."""

    def __init__(
        self, groups: Sequence[Group], batch: int, seed: int = 0, size: Callable[[Group], int] | None = None
    ) -> None:
        self.sizes = [g.size if size is None else size(g) for g in groups]
        self.batch_size = batch
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.sizes) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = random.Random(f"{self.seed}/{self.epoch}")
        order = list(range(len(self.sizes)))
        rng.shuffle(order)
        step = self.batch_size * WINDOW
        for start in range(0, len(order), step):
            window = sorted(order[start : start + step], key=self.sizes.__getitem__)
            parts = [window[i : i + self.batch_size] for i in range(0, len(window), self.batch_size)]
            rng.shuffle(parts)
            yield from parts


@dataclass(frozen=True, slots=True)
class Collate:
    """Makes a batch: the arguments of a model's ``forward`` (``features``), labels [B, n], and the groups
    themselves."""

    model: Any

    def __call__(self, groups: Sequence[Group]) -> dict[str, Any]:
        features = self.model.features([g.query for g in groups], [g.candidates for g in groups])
        labels = torch.tensor([x for g in groups for x in g.labels], dtype=torch.float32)
        mask = features["mask"]
        full = torch.zeros(mask.shape).masked_scatter(mask, labels)
        return {"features": features, "labels": full, "groups": list(groups)}


def cut(groups: Sequence[Group], n: int) -> list[Group]:
    """The groups with their first ``n`` candidates each; all of them if n is 0.

    >>> cut([Group.from_texts("q", ("a", "b", "c"), (1.0, 0.0, 0.0))], 2)[0].texts
    ('a', 'b')
    """
    if not n:
        return list(groups)
    return [g.take(range(min(n, len(g.candidates)))) for g in groups]
