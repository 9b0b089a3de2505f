"""Fusion of several scored lists of one query into one.

A fusion is called with the runs, {id: score} mappings, best first, and one weight a run, and returns {id: fused score}.
Those here also work on arrays (`ArrayFusion`), which is how results of one index are fused.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Literal

from .errors import InputError, quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_TABLE = (
    1 << 22
)  # the largest span of rows for a table of first positions: 32 MiB, of which only used pages are touched
Run = Mapping[str, float]
Fusion = Callable[[Sequence[Run], Sequence[float]], dict[str, float]]


class ArrayFusion(ABC):
    """A fusion that works on arrays: the candidates of all runs are numbered from 0 in the order in which they first
    appear; a run is its candidates' numbers, best first, with their scores beside them."""

    @abstractmethod
    def fuse(self, items: Sequence[Ints], scores: Sequence[Floats], n: int, weights: Sequence[float]) -> Floats:
        """The fused scores of the candidates 0 to n - 1: float64 [n]."""

    def __call__(self, runs: Sequence[Run], weights: Sequence[float]) -> dict[str, float]:
        import numpy as np

        numbers = {i: k for k, i in enumerate(dict.fromkeys(i for run in runs for i in run))}
        items = [np.array([numbers[i] for i in run], dtype=np.int64) for run in runs]
        scores = [np.array(list(run.values()), dtype=np.float64) for run in runs]
        return dict(zip(numbers, self.fuse(items, scores, len(numbers), weights).tolist()))


def number(parts: Sequence[Ints]) -> tuple[Ints, list[Ints]]:
    """The distinct values of all parts in the order in which they first appear, and each part as positions in them."""
    import numpy as np

    every = np.concatenate(parts)
    index = np.arange(len(every))
    if len(every) and every.max() - every.min() < _TABLE:
        # Written from the end, so that the first position of each value stays; unwritten cells are never read.
        table = np.empty(every.max() - every.min() + 1, dtype=np.int64)
        cells = every - every.min()
        table[cells[::-1]] = index[::-1]
        first = table[cells]
    else:
        _, firsts, inverse = np.unique(every, return_index=True, return_inverse=True)
        first = firsts[inverse]
    new = first == index
    items = (np.cumsum(new) - 1)[first]
    ends = [0, *accumulate(len(p) for p in parts)]
    return every[new], [items[a:b] for a, b in pairwise(ends)]


def zscore(run: Run) -> dict[str, float]:
    """Scores less their mean, over their standard deviation (population); all 0 if they don't vary."""
    return _by_id(_zscores, run)


def minmax(run: Run) -> dict[str, float]:
    """Scores scaled to 0 … 1; all 1 if they don't vary (a lone candidate is not a bad one)."""
    return _by_id(_minmaxes, run)


def _by_id(normalise: Callable[[Floats], Floats], run: Run) -> dict[str, float]:
    import numpy as np

    return dict(zip(run, normalise(np.array(list(run.values()), dtype=np.float64)).tolist()))


def _zscores(scores: Floats) -> Floats:
    if not len(scores):
        return scores
    # Exact sums, so that the order of a run's candidates and the machine's vector units change no bit.
    mean = math.fsum(scores.tolist()) / len(scores)
    deviation = math.sqrt(math.fsum(((scores - mean) ** 2).tolist()) / len(scores))
    scale = deviation if deviation > 1e-12 * (1 + abs(mean)) else math.inf
    return (scores - mean) / scale


def _minmaxes(scores: Floats) -> Floats:
    import numpy as np

    if not len(scores):
        return scores
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)


def _unchanged(scores: Floats) -> Floats:
    return scores


_NORMALISE: dict[str, Callable[[Floats], Floats]] = {"zscore": _zscores, "minmax": _minmaxes, "none": _unchanged}


