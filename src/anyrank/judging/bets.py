"""An interval of a difference that holds at every moment of judging at once, however the moment to stop is chosen.

The method is that of weighted sampling without replacement, with bets (Shekhar, Xu, Lipton, Liang and Ramdas 2023,
"Risk-limiting financial audits via weighted sampling without replacement", after Waudby-Smith and Ramdas 2020,
"Estimating means of bounded random variables by betting"). Before a judgement, an estimate ``Z`` of the difference is
drawn up whose expectation is the true difference, whatever was judged before. A gambler who bets against a value ``m``
multiplies its wealth by ``1 + bet (Z - m)``. If ``m`` is the true difference the wealth is a martingale, and by
Ville's inequality it exceeds ``1 / error`` at any time with probability at most ``error``. The interval holds all
``m`` that no gambler has refuted. The bets are ours: a mixture of gamblers, each sure of one size of ``Z - m``, who
bet by Kelly's rule for the variance that is expected of ``Z``, up to a share of what the range of ``Z`` allows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from .pool import Floats

SIZES = np.array([0.01, 0.03, 0.08, 0.2, 0.5])
"""The sizes that the gamblers are sure of, in units of the measure, whose range is 0 to 1."""
BOLDEST = 0.9
"""The largest bet, as a share of the one that could lose everything."""


@dataclass(slots=True, eq=False)
class Bets:
    """The wealth of gamblers against all values of one difference, as it grows by judgements. ``error`` is the
    probability that the interval is ever wrong, half of it on either side."""

    error: float = 0.05
    estimates: list[float] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    least: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)
    zero: Floats = field(default_factory=lambda: np.zeros((2, len(SIZES))))  # log wealth against m = 0

    def add(self, estimate: float, variance: float, least: float, most: float) -> None:
        """A judgement's ``estimate`` of the difference; its expected ``variance`` and its range from ``least`` to
        ``most`` as they were known before the judgement."""
        self.estimates.append(estimate)
        self.variances.append(max(variance, 1e-12))
        self.least.append(least)
        self.most.append(most)
        self.zero[0] += _growth(self.variances[-1:], self.estimates[-1:], self.least[-1:])[0]
        self.zero[1] += _growth(self.variances[-1:], [-estimate], [-most])[0]

    def evidence(self) -> tuple[float, float]:
        """The log of the wealth against a difference of 0, of those who bet that it is above and below."""
        above, below = _mixed(self.zero)
        return float(above), float(below)

    @property
    def needed(self) -> float:
        """The log of the wealth that refutes a value."""
        return math.log(2 / self.error)

    def interval(self, low: float, high: float) -> tuple[float, float]:
        """The values not refuted, within the bounds ``low`` and ``high`` that what is judged leaves."""
        if not self.estimates:
            return low, high
        variances = np.array(self.variances)
        z, least, most = np.array(self.estimates), np.array(self.least), np.array(self.most)

        def above(m: float) -> float:
            """The log wealth against m of those who bet on more: it falls as m grows."""
            return float(_mixed(_growth(variances, z - m, least - m).sum(axis=0)))

        def below(m: float) -> float:
            """The same of those who bet on less, by the sign turned."""
            return float(_mixed(_growth(variances, -z - m, -most - m).sum(axis=0)))

        return _crossing(above, low, high, self.needed), -_crossing(below, -high, -low, self.needed)

    def mean(self) -> tuple[float, float]:
        """The estimate of the difference and its standard error: the mean of the estimates by their variances."""
        z, weights = np.array(self.estimates), 1 / np.array(self.variances)
        mean = float(weights @ z / weights.sum())
        return mean, float(np.sqrt(weights**2 @ (z - mean) ** 2) / weights.sum())


def _growth(variances: ArrayLike, gains: ArrayLike, worst: ArrayLike) -> Floats:
    """The log of the factor of each gambler's wealth [judgements, gamblers], from ``gains`` Z - m and the ``worst``
    there can be."""
    kelly = SIZES / (np.asarray(variances)[:, None] + SIZES**2)
    bets = np.minimum(kelly, BOLDEST / np.maximum(-np.asarray(worst), 1e-12)[:, None])
    return np.asarray(np.log(np.maximum(1 + bets * np.asarray(gains)[:, None], 1e-300)))


def _mixed(logs: Floats) -> Floats:
    """The log of the mean of wealths given as logs, over the last axis."""
    top = logs.max(axis=-1)
    return np.asarray(top + np.log(np.exp(logs - top[..., None]).mean(axis=-1)))


def _crossing(falling, low: float, high: float, level: float) -> float:  # type: ignore[no-untyped-def]
    """The smallest value in a range at which a falling function is below ``level``, found by halving."""
    if falling(low) < level:
        return low
    if falling(high) >= level:
        return high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) >= level else (low, middle)
    return low
