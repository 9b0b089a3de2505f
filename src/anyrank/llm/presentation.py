"""Presented and Votes: the order in which a judge sees the members of a group, and many such orders voting."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.errors import InputError
from ..core.rerank import Group, Judge
from ..core.trace import Usage
from ..core.types import Judgement


@dataclass(frozen=True)
class Presented:
    """A judge that sees each group ``reversed`` (the best of the first stage last, ICR) or ``shuffled`` (Rank-R1,
    InsertRank's ablation). A shuffle depends only on the seed, the query and the members."""

    judge: Judge
    how: Literal["reversed", "shuffled"] = "shuffled"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.how not in ("reversed", "shuffled"):
            raise InputError(f"how={self.how!r}: choose 'reversed' or 'shuffled'")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        orders = [self._order(group) for group in groups]
        seen: list[Group] = [(q, [members[i] for i in order]) for (q, members), order in zip(groups, orders)]
        return [_back(said, order) for said, order in zip(self.judge(seen), orders, strict=True)]

    def _order(self, group: Group) -> list[int]:
        query, members = group
        order = list(range(len(members)))
        if self.how == "reversed":
            return order[::-1]
        random.Random(f"{self.seed}/{query.id}/{[c.id for c in members]}").shuffle(order)
        return order


@dataclass(frozen=True)
class Votes:
    """A judge asked about each group in ``n`` shuffled orders; a member scores the number of other members it was put
    before, in all votes together (Borda; a tie is half). A vote that can't be read is left out."""

    judge: Judge
    n: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InputError(f"n={self.n}: at least one vote")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        rounds = [Presented(self.judge, "shuffled", self.seed + i) for i in range(self.n)]
        said = [judge(groups) for judge in rounds]
        return [self._count(votes, len(members)) for (_, members), *votes in zip(groups, *said)]

    def _count(self, votes: Sequence[Judgement], n: int) -> Judgement:
        usage = sum((v.usage for v in votes), Usage())
        good = [v.scores for v in votes if len(v.scores) == n and not all(map(math.isnan, v.scores))]
        if not good:
            return Judgement([math.nan] * n, usage, next((v.note for v in votes if v.note), ""))
        if len(good) < len(votes):
            usage = usage + Usage(repairs={"unread vote": len(votes) - len(good)})
        return Judgement([math.fsum(points) for points in zip(*map(beaten, good))], usage)


def beaten(scores: Sequence[float]) -> list[float]:
    """How many others each score is above, a tie counting half; NaN is below every number.

    >>> beaten([3.0, 1.0, 1.0])
    [2.0, 0.5, 0.5]
    """
    known = [-math.inf if math.isnan(s) else s for s in scores]
    return [sum(a > b for b in known) + 0.5 * (sum(a == b for b in known) - 1) for a in known]


def _back(said: Judgement, order: Sequence[int]) -> Judgement:
    if len(said.scores) != len(order):
        return said
    scores = [math.nan] * len(order)
    for i, score in zip(order, said.scores):
        scores[i] = score
    return Judgement(scores, said.usage, said.note)