@dataclass(frozen=True)
class Combine(ArrayFusion):
    """Scores combined after normalisation: CombSUM, CombMNZ, CombMAX and weighted interpolation (Fox & Shaw 1994).

    ``how="sum"`` weighted sum; ``"mnz"`` the sum times the number of runs that hold the candidate; ``"max"``.
    A candidate that is not in a run gets that run's lowest normalised score (``missing="min"``) or 0 (``"zero"``).

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
                raise InputError(f"{name}={quoted(getattr(self, name))}: choose one of {', '.join(allowed)}")

    def fuse(self, items: Sequence[Ints], scores: Sequence[Floats], n: int, weights: Sequence[float]) -> Floats:
        import numpy as np

        normal = [_NORMALISE[self.normalise](s) for s in scores]
        if self.how == "max":
            fused = np.full(n, -math.inf)
            for mine, values, weight in zip(items, normal, weights):
                fused[mine] = np.maximum(fused[mine], weight * values)
            return fused
        columns = []
        for mine, values, weight in zip(items, normal, weights):
            floor = float(values.min()) if len(values) and self.missing == "min" else 0.0
            column = np.full(n, weight * floor)
            column[mine] = weight * values
            columns.append(column)
        fused = _sum(columns, n)
        if self.how == "mnz":
            holders = np.zeros(n)
            for mine in items:
                holders[mine] += 1
            fused = fused * holders
        return fused


def _sum(columns: Sequence[Floats], n: int) -> Floats:
    """Sums rounded once, so that the order of the columns changes nothing and equals stay equal."""
    import numpy as np

    if len(columns) > 2:
        return np.array([math.fsum(values) for values in zip(*(c.tolist() for c in columns))])
    return np.asarray(sum(columns, np.zeros(n)))


@dataclass(frozen=True)
class RRF(ArrayFusion):
    """Reciprocal rank fusion: the sum over runs of weight / (k + rank), ranks from 1 (Cormack et al. 2009, k=60).

    >>> RRF()([{"a": 9.0, "b": 8.0}, {"b": 1.0}], [1, 1])["b"] == 1 / 62 + 1 / 61
    True
    """

    k: float = 60.0

    def __post_init__(self) -> None:
        if not -1 < self.k < math.inf:  # the first rank's term would be no positive number
            raise InputError(f"k={self.k}: reciprocal rank fusion takes a number above -1, such as 60")

    def fuse(self, items: Sequence[Ints], scores: Sequence[Floats], n: int, weights: Sequence[float]) -> Floats:
        import numpy as np

        fused = np.zeros(n)
        for mine, weight in zip(items, weights):
            fused[mine] += weight / (self.k + np.arange(1, len(mine) + 1))
        return fused


@dataclass(frozen=True)
class Borda(ArrayFusion):
    """Borda count over the union of n candidates: rank r earns n - r + 1 points; the candidates missing from a run
    share the remaining points equally."""

    def fuse(self, items: Sequence[Ints], scores: Sequence[Floats], n: int, weights: Sequence[float]) -> Floats:
        import numpy as np

        fused = np.zeros(n)
        for mine, weight in zip(items, weights):
            points = np.full(n, (n - len(mine) + 1) / 2)  # the mean of the points 1 … n - len(mine)
            points[mine] = n - np.arange(len(mine))
            fused += weight * points
        return fused


@dataclass(frozen=True)
class Interleave(ArrayFusion):
    """The union of the runs by best rank; of equals, the earlier run's first. The score is 1 / rank in the union.
    Weights don't count.

    >>> Interleave()([{"a": 5.0, "b": 4.0}, {"b": 1.0, "c": 0.5}], [1, 1])
    {'a': 1.0, 'b': 0.5, 'c': 0.3333333333333333}
    """

    def fuse(self, items: Sequence[Ints], scores: Sequence[Floats], n: int, weights: Sequence[float]) -> Floats:
        import numpy as np

        # A candidate's key is its best (rank, run), as one number.
        keys = np.full(n, len(items) * (n + 1), dtype=np.int64)
        for run, mine in enumerate(items):
            keys[mine] = np.minimum(keys[mine], np.arange(len(mine)) * len(items) + run)
        fused = np.empty(n)
        fused[np.argsort(keys)] = 1.0 / np.arange(1, n + 1)
        return fused
