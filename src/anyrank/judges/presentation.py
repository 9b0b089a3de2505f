"""The order in which a judge sees the members of a group."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.errors import InputError
from ..core.rerank import ExplainsScores, Group, Judge, Summand
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
        shown: list[Group] = [(q, [members[i] for i in order]) for (q, members), order in zip(groups, orders)]
        return [_restored(answer, order) for answer, order in zip(self.judge(shown), orders, strict=True)]

    def summands(self, group: Group) -> list[list[Summand]]:
        """What each score is made of, if the judge says it (see `core.rerank.ExplainsScores`)."""
        query, members = group
        out: list[list[Summand]] = [[] for _ in members]
        if isinstance(self.judge, ExplainsScores):
            order = self._order(group)
            for i, summands in zip(order, self.judge.summands((query, [members[i] for i in order])), strict=True):
                out[i] = summands
        return out

    def _order(self, group: Group) -> list[int]:
        query, members = group
        order = list(range(len(members)))
        if self.how == "reversed":
            return order[::-1]
        random.Random(f"{self.seed}/{query.id}/{[c.id for c in members]}").shuffle(order)
        return order


def _restored(judgement: Judgement, order: Sequence[int]) -> Judgement:
    """The judgement with its scores in the group's own order; one of the wrong length as it is."""
    if len(judgement.scores) != len(order):
        return judgement
    scores = [math.nan] * len(order)
    for i, score in zip(order, judgement.scores):
        scores[i] = score
    return Judgement(scores, judgement.usage, judgement.note)
