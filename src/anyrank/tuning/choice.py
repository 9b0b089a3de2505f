"""The choice among many pipelines by few judged queries: bagged winners, shrunk towards the default.

The pipeline with the highest mean on some dozen queries is often worse than the default on all others: of many, one is
always lucky. So queries are resampled, the winner of each sample is taken, and the mean of their settings counts, moved
back towards the default, the farther the less evidence there is. What the measured gain owes to the choosing, its
optimism, is estimated by choosing again without some of the queries, and taken off. The test in `luck` says what the
best of so many would gain by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .luck import FLIPS, LEVEL, Luck, luck_of

Floats = NDArray[np.float64]

BAGS = 30
"""Samples of queries whose winners are averaged."""
EVIDENCE = (0.7, 0.7, 2.0, 5.0)
SHARES = (0.3, 0.5, 0.5, 0.95)
"""How far the choice goes from the default to the bagged winner, by the standard errors that the latter is above the
default: a third of the way without evidence, half way with some, nearly all of it where there is no doubt."""
LARGE = (0.02, 0.06)
"""Gains of the bagged winner from which, with some evidence, the choice goes farther than half way, and nearly all of
it: the default is then far from good, and staying near it costs more than luck can. All chosen on development parts
(bench/bench_tune.py)."""
REPEATS = 5
"""Cross-validations by which optimism is estimated."""
FEWEST = 5
"""Judged queries below which nothing is chosen."""


@dataclass(frozen=True)
class Contenders:
    """Pipelines that were measured: ``values`` [queries, pipelines]; ``points`` [pipelines, settings], numbers that are
    near for pipelines that are alike (weights, the logarithm of a depth); ``default`` the position of the pipeline that
    is used if none is better. Raises InputError on fewer than `FEWEST` queries, and on values that don't fit."""

    values: Floats
    points: Floats
    default: int

    def __post_init__(self) -> None:
        if self.values.shape[1] != len(self.points):
            raise InputError(f"values of {self.values.shape[1]} pipelines, and {len(self.points)} points")
        if len(self.values) < FEWEST:
            raise InputError(f"{len(self.values)} judged queries: at least {FEWEST} are needed to choose by")

    @cached_property
    def means(self) -> Floats:
        return np.asarray(self.values.mean(axis=0))

    @cached_property
    def differences(self) -> Floats:
        """Values less those of the default: [queries, pipelines]."""
        return self.values - self.values[:, [self.default]]

    @cached_property
    def from_default(self) -> Floats:
        """Squared distances of the points from the default's."""
        return np.asarray(((self.points - self.points[self.default]) ** 2).sum(axis=1))

    def of(self, queries: NDArray[np.int64]) -> Contenders:
        """The same pipelines over some of the queries, which may repeat."""
        return Contenders(self.values[queries], self.points, self.default)

    def nearest(self, point: Floats) -> int:
        """The pipeline whose point is nearest."""
        return int(np.argmin(((self.points - point) ** 2).sum(axis=1)))

    def best(self, means: Floats) -> NDArray[np.int64]:
        """The pipelines with the highest of ``means`` [samples, pipelines]; of equal ones that nearest to the
        default."""
        top = means >= means.max(axis=1, keepdims=True) - 1e-9
        return np.asarray(np.where(top, self.from_default, np.inf).argmin(axis=1))


def choose(c: Contenders, rng: np.random.Generator, bags: int = BAGS) -> int:
    """The position of the chosen pipeline: that near the mean of the winners of resampled queries, moved towards the
    default.

    >>> values = np.random.default_rng(0).normal(0, 0.1, (30, 1)) + np.array([[0.2, 0.4, 0.6, 0.6, 0.6]])
    >>> points = np.array([[0.0], [0.25], [0.5], [0.75], [1.0]])
    >>> choose(Contenders(values, points, 0), np.random.default_rng(0))
    2
    """
    n = len(c.values)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=bags)
    mean = c.points[c.best(counts @ c.values / n)].mean(axis=0)
    bagged = c.differences[:, c.nearest(mean)]
    error = max(float(bagged.std(ddof=1)) / n**0.5, 1e-12)
    t = float(bagged.mean()) / error
    share = float(np.interp(t, EVIDENCE, SHARES))
    if t > EVIDENCE[0]:
        share = max(share, float(np.interp(bagged.mean(), LARGE, (SHARES[1], SHARES[-1]))))
    return c.nearest(share * mean + (1 - share) * c.points[c.default])


@dataclass(frozen=True, slots=True)
class Gain:
    """The gain of one pipeline over the default: ``seen`` on the judged queries, ``optimism`` the part of it that the
    choosing made, and the rest with its 95 % interval."""

    seen: float
    optimism: float
    low: float
    high: float

    @property
    def expected(self) -> float:
        """The gain to be expected on other queries."""
        return self.seen - self.optimism


