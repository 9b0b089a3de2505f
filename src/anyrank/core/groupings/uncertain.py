"""Uncertain: judges again only those candidates whose place among the first k is still open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from .base import Plan, at_least, best_first

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Uncertain:
    """The top k by groups of ``size``, the next of which holds only candidates that may or may not belong there.

    Every candidate has an estimate with a variance, at first by its place in the input. The order of a group is a
    measurement of its members. A candidate that is among the first k, or below them, with a probability above 1 -
    ``doubt`` is not judged again, and none more than ``most`` times; those far down the input may never be. In the end
    the first ``size`` are judged together once. The idea is AcuRank's (arXiv 2505.18512), whose estimates are
    TrueSkill's; here they are means of normal measurements. By default it takes two rounds, each of which can be judged
    at once, for about the calls of a sliding window over the first half.

    >>> plan = Uncertain(4, 2)(12)
    >>> groups = next(plan)
    >>> sorted(i for group in groups for i in group)
    [0, 1, 2, 3, 4, 5, 6, 7]
    """

    size: int = 20
    k: int = 10
    doubt: float = 0.02
    most: int = 1

    def __post_init__(self) -> None:
        at_least(size=(self.size, 2), k=(self.k, 1), most=(self.most, 1))

    def __call__(self, n: int) -> Plan:
        # Estimates are on the scale of a standard normal: the input's order is worth one measurement of a group.
        mean = _expected(n)
        variance = [0.5] * n
        judged = [0] * n
        while n > max(self.k, self.size):  # fewer are judged together, below
            open_ = [i for i in self._open(mean, variance) if judged[i] < self.most]
            if len(open_) <= max(self.size // 4, 1):  # the last group decides on so few
                break
            # Neighbours by estimate are dealt out, so that every group spans the whole range that is open.
            count = -(-len(open_) // self.size)
            groups = [open_[g::count] for g in range(count)]
            groups = [group for group in groups if len(group) > 1]
            scores = yield groups
            for group, values in zip(groups, scores):
                _measure(group, values, mean, variance)
                for i in group:
                    judged[i] += 1
        order = sorted(range(n), key=lambda i: -mean[i])
        head = order[: self.size]
        if len(head) > 1:
            (final,) = yield [head]
            order[: len(head)] = [head[i] for i in best_first(final)]
        return order

    def _open(self, mean: Sequence[float], variance: Sequence[float]) -> list[int]:
        """The candidates whose place among the first k is open, best first."""
        order = sorted(range(len(mean)), key=lambda i: -mean[i])
        border = (mean[order[self.k - 1]] + mean[order[self.k]]) / 2
        return [i for i in order if self.doubt < _NORMAL.cdf((mean[i] - border) / sqrt(variance[i])) < 1 - self.doubt]


def _expected(n: int) -> list[float]:
    """The values of n draws from a standard normal that are expected from the first to the last, about."""
    return [-_NORMAL.inv_cdf((i + 0.625) / (n + 0.25)) for i in range(n)]


def _measure(group: Sequence[int], scores: Sequence[float], mean: list[float], variance: list[float]) -> None:
    """Update the estimates of a group's members by its order; equal scores of all of them say nothing."""
    m = len(group)
    if max(scores) == min(scores):
        return
    centre = sum(mean[i] for i in group) / m
    # How far its members are apart: by their estimates, and by what these don't know.
    spread = sqrt(sum((mean[i] - centre) ** 2 + variance[i] for i in group) / m)
    noise = 0.25 * spread**2 + 0.02
    for value, position in zip(_expected(m), best_first(scores)):
        i = group[position]
        gain = variance[i] / (variance[i] + noise)
        mean[i] += gain * (centre + spread * value - mean[i])
        variance[i] *= 1 - gain
