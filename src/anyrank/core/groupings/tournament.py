"""Tournament: groups judged at once, the best of each go on."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from .base import Plan, at_least, best_first


@dataclass(frozen=True)
class Tournament:
    """Groups of ``size`` judged at once, the best ``keep`` of each go on, until one group is left.

    About log(n) rounds, but lossy: more than ``keep`` of the true best in one group lose the surplus to lower ranks.
    """

    size: int = 20
    keep: int = 10

    def __post_init__(self) -> None:
        at_least(size=(self.size, 2), keep=(self.keep, 1))
        if self.keep > self.size // 2:
            raise InputError(f"keep={self.keep} of size={self.size}: keep at most half, or the field hardly shrinks")

    def __call__(self, n: int) -> Plan:
        alive, out = list(range(n)), list[int]()
        while len(alive) > self.size:
            # Members are dealt out like cards, so that the likely best (the first of the input) meet late.
            count = -(-len(alive) // self.size)
            groups = [alive[g::count] for g in range(count)]
            scores = yield groups
            ranked = [[group[i] for i in best_first(s)] for group, s in zip(groups, scores)]
            # All winners of a group, then all seconds, …: this is the order in which the next round deals them out.
            by_rank = [[group[r] for group in ranked if r < len(group)] for r in range(max(map(len, ranked)))]
            alive = [i for same_rank in by_rank[: self.keep] for i in same_rank]
            # Those that drop out now rank above all that dropped out in earlier rounds. This is the lossy part: a group
            # of strong members sends out some that would have won elsewhere.
            out = [i for same_rank in by_rank[self.keep :] for i in same_rank] + out
        if len(alive) > 1:
            (final,) = yield [alive]
            alive = [alive[i] for i in best_first(final)]
        return alive + out
