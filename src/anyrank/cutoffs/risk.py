"""Thresholds that bound a risk: conformal risk control where less cutting never costs more, tests in a fixed order
where it may.

Recall and "any" lose monotonically with the threshold: conformal risk control (Angelopoulos et al., arXiv 2208.02814)
bounds the expected loss of the next query by alpha. Precision isn't monotone: thresholds are tested from the strictest
on, each hypothesis by the Hoeffding-Bentkus p-value, until one can't be rejected (Learn then Test, arXiv 2110.01052).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.errors import InputError
from .features import Floats

Kind = Literal["recall", "precision", "any"]
KINDS: tuple[Kind, ...] = ("recall", "precision", "any")
DELTA = 0.1
"""The probability with which a promise of precision may fail."""
STEPS = 400
"""Thresholds of a curve, at most."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One calibration query: the candidates' probabilities, best first and never rising, and which are relevant."""

    probabilities: Floats
    relevant: Floats


@dataclass(frozen=True, slots=True)
class Curve:
    """The mean loss of ``n`` queries for each of some rising thresholds: of recall the share of a pool's relevant
    documents that are cut, of any whether all of them are, of precision the share of what is kept that isn't
    relevant."""

    n: int
    thresholds: tuple[float, ...]
    losses: tuple[float, ...]

    def controlled(self, alpha: float) -> float | None:
        """The highest threshold whose loss for one more query is at most alpha in expectation; None if there are too
        few queries for this alpha."""
        best = None
        for threshold, loss in zip(self.thresholds, self.losses):
            if (self.n * loss + 1) / (self.n + 1) > alpha + 1e-12:
                break
            best = threshold
        return best

    def tested(self, alpha: float, delta: float = DELTA) -> float | None:
        """The lowest threshold up to which every stricter one passes a test that its loss is at most alpha; None if
        none passes."""
        best = None
        for threshold, loss in zip(reversed(self.thresholds), reversed(self.losses)):
            if p_value(loss, self.n, alpha) > delta:
                break
            best = threshold
        return best


def curve(kind: Kind, pools: Sequence[Pool], steps: int = STEPS) -> Curve:
    """The losses by threshold of some queries. Queries without a relevant candidate can lose none, and count only for
    precision."""
    if kind != "precision":
        pools = [pool for pool in pools if pool.relevant.any()]
    if not pools:
        raise InputError("no query has a relevant document among its candidates: nothing to calibrate on")
    values = np.unique(np.concatenate([pool.probabilities for pool in pools]))
    if len(values) > steps:  # quantiles of what relevant documents have: there the losses change
        marked = [pool.probabilities[pool.relevant > 0] for pool in pools]
        values = np.unique(np.quantile(np.concatenate(marked), np.linspace(0, 1, steps), method="lower"))
    if kind == "precision":
        total = np.zeros(len(values))
        for pool in pools:
            rising, relevant = pool.probabilities[::-1], pool.relevant[::-1]
            first = np.searchsorted(rising, values)  # those from here on are kept
            kept = len(rising) - first
            hits = np.concatenate([[0.0], np.cumsum(relevant)])
            total += np.where(kept > 0, 1 - (hits[-1] - hits[first]) / np.maximum(kept, 1), 0.0)
    else:
        total = np.zeros(len(values))
        for pool in pools:
            marked_values = np.sort(pool.probabilities[pool.relevant > 0])
            missed = np.searchsorted(marked_values, values)  # relevant ones strictly below each threshold
            total += missed / len(marked_values) if kind == "recall" else missed == len(marked_values)
    return Curve(len(pools), tuple(values.tolist()), tuple((total / len(pools)).tolist()))


def p_value(loss: float, n: int, alpha: float) -> float:
    """The Hoeffding-Bentkus p-value of the hypothesis that the expectation of a loss from 0 to 1 is above alpha, given
    its mean over n queries (Bates et al., arXiv 2101.02703).

    >>> round(p_value(0.1, 100, 0.2), 4), p_value(0.3, 100, 0.2)
    (0.0155, 1.0)
    """
    if loss >= alpha:
        return 1.0
    divergence = _part(loss, alpha) + _part(1 - loss, 1 - alpha)
    return min(1.0, math.exp(-n * divergence), math.e * _binomial(math.ceil(n * loss - 1e-9), n, alpha))


def _part(a: float, b: float) -> float:
    return a * math.log(a / b) if a > 0 else 0.0


def _binomial(k: int, n: int, p: float) -> float:
    """The probability of at most k successes in n trials."""
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(k + 1)
    ]
    top = max(logs)
    return math.exp(top) * math.fsum(math.exp(value - top) for value in logs)
