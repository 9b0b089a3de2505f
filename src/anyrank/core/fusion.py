"""Fusion of several scored lists of one query into one: pure functions of {id: score} mappings, best first.

A fusion is called with the runs and one weight a run, and returns {id: fused score}.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .errors import InputError

Run = Mapping[str, float]
Fusion = Callable[[Sequence[Run], Sequence[float]], dict[str, float]]


def zscore(run: Run) -> dict[str, float]:
    """Scores less their mean, over their standard deviation (population); all 0 where they don't vary."""
    if not run:
        return {}
    mean = math.fsum(run.values()) / len(run)
    deviation = math.sqrt(math.fsum((s - mean) ** 2 for s in run.values()) / len(run))
    scale = deviation if deviation > 1e-12 * (1 + abs(mean)) else math.inf
    return {i: (s - mean) / scale for i, s in run.items()}


def minmax(run: Run) -> dict[str, float]:
    """Scores moved to 0 … 1; all 1 where they don't vary (a lone candidate is not a bad one)."""
    if not run:
        return {}
    low, high = min(run.values()), max(run.values())
    return {i: (s - low) / (high - low) if high > low else 1.0 for i, s in run.items()}


_NORMALISE: dict[str, Callable[[Run], dict[str, float]]] = {"zscore": zscore, "minmax": minmax, "none": dict}


@dataclass(frozen=True)
class Combine:
    """Scores combined after normalisation: CombSUM, CombMNZ, CombMAX and weighted interpolation (Fox & Shaw 1994).

    ``how="sum"`` weighted sum; ``"mnz"`` the sum times the number of runs that hold the candidate; ``"max"``.
    A candidate that a run lacks gets that run's lowest normalised score (``missing="min"``) or 0 (``"zero"``).

    >>> Combine(normalise="minmax", missing="zero")([{"a": 3, "b": 2, "c": 1}, {"b": 30, "d": 20, "a": 10}], [.5, .5])
    {'a': 0.5, 'b': 0.75, 'c': 0.0, 'd': 0.25}
    """

    how: Literal["sum", "mnz", "max"] = "sum"
    normalise: Literal["zscore", "minmax", "none"] = "zscore"
    missing: Literal["min", "zero"] = "min"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("how", ("sum", "mnz", "max")),
            ("normalise", tuple(_NORMALISE)),
            ("missing", ("min", "zero")),
        ):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name}={getattr(self, name)!r}: choose one of {', '.join(allowed)}")

    def __call__(self, runs: Sequence[Run], weights: Sequence[float]) -> dict[str, float]:
        normal = [_NORMALISE[self.normalise](r) for r in runs]
        floor = [min(r.values()) if r and self.missing == "min" else 0.0 for r in normal]
        fused: dict[str, float] = {}
        for i in dict.fromkeys(i for r in normal for i in r):
            if self.how == "max":
                fused[i] = max(w * r[i] for r, w in zip(normal, weights) if i in r)
            else:
                fused[i] = math.fsum(w * r.get(i, f) for r, w, f in zip(normal, weights, floor))
        if self.how == "mnz":
            return {i: s * sum(i in r for r in normal) for i, s in fused.items()}
        return fused


@dataclass(frozen=True)
class RRF:
    """Reciprocal rank fusion: the sum over runs of weight / (k + rank), ranks from 1 (Cormack et al. 2009, k=60).

    >>> RRF()([{"a": 9.0, "b": 8.0}, {"b": 1.0}], [1, 1])["b"] == 1 / 62 + 1 / 61
    True
    """

    k: float = 60.0

    def __call__(self, runs: Sequence[Run], weights: Sequence[float]) -> dict[str, float]:
        fused: dict[str, float] = {}
        for run, weight in zip(runs, weights):
            for rank, i in enumerate(run, 1):
                fused[i] = fused.get(i, 0.0) + weight / (self.k + rank)
        return fused


@dataclass(frozen=True)
class Borda:
    """Borda count over the union of n candidates: rank r earns n - r + 1 points; a run's missing candidates share
    equally what it left over."""

    def __call__(self, runs: Sequence[Run], weights: Sequence[float]) -> dict[str, float]:
        pool = list(dict.fromkeys(i for run in runs for i in run))
        fused = dict.fromkeys(pool, 0.0)
        for run, weight in zip(runs, weights):
            absent = len(pool) - len(run)
            points = {i: float(len(pool) - r) for r, i in enumerate(run)}
            for i in pool:
                fused[i] += weight * points.get(i, (absent + 1) / 2)
        return fused


@dataclass(frozen=True)
class Interleave:
    """The union of the runs by best rank; of equals, the earlier run's first. The score is 1 / place. Weights don't
    count.

    >>> Interleave()([{"a": 5.0, "b": 4.0}, {"b": 1.0, "c": 0.5}], [1, 1])
    {'a': 1.0, 'b': 0.5, 'c': 0.3333333333333333}
    """

    def __call__(self, runs: Sequence[Run], weights: Sequence[float]) -> dict[str, float]:
        places = sorted((rank, r, i) for r, run in enumerate(runs) for rank, i in enumerate(run))
        return {i: 1.0 / p for p, i in enumerate(dict.fromkeys(i for _, _, i in places), 1)}
