"""Bubble: the top k by bubble sort with windows of several candidates."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Plan, at_least, best_first


@dataclass(frozen=True)
class Bubble:
    """The top k by carrying the best of each window of ``children`` + 1 upward (setwise bubble sort, arXiv 2310.09497).

    Windows that can't have changed since they were judged are left out; the order is that of full passes from the
    bottom.
    """

    children: int = 3
    k: int = 10

    def __post_init__(self) -> None:
        at_least(children=(self.children, 1), k=(self.k, 1))

    def __call__(self, n: int) -> Plan:
        # Windows overlap by one: the head of a window is the last member of the window above it. A pass begins at the
        # window whose head is at ``lowest`` and goes up by ``step``; pass ``done`` makes the position ``done`` final.
        order, step = list(range(n)), self.children
        bottom = lowest = n - step - 1
        for done in range(min(self.k, n)):
            if lowest + step <= done and lowest < bottom:
                # Only its final last member was left of that window, so there is nothing to judge: begin one below.
                lowest += step
            start = lowest
            unchanged = True  # every window of this pass kept its head so far
            while True:
                top, end = max(start, done), start + step + 1
                if end - top > 1:
                    (scores,) = yield [order[top:end]]
                    best = top + best_first(scores)[0]
                    order[top], order[best] = order[best], order[top]
                    if unchanged and best != top:
                        # The first change of this pass: the windows below kept their heads, so the next pass can begin
                        # here. Where the best was the last member, the old head now heads the window below: begin at
                        # that one, unless this is the bottom.
                        unchanged = False
                        lowest = start + step if best == end - 1 and start < bottom else start
                if start <= done:
                    break
                start -= step
            if unchanged:
                # Nothing moved: only the window at the top, whose head is final now, has a new best to find.
                lowest = start
        return order
