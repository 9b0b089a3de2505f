"""A batch's usage split among its queries."""

from __future__ import annotations

from dataclasses import fields

from .trace import Usage

_COUNTS = tuple(f.name for f in fields(Usage) if f.name != "repairs")


def shared(usage: Usage, n: int) -> list[Usage]:
    """A batch's usage as n shares that add up to it; what doesn't divide, and the repairs, go to the first.

    >>> [u.calls for u in shared(Usage(calls=5), 3)]
    [2, 2, 1]
    """
    return [
        Usage(
            **{c: getattr(usage, c) // n + (i < getattr(usage, c) % n) for c in _COUNTS},
            repairs=usage.repairs if i == 0 else {},
        )
        for i in range(n)
    ]
