"""Pairs judged in both orders, so that a model's preference for the first or second place can't decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.rerank import Group, Judge
from ..core.trace import Usage
from ..core.types import Judgement


@dataclass(frozen=True)
class BothOrders:
    """A judge that has each pair judged as (a, b) and (b, a): a consistent winner scores 1 to 0, anything else ties.

    A pair of which neither order was read has no scores (NaN), so that it counts as not judged. One of which a single
    order was read is a tie, and counts as a group that was not judged too (status ``partial``), just as an unread order
    does among all ordered pairs: what the missing order would have said is not known. Costs two calls a pair. Groups
    of other sizes are passed on as they are.
    """

    judge: Judge

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        requests: list[Group] = []
        for query, members in groups:
            requests.append((query, members))
            if len(members) == 2:
                requests.append((query, [members[1], members[0]]))
        answers = iter(self.judge(requests))
        return [_joined(next(answers), next(answers)) if len(members) == 2 else next(answers) for _, members in groups]


def _joined(forward: Judgement, backward: Judgement) -> Judgement:
    """The judgement of a pair from those of its two orders; NaN if neither was read."""
    (a, b), (second_b, second_a) = forward.scores, backward.scores
    unread = sum(any(map(math.isnan, judgement.scores)) for judgement in (forward, backward))
    usage, note = forward.usage + backward.usage, forward.note or backward.note
    if unread == 2:
        return Judgement([math.nan, math.nan], usage, note)
    if unread:
        usage += Usage(fallback=1, repairs={"unread pair": 1})
        return Judgement([0.0, 0.0], usage, note or "one order of a pair was not read, so it is a tie")
    a_wins = a > b and second_a > second_b
    b_wins = b > a and second_b > second_a
    return Judgement([float(a_wins), float(b_wins)], usage, note)
