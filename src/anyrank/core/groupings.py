"""Sorting algorithms whose comparator is a model.

A grouping knows nothing of queries, documents, prompts or models. Called with n it is a generator over the indices
0 … n-1 (the present order): it yields groups of indices to be judged together, is sent a score for each member, and
returns an order, best first. Groups yielded at once are independent of each other, so a driver may judge them in one
batch. What a returned order leaves out follows in the present order. Equal scores keep the present order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import permutations

from .errors import InputError
from .types import Order

Groups = Sequence[Sequence[int]]
Scores = Sequence[Sequence[float]]
Plan = Generator[Groups, Scores, Order]
Grouping = Callable[[int], Plan]


def best_first(scores: Sequence[float]) -> list[int]:
    """Places by falling score; equal scores keep their order.

    >>> best_first([1.0, 3.0, 1.0])
    [1, 0, 2]
    """
    return sorted(range(len(scores)), key=lambda i: -scores[i])


def _at_least(**limits: tuple[int, int]) -> None:
    for name, (value, least) in limits.items():
        if value < least:
            raise InputError(f"{name}={value}: must be at least {least}")


@dataclass(frozen=True)
class Pointwise:
    """Each alone: n groups in one batch. The scores become the ranking's scores."""

    def __call__(self, n: int) -> Plan:
        scores = yield [[i] for i in range(n)]
        flat = [s for (s,) in scores]
        return {i: flat[i] for i in best_first(flat)}


@dataclass(frozen=True)
class AllPairs:
    """Every ordered pair, n(n-1) groups in one batch.

    ``how="wins"``: a win is 1, a tie 1/2 for each, so contradictory answers to the two orders of a pair weigh as one
    tie (PRP-Allpair, arXiv 2306.17563). ``how="sum"``: the scores themselves are added (duoT5, arXiv 2101.05667);
    scores that were not had (-inf) count as the candidate's mean.
    """

    how: str = "wins"

    def __post_init__(self) -> None:
        if self.how not in ("wins", "sum"):
            raise InputError(f"how={self.how!r}: choose 'wins' or 'sum'")

    def __call__(self, n: int) -> Plan:
        pairs = [list(p) for p in permutations(range(n), 2)]
        points, judged = [0.0] * n, [0] * n
        for (i, j), (a, b) in zip(pairs, (yield pairs)):
            if self.how == "wins":
                a, b = 0.5 * ((a > b) + (a >= b)), 0.5 * ((b > a) + (b >= a))
            for member, score in ((i, a), (j, b)):
                if score > -math.inf:
                    points[member] += score
                    judged[member] += 1
        most = max(judged, default=0)
        points = [p * (most / k) if k else -math.inf for p, k in zip(points, judged)]
        return {i: points[i] for i in best_first(points)}


@dataclass(frozen=True)
class Sliding:
    """A window from the bottom to the top, ``passes`` times.

    ``Sliding(20, 10)`` is RankGPT (arXiv 2304.09542), ``Sliding(2, 1, k)`` PRP-Sliding-k, ``Sliding(n, n)`` full
    ranking in one prompt.
    """

    size: int = 20
    stride: int = 10
    passes: int = 1

    def __post_init__(self) -> None:
        _at_least(size=(self.size, 2), stride=(self.stride, 1), passes=(self.passes, 1))
        if self.stride > self.size:
            raise InputError(
                f"stride={self.stride} is larger than size={self.size}: some candidates would never be judged"
            )

    def __call__(self, n: int) -> Plan:
        order = list(range(n))
        for done in range(self.passes):
            top = done if (self.size, self.stride) == (2, 1) else 0  # a pass of pairs settles one more place at the top
            end = n
            while end - top > 1:
                start = max(top, end - self.size)
                window = order[start:end]
                (scores,) = yield [window]
                order[start:end] = [window[i] for i in best_first(scores)]
                end = end - self.stride if start > top else top
        return order


