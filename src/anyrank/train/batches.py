"""Batches of groups: of near length, in an order that only the seed and the epoch decide, as tensors."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Sampler

from ..core.errors import InputError
from .examples import TakesExamples, with_examples
from .group import Group

WINDOW = 16
"""Batches that are sorted by size together: more means less padding, fewer a better mix of sizes."""


class Batches(Sampler[list[int]]):  # type: ignore[misc,unused-ignore]
    """Yields the positions of groups, ``batch`` at a time. Groups are shuffled; windows of 16 batches are sorted by
    size, cut into batches, and these are shuffled. Trainer sets the epoch by `set_epoch`; the order depends on the seed
    and the epoch only, so that a resumed run goes on where it stopped.

    ``parts`` are mixed: (number of groups, weight) of neighbouring parts of the groups, of which an epoch draws each
    group ``weight`` times in the mean. ``order`` (epoch -> positions) replaces all this: batches are cut from it as it
    is; it must give the same number of positions each time. With ``short_last`` a batch that isn't full comes last, as
    accelerate needs it, which deals batches out to several processes."""

    def __init__(
        self,
        groups: Sequence[Group],
        batch: int,
        seed: int = 0,
        size: Callable[[Group], int] | None = None,
        parts: Sequence[tuple[int, float]] = (),
        order: Callable[[int], Sequence[int]] | None = None,
        short_last: bool = False,
    ) -> None:
        self.sizes = [g.size if size is None else size(g) for g in groups]
        self.batch_size = batch
        self.seed = seed
        self.epoch = 0
        self.drop_last = False
        self.parts = tuple(parts) or ((len(self.sizes), 1.0),)
        self.order = order
        self.short_last = short_last
        self.drawn = len(order(0)) if order else sum(round(number * weight) for number, weight in self.parts)
        if sum(number for number, _ in self.parts) != len(self.sizes):
            raise InputError(f"{sum(n for n, _ in self.parts)} groups in the parts, but {len(self.sizes)} in all")
        if not self.drawn:
            raise InputError("no group is drawn in an epoch: raise the weights of the data")

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.drawn // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        if self.order is not None:
            yield from self._own(self.order(self.epoch))
            return
        rng = random.Random(f"{self.seed}/{self.epoch}")
        order = self._mixed(rng)
        rng.shuffle(order)
        step = self.batch_size * WINDOW
        for start in range(0, len(order), step):
            window = sorted(order[start : start + step], key=self.sizes.__getitem__)
            parts = [window[i : i + self.batch_size] for i in range(0, len(window), self.batch_size)]
            rng.shuffle(parts)
            if self.short_last:
                parts.sort(key=lambda part: len(part) < self.batch_size)
            yield from parts

    def _mixed(self, rng: random.Random) -> list[int]:
        """The positions of an epoch: each part's as often as its weight says, of the last share a random choice."""
        out: list[int] = []
        start = 0
        for number, weight in self.parts:
            positions = range(start, start + number)
            copies, rest = divmod(round(number * weight), number) if number else (0, 0)
            out += [*positions] * copies + (rng.sample(positions, rest) if rest else [])
            start += number
        return out

    def _own(self, order: Sequence[int]) -> Iterator[list[int]]:
        if len(order) != self.drawn:
            what = f"the order of epoch {self.epoch} has {len(order)} positions"
            raise InputError(f"{what}, that of epoch 0 {self.drawn}: give as many each time")
        for start in range(0, len(order), self.batch_size):
            yield list(order[start : start + self.batch_size])


@dataclass(frozen=True, slots=True)
class Collate:
    """Makes a batch: the arguments of a model's ``forward`` (``features``), labels [B, n], the judged grades [B, n]
    beside them (0 where a group has none), and the groups themselves. A model that `TakesExamples` gets in training
    other pairs of the batch as examples, drawn by ``seed``."""

    model: Any
    seed: int = 0

    def __call__(self, groups: Sequence[Group]) -> dict[str, Any]:
        if isinstance(self.model, TakesExamples) and self.model.training and self.model.examples:
            groups = with_examples(groups, self.model.examples, self.seed)
        features = self.model.features([g.query for g in groups], [g.scored() for g in groups])
        mask = features["mask"]
        labels = _filled(mask, [x for g in groups for x in g.labels])
        grades = _filled(mask, [x for g in groups for x in g.grades or (0.0,) * len(g.labels)])
        return {"features": features, "labels": labels, "grades": grades, "groups": list(groups)}


def _filled(mask: torch.Tensor, values: Sequence[float]) -> torch.Tensor:
    """Values of the candidates as [B, n], 0 in the padding."""
    return torch.zeros(mask.shape).masked_scatter(mask, torch.tensor(values, dtype=torch.float32))


def cut(groups: Sequence[Group], n: int) -> list[Group]:
    """The groups with their first ``n`` candidates each; all of them if n is 0.

    >>> cut([Group.from_texts("q", ("a", "b", "c"), (1.0, 0.0, 0.0))], 2)[0].texts
    ('a', 'b')
    """
    if not n:
        return list(groups)
    return [g.take(range(min(n, len(g.candidates)))) for g in groups]
