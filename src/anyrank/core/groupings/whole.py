"""Whole: all candidates together."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Plan, best_first


@dataclass(frozen=True)
class Whole:
    """All candidates as one group, for judges that compare them. The scores become the ranking's scores."""

    def __call__(self, n: int) -> Plan:
        (scores,) = yield [list(range(n))]
        return {i: scores[i] for i in best_first(scores)}
