"""Pointwise: each candidate alone."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Plan, best_first


@dataclass(frozen=True)
class Pointwise:
    """Each candidate alone: n groups in one batch. The scores become the ranking's scores."""

    def __call__(self, n: int) -> Plan:
        scores = yield [[i] for i in range(n)]
        single = [score for (score,) in scores]
        return {i: single[i] for i in best_first(single)}
