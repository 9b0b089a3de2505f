"""The protocol of groupings: generators over indices.

Called with n it is a generator over the indices 0 … n-1 (the present order): it yields groups of indices to be judged
together, is sent a score for each member, and returns an order, best first. Groups yielded at once are independent of
each other, so a driver may judge them in one batch. What a returned order leaves out follows in the present order.
Equal scores keep the present order.

A new grouping is a file with a frozen dataclass whose ``__call__`` is such a generator, like this one:

>>> def best_of_all(n):
...     (scores,) = yield [list(range(n))]
...     return best_first(scores)[:1]
>>> plan = best_of_all(3)
>>> next(plan)
[[0, 1, 2]]
>>> try:
...     plan.send([[0.1, 0.9, 0.5]])
... except StopIteration as end:
...     end.value
[1]
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from ..errors import InputError
from ..types import Order

Groups = Sequence[Sequence[int]]
"""Groups of indices, independent of each other."""
Scores = Sequence[Sequence[float]]
"""A score a member, for each of some groups: higher is better, -inf is unknown, never NaN."""
Plan = Generator[Groups, Scores, Order]
Grouping = Callable[[int], Plan]


def best_first(scores: Sequence[float]) -> list[int]:
    """Positions by falling score; equal scores keep their order.

    >>> best_first([1.0, 3.0, 1.0])
    [1, 0, 2]
    """
    return sorted(range(len(scores)), key=lambda i: -scores[i])


def at_least(**settings: tuple[int, int]) -> None:
    """Check (value, least) of each named setting. Raises InputError that names the one below its least."""
    for name, (value, least) in settings.items():
        if value < least:
            raise InputError(f"{name}={value}: must be at least {least}")
