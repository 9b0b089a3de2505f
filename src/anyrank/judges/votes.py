"""Votes: each group judged in several orders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import InputError
from ..core.rerank import Group, Judge
from ..core.trace import Usage
from ..core.types import Judgement
from .presentation import Presented


@dataclass(frozen=True)
class Votes:
    """A judge that has each group judged in ``n`` shuffled orders; a member scores the number of other members it was
    put before, in all votes together (Borda; a tie is half). A vote that can't be read is left out."""

    judge: Judge
    n: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InputError(f"n={self.n}: at least one vote")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        rounds = [Presented(self.judge, "shuffled", self.seed + i)(groups) for i in range(self.n)]
        return [self._count(votes, len(members)) for (_, members), *votes in zip(groups, *rounds)]

    def _count(self, votes: Sequence[Judgement], n: int) -> Judgement:
        usage = sum((vote.usage for vote in votes), Usage())
        valid = [vote.scores for vote in votes if len(vote.scores) == n and not all(map(math.isnan, vote.scores))]
        if not valid:
            return Judgement([math.nan] * n, usage, next((vote.note for vote in votes if vote.note), ""))
        if len(valid) < len(votes):
            usage = usage + Usage(repairs={"unread vote": len(votes) - len(valid)}, mended=len(votes) - len(valid))
        return Judgement([math.fsum(points) for points in zip(*map(beaten, valid))], usage)


def beaten(scores: Sequence[float]) -> list[float]:
    """The number of other scores that each is above, a tie counting half; NaN is below every number.

    >>> beaten([3.0, 1.0, 1.0])
    [2.0, 0.5, 0.5]
    """
    known = [-math.inf if math.isnan(s) else s for s in scores]
    return [sum(a > b for b in known) + 0.5 * (sum(a == b for b in known) - 1) for a in known]
