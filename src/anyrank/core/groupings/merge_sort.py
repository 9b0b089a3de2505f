"""Merge sort over pairs."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from .base import Groups, Plan, Scores


@dataclass(frozen=True)
class MergeSort:
    """Merge sort over pairs, each pair judged in both orders; a contradiction is a tie and keeps the present order."""

    def __call__(self, n: int) -> Plan:
        return (yield from _sort(list(range(n))))


def _sort(members: list[int]) -> Generator[Groups, Scores, list[int]]:
    if len(members) < 2:
        return members
    middle = len(members) // 2
    left = yield from _sort(members[:middle])
    right = yield from _sort(members[middle:])
    return (yield from _merge(left, right))


def _merge(left: list[int], right: list[int]) -> Generator[Groups, Scores, list[int]]:
    merged: list[int] = []
    i = j = 0
    while i < len(left) and j < len(right):
        a, b = left[i], right[j]
        (first_a, first_b), (second_b, second_a) = yield [[a, b], [b, a]]
        if first_b > first_a and second_b > second_a:
            merged.append(b)
            j += 1
        else:
            merged.append(a)
            i += 1
    return merged + left[i:] + right[j:]
