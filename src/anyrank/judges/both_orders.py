"""Pairs asked about in both orders, so that a model's preference for the first or second place can't decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.rerank import Group, Judge
from ..core.trace import Usage
from ..core.types import Judgement


@dataclass(frozen=True)
class BothOrders:
    """A judge of pairs asked about (a, b) and (b, a): a consistent winner scores 1 to 0, anything else is a tie.

    Costs two calls a pair. Groups of other sizes are passed on as they are.
    """

    judge: Judge

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        asked: list[Group] = []
        for query, members in groups:
            asked.append((query, members))
            if len(members) == 2:
                asked.append((query, [members[1], members[0]]))
        said = iter(self.judge(asked))
        out = []
        for _, members in groups:
            one = next(said)
            if len(members) == 2:
                two = next(said)
                (a, b), (b2, a2) = one.scores, two.scores
                unread = any(map(math.isnan, (a, b, a2, b2)))
                win = 0 if unread else (a > b and a2 > b2) - (b > a and b2 > a2)
                usage = one.usage + two.usage
                usage = usage + Usage(repairs={"unread pair": 1}) if unread else usage
                one = Judgement([float(win > 0), float(win < 0)], usage, one.note or two.note)
            out.append(one)
        return out
