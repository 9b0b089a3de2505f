"""Agreement of two judges beyond what chance gives: Cohen's kappa with an interval, and who said what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from .pool import Floats

SAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Agreement:
    """``kappa`` of so many documents, its bootstrap interval at 95 %, and the ``table``: how often the first judge said
    the row's label and the second the column's."""

    count: int
    kappa: float
    low: float
    high: float
    table: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, first: Sequence[int], second: Sequence[int], most: int = 3, *, weighted: bool = True) -> Agreement:
        """Two judges' labels from 0 to ``most`` of the same documents. ``weighted``: a disagreement counts by the
        square of its distance (Cohen 1968), else all alike. Kappa is 1 where both always say the same one label.

        >>> yes, no = [1] * 25 + [0] * 25, [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
        >>> agreement = Agreement.of(yes, no, 1)
        >>> round(agreement.kappa, 3), agreement.table
        (0.4, ((15, 10), (5, 20)))
        """
        if len(first) != len(second) or not first:
            raise InputError(f"agreement of {len(first)} and {len(second)} labels: expected as many, at least one")
        size = most + 1
        cells = np.asarray(first, dtype=np.int64) * size + np.asarray(second, dtype=np.int64)
        table = np.bincount(cells, minlength=size * size)
        steps = np.subtract.outer(np.arange(size), np.arange(size)).astype(np.float64)
        cost = (steps**2 if weighted else (steps != 0).astype(np.float64)).ravel()
        draws = np.random.default_rng(0).multinomial(len(first), table / len(first), size=SAMPLES)
        kappas = _kappas(draws.astype(np.float64), cost, size)
        low, high = np.quantile(kappas, [0.025, 0.975])
        rows = tuple(tuple(int(n) for n in row) for row in table.reshape(size, size))
        kappa = float(_kappas(table[None].astype(np.float64), cost, size)[0])
        return cls(len(first), kappa, float(low), float(high), rows)


def _kappas(tables: Floats, cost: Floats, size: int) -> Floats:
    """Kappa of each table [n, size * size]."""
    squares = tables.reshape(-1, size, size)
    total = tables.sum(axis=1)
    chance = (squares.sum(axis=2)[:, :, None] * squares.sum(axis=1)[:, None, :]).reshape(len(tables), -1) @ cost / total
    seen = tables @ cost
    return np.where(chance > 0, 1 - seen / np.where(chance > 0, chance, 1.0), 1.0)
