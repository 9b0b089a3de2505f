"""The luck line: what the best of so many pipelines would gain over the default by chance alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FLIPS = 2_000
"""Assignments of signs."""
LEVEL = 0.04
"""The chance of a winner where none is better: below the usual .05, since the test is a little bold by ten queries."""
_NUMBERS = 4_000_000  # numbers computed at once


@dataclass(frozen=True, slots=True)
class Luck:
    """The test of the best of many against one: ``p``, the chance of so large a studentised gain if no pipeline were
    better; ``t``, the largest; ``line``, the one that luck alone reaches in one of 25 cases (`LEVEL`); ``pipelines``,
    the number that differ from the default."""

    p: float
    t: float
    line: float
    pipelines: int


def luck_of(differences: Floats, seed: int = 0, flips: int = FLIPS) -> Luck:
    """The test of the largest studentised mean among columns of ``differences`` [queries, pipelines] from the default,
    by flips of the queries' signs, the same for all columns (the maximum over columns corrects for their number and
    minds how alike they are; Westfall and Young 1993). One-sided.

    >>> rng = np.random.default_rng(1)
    >>> noise = rng.normal(0, 0.1, (20, 300))
    >>> luck_of(noise).p > 0.05, luck_of(noise + 0.15).p < 0.01
    (True, True)
    """
    n = len(differences)
    columns = differences[:, np.abs(differences).max(axis=0) > 1e-12]
    if not columns.shape[1] or n < 2:
        return Luck(1.0, 0.0, 0.0, 0)
    squares = (columns**2).sum(axis=0)
    # A little is added to every deviation, so that columns of next to no spread don't decide.
    floor = (0.1 * np.median(columns.std(axis=0, ddof=1))) ** 2 + 1e-12

    def largest(signs: Floats) -> Floats:
        means = signs @ columns / n
        variances = np.maximum(squares - n * means**2, 0) / (n - 1) + floor
        return np.asarray((means * np.sqrt(n / variances)).max(axis=1))

    observed = float(largest(np.ones((1, n)))[0])
    rng = np.random.default_rng(seed)
    size = max(1, min(flips, _NUMBERS // columns.shape[1]))
    parts = [largest(rng.choice([-1.0, 1.0], (min(size, flips - at), n))) for at in range(0, flips, size)]
    drawn = np.concatenate(parts)
    p = (int((drawn >= observed - 1e-9).sum()) + 1) / (flips + 1)
    return Luck(p, observed, float(np.quantile(drawn, 1 - LEVEL)), columns.shape[1])
