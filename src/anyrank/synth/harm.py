"""Checks that keep an adaptation from doing harm: a difference with its interval, and the collapse of scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..evaluate.significance import intervals
from ..train.group import Group
from ..train.soft_measures import soft_ndcg

Scores = Sequence[Sequence[float]]

TEACHER_LEVEL = 0.8
"""The level of the interval above 0 by which a teacher shows that it is better than the student."""
GATE_LEVEL = 0.95
"""The level of the interval above 0 by which a trained model replaces the start."""
SLACK = 0.005
"""How far a trained model may be below the start on a set by which it isn't judged first."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean difference of paired values, after less before, and its bootstrap interval."""

    mean: float
    low: float
    high: float
    queries: int

    @property
    def gained(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low > 1e-9  # rounding isn't a gain

    def __str__(self) -> str:
        return f"{self.mean:+.4f} ({self.low:+.4f} to {self.high:+.4f}, {self.queries} queries)"


def difference(before: Sequence[float], after: Sequence[float], level: float = GATE_LEVEL, seed: int = 0) -> Difference:
    """The difference of two runs' values on the same queries. Raises InputError if there are none, or not as many.

    >>> difference([0.5, 0.5], [0.5, 0.5]).gained
    False
    >>> difference([0.5, 0.5], [0.5 + 1e-16, 0.5 + 2e-16]).gained
    False
    """
    if not before or len(before) != len(after):
        raise InputError(f"{len(before)} values before and {len(after)} after: expected as many, and at least one")
    column = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    low, high = intervals(column[:, None], level, "percentile", 10_000, seed)
    return Difference(float(column.mean()), float(low[0]), float(high[0]), len(before))


def ndcg(groups: Sequence[Group], scores: Scores, k: int = 10) -> list[float]:
    """nDCG@k of scores by the groups' grades, of every group. Equal scores share their gain, so that a model that
    scores all alike gains nothing.

    >>> ndcg([Group.from_texts("q", ("a", "b"), (0.0, 1.0), grades=(0.0, 1.0))], [[0.2, 0.9]])
    [1.0]
    """
    return [soft_ndcg(s, g.grades, k) for g, s in zip(groups, scores, strict=True)]


def collapse(before: Scores, after: Scores, least: float = 0.25, ties: float = 0.1) -> str:
    """Why a model's scores have collapsed; "" if they haven't: their spread within lists is below ``least`` of what it
    was before training, or more than ``ties`` of neighbours in the order (and more than before) have equal scores.

    >>> collapse([[3.0, 2.0, 1.0]], [[0.501, 0.5, 0.5]])
    'the spread of scores within lists fell from 0.8165 to 0.0005'
    """
    old, new = (
        float(np.mean([np.std(s) for s in scores if len(s) > 1] or [np.float64(0)])) for scores in (before, after)
    )
    if not np.isfinite(new):
        return "scores are not finite numbers"
    if new < least * old:
        return f"the spread of scores within lists fell from {old:.4f} to {new:.4f}"
    tied, was = _ties(after), _ties(before)
    if tied > max(ties, was):
        return f"{tied:.0%} of neighbouring scores are equal, {was:.0%} before"
    return ""


def _ties(scores: Scores) -> float:
    """The share of neighbours in the order of a list whose scores are equal to 6 digits of the list's spread."""
    gaps = [np.diff(np.sort(s)) <= 1e-6 * max(float(np.ptp(s)), 1e-12) for s in scores if len(s) > 1]
    return float(np.concatenate(gaps).mean()) if gaps else 0.0
