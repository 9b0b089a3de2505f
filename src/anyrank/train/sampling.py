"""Sampling of negatives: the hardest, any, or hard ones more often, with a temperature that falls.

A sampler is called with scores (best first), the number to draw, and a random generator; it returns ascending
positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError

Sampler = Callable[[Sequence[float], int, np.random.Generator], list[int]]


def softmax(scores: ArrayLike, tau: float = 1.0) -> NDArray[np.float64]:
    """exp(s / tau) over its sum: near-even for a large temperature, all on the best for a small one.

    >>> softmax([1.0, 1.0]).tolist()
    [0.5, 0.5]
    """
    scaled = np.asarray(scores, dtype=np.float64) / tau
    weights = np.exp(scaled - scaled.max(initial=-np.inf))
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True, slots=True)
class Top:
    """The n best: the hardest negatives."""

    def __call__(self, scores: Sequence[float], n: int, rng: np.random.Generator) -> list[int]:
        return list(range(min(n, len(scores))))


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any n, all equally likely."""

    def __call__(self, scores: Sequence[float], n: int, rng: np.random.Generator) -> list[int]:
        return sorted(rng.choice(len(scores), min(n, len(scores)), replace=False).tolist())


@dataclass(frozen=True, slots=True)
class Softmax:
    """n drawn without replacement, each in proportion to exp(s / tau) among those left (CoRNStack, arXiv 2412.01007).

    They are drawn at once as the n largest s / tau + g with g from Gumbel(0, 1), which is the same distribution.
    """

    tau: float = 1.0

    def __post_init__(self) -> None:
        if not self.tau > 0:
            raise InputError(f"tau={self.tau}: a temperature must be more than 0")

    def __call__(self, scores: Sequence[float], n: int, rng: np.random.Generator) -> list[int]:
        keys = np.asarray(scores, dtype=np.float64) / self.tau + rng.gumbel(size=len(scores))
        return sorted(np.argsort(-keys, kind="stable")[:n].tolist())


@dataclass(frozen=True, slots=True)
class Decay:
    """A temperature that falls from ``start`` to ``end`` over ``epochs`` (the first is 0) and stays there, by equal
    factors or equal steps. CoRNStack lets it fall but gives no values: the defaults are ours.

    >>> [round(Decay(1.0, 0.01, 3)(e), 3) for e in range(4)]
    [1.0, 0.1, 0.01, 0.01]
    """

    start: float = 1.0
    end: float = 0.05
    epochs: int = 10
    how: Literal["exponential", "linear"] = "exponential"

    def __post_init__(self) -> None:
        if not 0 < self.end <= self.start:
            raise InputError(f"start={self.start}, end={self.end}: expected 0 < end <= start")
        if self.how not in ("exponential", "linear"):
            raise InputError(f"how={self.how!r}: choose 'exponential' or 'linear'")

    def __call__(self, epoch: int) -> float:
        done = min(epoch / (self.epochs - 1), 1.0) if self.epochs > 1 else 1.0
        if self.how == "linear":
            return self.start + (self.end - self.start) * done
        return float(self.start * (self.end / self.start) ** done)
