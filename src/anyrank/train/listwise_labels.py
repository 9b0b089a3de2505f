"""Complete orders of long lists by a teacher that sees short windows.

Liu et al., "Sliding Windows Are Not the End: Exploring Full Ranking with Long-Context Large Language Models", ACL 2025,
arXiv 2412.14574. One pass of windows gets only the top right; so each pass fixes its best size - stride, and the next
sorts the rest. ``permutations`` writes and reads such orders as training data.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import InputError
from ..core.groupings import Plan, best_first
from ..core.rerank import Judge, Rerank


def labels(judge: Judge, *, size: int = 20, stride: int = 10) -> Rerank:
    """The label builder: a teacher's judge over `MultiPass` windows."""
    return Rerank(judge, MultiPass(size, stride), name="fullrank-labels")


@dataclass(frozen=True)
class MultiPass:
    """Passes of a sliding window over the candidates that aren't fixed yet; each fixes the best size - stride. With a
    teacher that sorts windows correctly the whole list comes out sorted: 9 passes and 45 windows for 100."""

    size: int = 20
    stride: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.stride < self.size:
            raise InputError(f"stride={self.stride}: must be at least 1 and less than size={self.size}")

    def __call__(self, n: int) -> Plan:
        fixed, rest = list[int](), list(range(n))
        while len(rest) > 1:
            end, start = len(rest), len(rest)
            while start > 0:
                start = max(0, end - self.size)
                window = rest[start:end]
                (scores,) = yield [window]
                rest[start:end] = [window[i] for i in best_first(scores)]
                end -= self.stride
            # After a pass only the best size - stride have met all others; a rest of one window is sorted whole.
            sure = len(rest) if len(rest) <= self.size else self.size - self.stride
            fixed, rest = fixed + rest[:sure], rest[sure:]
        return fixed + rest