@dataclass(frozen=True)
class Heap:
    """The top k by a heap of ``children`` a node: each step asks which of a parent and its children is best.

    ``Heap(19, 10)`` is Rank-R1, ``Heap(3, 10)`` setwise heap sort (arXiv 2310.09497). With ``pairs`` the parent meets
    its children one at a time in groups of two (PRP-Sorting is ``Heap(2, 10, pairs=True)`` with both orders asked).
    """

    children: int = 3
    k: int = 10
    pairs: bool = False

    def __post_init__(self) -> None:
        _at_least(children=(self.children, 2), k=(self.k, 1))

    def __call__(self, n: int) -> Plan:
        heap, m = list(range(n)), self.children

        def winner(family: list[int]) -> Generator[Groups, Scores, int]:
            if not self.pairs:
                (scores,) = yield [[heap[j] for j in family]]
                return max(zip(scores, family), key=lambda member: (member[0], -heap[member[1]]))[1]
            top = family[0]
            for child in family[1:]:
                ((a, b),) = yield [[heap[top], heap[child]]]
                top = child if b > a or (a == b and heap[child] < heap[top]) else top
            return top

        def sift(size: int, i: int) -> Generator[Groups, Scores, None]:
            while kids := list(range(m * i + 1, min(m * i + 1 + m, size))):
                top = yield from winner([i, *kids])
                if top == i:
                    return
                heap[i], heap[top] = heap[top], heap[i]
                i = top

        for i in range((n - 2) // m, -1, -1):
            yield from sift(n, i)
        out: list[int] = []
        for last in range(n - 1, max(n - 1 - self.k, -1), -1):
            out.append(heap[0])
            heap[0] = heap[last]
            if len(out) < min(self.k, n):
                yield from sift(last, 0)
        return out


@dataclass(frozen=True)
class Bubble:
    """The top k by carrying the best of each window of ``children`` + 1 upward (setwise bubble sort). A pass begins at
    the lowest window that has changed since it kept its head; the order is that of passes from the bottom."""

    children: int = 3
    k: int = 10

    def __post_init__(self) -> None:
        _at_least(children=(self.children, 1), k=(self.k, 1))

    def __call__(self, n: int) -> Plan:
        order, step = list(range(n)), self.children
        first = lowest = n - step - 1
        for done in range(min(self.k, n)):
            if lowest + step <= done and lowest < first:  # the last settled place was all that was left of the window
                lowest += step
            start, kept = lowest, True
            while True:
                top, end = max(start, done), start + step + 1
                if end - top > 1:
                    (scores,) = yield [order[top:end]]
                    best = top + best_first(scores)[0]
                    order[top], order[best] = order[best], order[top]
                    if kept and best != top:  # what it put last heads the window below
                        kept, lowest = False, start + step if best == end - 1 and start < first else start
                if start <= done:
                    break
                start -= step
            lowest = start if kept else lowest
        return order


@dataclass(frozen=True)
class MergeSort:
    """Merge sort over pairs, both orders of each pair asked; a contradiction is a tie and keeps the present order."""

    def __call__(self, n: int) -> Plan:
        def merge(a: list[int], b: list[int]) -> Generator[Groups, Scores, list[int]]:
            out: list[int] = []
            i = j = 0
            while i < len(a) and j < len(b):
                (x, y), (y2, x2) = yield [[a[i], b[j]], [b[j], a[i]]]
                if y > x and y2 > x2:
                    out.append(b[j])
                    j += 1
                else:
                    out.append(a[i])
                    i += 1
            return out + a[i:] + b[j:]

        def sort(xs: list[int]) -> Generator[Groups, Scores, list[int]]:
            if len(xs) < 2:
                return xs
            mid = len(xs) // 2
            left = yield from sort(xs[:mid])
            right = yield from sort(xs[mid:])
            return (yield from merge(left, right))

        return (yield from sort(list(range(n))))


@dataclass(frozen=True)
class Tournament:
    """Groups of ``size`` judged at once, the best ``keep`` of each go on, until one group is left.

    About log(n) rounds, but lossy: more than ``keep`` of the true best in one group lose the surplus to lower places.
    """

    size: int = 20
    keep: int = 10

    def __post_init__(self) -> None:
        _at_least(size=(self.size, 2), keep=(self.keep, 1))
        if self.keep > self.size // 2:
            raise InputError(f"keep={self.keep} of size={self.size}: keep at most half, or the field hardly shrinks")

    def __call__(self, n: int) -> Plan:
        alive, out = list(range(n)), list[int]()
        while len(alive) > self.size:
            count = -(-len(alive) // self.size)
            groups = [alive[g::count] for g in range(count)]
            said = yield groups
            ranked = [[g[i] for i in best_first(s)] for g, s in zip(groups, said)]
            by_place = [[g[d] for g in ranked if d < len(g)] for d in range(max(map(len, ranked)))]
            alive = [i for place in by_place[: self.keep] for i in place]
            out = [i for place in by_place[self.keep :] for i in place] + out
        if len(alive) > 1:
            (scores,) = yield [alive]
            alive = [alive[i] for i in best_first(scores)]
        return alive + out
