"""Sliding: a window that moves from the bottom of the list to the top."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from .base import Plan, at_least, best_first


@dataclass(frozen=True)
class Sliding:
    """A window of ``size`` candidates, sorted in place, then moved up by ``stride``; ``passes`` times over the list.

    ``Sliding(20, 10)`` is RankGPT (arXiv 2304.09542), ``Sliding(2, 1, k)`` PRP-Sliding-k, ``Sliding(n, n)`` full
    ranking in one prompt.
    """

    size: int = 20
    stride: int = 10
    passes: int = 1

    def __post_init__(self) -> None:
        at_least(size=(self.size, 2), stride=(self.stride, 1), passes=(self.passes, 1))
        if self.stride > self.size:
            raise InputError(
                f"stride={self.stride} is larger than size={self.size}: some candidates would never be judged"
            )

    def __call__(self, n: int) -> Plan:
        order = list(range(n))
        # Pairs that overlap by one carry the best candidate of a pass all the way up, as bubble sort does: after each
        # pass one more position at the top is final, and need not be judged again. Wider windows, and pairs that don't
        # overlap, promise no such thing.
        settles = (self.size, self.stride) == (2, 1)
        for done in range(self.passes):
            top = done if settles else 0
            end = n
            while end - top > 1:
                start = max(top, end - self.size)
                window = order[start:end]
                (scores,) = yield [window]
                order[start:end] = [window[i] for i in best_first(scores)]
                end = end - self.stride if start > top else top
        return order
