"""All pairs: every candidate against every other, in both orders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations

from ..errors import InputError, quoted
from .base import Plan, best_first


@dataclass(frozen=True)
class AllPairs:
    """Every ordered pair, n(n-1) groups in one batch.

    ``how="wins"``: a win is 1, a tie 1/2 for each, so contradictory answers to the two orders of a pair weigh as one
    tie (PRP-Allpair, arXiv 2306.17563). ``how="sum"``: the scores themselves are added (duoT5, arXiv 2101.05667);
    unknown scores (-inf) count as the candidate's mean.
    """

    how: str = "wins"

    def __post_init__(self) -> None:
        if self.how not in ("wins", "sum"):
            raise InputError(f"how={quoted(self.how)}: choose 'wins' or 'sum'")

    def __call__(self, n: int) -> Plan:
        pairs = [list(pair) for pair in permutations(range(n), 2)]
        scores = yield pairs
        points, judged = [0.0] * n, [0] * n
        for (i, j), (a, b) in zip(pairs, scores):
            if self.how == "wins":
                # 1, 0.5 or 0; two unknown scores are a tie
                a, b = 0.5 * ((a > b) + (a >= b)), 0.5 * ((b > a) + (b >= a))
            for member, score in ((i, a), (j, b)):
                if score > -math.inf:
                    points[member] += score
                    judged[member] += 1
        # A candidate with fewer known scores is not to lose by it: its mean stands in for those that are missing.
        most = max(judged, default=0)
        totals = [p * (most / count) if count else -math.inf for p, count in zip(points, judged)]
        return {i: totals[i] for i in best_first(totals)}