@dataclass(frozen=True)
class Choice:
    """What was chosen among `Contenders`, and what it is worth.

    ``chosen`` is the position of the choice among those beside ``default``, with its ``gain``; ``best`` that of the
    highest mean, with ``best_gain``. ``luck`` is the test whether any pipeline beats the default. ``curve``: gains to
    be expected by the number of judged queries, those up to the number at hand measured, the last one extrapolated.
    """

    default: int
    chosen: int
    gain: Gain
    best: int
    best_gain: Gain
    luck: Luck
    curve: Sequence[tuple[int, float]]

    @property
    def winner(self) -> bool:
        """Whether a pipeline is better than the default by more than the luck of the best of so many."""
        return self.luck.p <= LEVEL and self.gain.expected > 0

    @property
    def worth(self) -> bool:
        """Whether the choice is worth taking, shown to be better or not: its gain is expected to be no loss, or one of
        at most a third of its standard error; or what was seen is a large gain (`LARGE`), which luck rarely makes."""
        g = self.gain
        expected = g.expected > -(g.high - g.low) / 3.92 / 3
        return self.chosen != self.default and (expected or g.seen >= LARGE[0])

    @property
    def more(self) -> float:
        """What the next judged queries can be expected to add to the gain."""
        return self.curve[-1][1] - self.curve[-2][1]


def chosen(
    c: Contenders, seed: int = 0, *, repeats: int = REPEATS, more: int = 20, flips: int = FLIPS, curve: bool = True
) -> Choice:
    """The choice among contenders with its optimism, the luck line and the learning curve, extrapolated by ``more``
    queries (none without ``curve``)."""
    rng = np.random.default_rng(seed)
    position, best = choose(c, rng), _best(c)
    optimism, best_optimism = optimisms(c, rng, repeats)
    at_end = float(c.differences[:, position].mean()) - optimism
    return Choice(
        c.default,
        position,
        _gain(c, position, optimism),
        best,
        _gain(c, best, best_optimism),
        luck_of(c.differences, seed, flips),
        curve_of(c, rng, at_end, more) if curve else (),
    )


def optimisms(c: Contenders, rng: np.random.Generator, repeats: int = REPEATS) -> tuple[float, float]:
    """The optimism of the choice and of the highest mean: how much higher their gain is on the queries by which they
    were chosen than on others, by cross-validation in ten parts, ``repeats`` times. (Bootstrap estimates, tried
    beside it, were too low throughout.)"""
    n = len(c.values)
    gap = np.zeros(2)
    for _ in range(repeats):
        for part in np.array_split(rng.permutation(n), min(10, n)):
            rest = np.setdiff1d(np.arange(n), part)
            if len(rest) < FEWEST:
                rest = np.arange(n)
            others = c.of(rest)
            for i, position in enumerate((choose(others, rng, BAGS * 2 // 3), _best(others))):
                gap[i] += others.differences[:, position].mean() * len(part) - c.differences[part, position].sum()
    first, second = (gap / (n * repeats)).tolist()
    return first, second


def _best(c: Contenders) -> int:
    return int(c.best(c.means[None])[0])


def _gain(c: Contenders, position: int, optimism: float) -> Gain:
    difference = c.differences[:, position]
    seen = float(difference.mean())
    error = 1.96 * float(difference.std(ddof=1)) / len(difference) ** 0.5
    optimism = optimism if position != c.default else 0.0
    return Gain(seen, optimism, seen - optimism - error, seen - optimism + error)


def curve_of(
    c: Contenders, rng: np.random.Generator, at_end: float, more: int = 20, draws: int = 40
) -> list[tuple[int, float]]:
    """The gain to be expected of a choice by so many judged queries: by parts of those at hand, measured on the rest;
    by all, which is ``at_end``; and by ``more`` of them, from the line gain = a - b / queries through these."""
    n = len(c.values)
    sizes = sorted({m for m in (n // 4, n // 2, 3 * n // 4) if FEWEST <= m <= n - 2})
    curve = []
    for m in sizes:
        gains = []
        for _ in range(draws):
            order = rng.permutation(n)
            gains.append(c.differences[order[m:], choose(c.of(order[:m]), rng, BAGS // 2)].mean())
        curve.append((m, float(np.mean(gains))))
    curve.append((n, at_end))
    inverse = np.array([1 / m for m, _ in curve])
    values = np.array([gain for _, gain in curve])
    spread = float(((inverse - inverse.mean()) ** 2).sum())
    slope = float(((inverse - inverse.mean()) * values).sum()) / spread if spread else 0.0
    step = max(0.0, -slope) * (1 / n - 1 / (n + more))  # more queries never make the choice worse on average
    return [*curve, (n + more, at_end + step)]
