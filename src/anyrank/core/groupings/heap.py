"""Heap: the top k by heap sort, each step of which compares a parent with its children."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError, quoted
from .base import Groups, Plan, Scores, at_least


@dataclass(frozen=True)
class Heap:
    """The top k by a heap of ``children`` a node: each step asks which of a parent and its children is best.

    ``Heap(19, 10)`` is Rank-R1, ``Heap(3, 10)`` setwise heap sort (arXiv 2310.09497). With ``pairs`` the parent meets
    its children one at a time in groups of two (PRP-Sorting is ``Heap(2, 10, pairs=True)`` with both orders judged).

    ``ties`` says which of equal scores wins: "input", the one that stood first in the input, so that a judge without
    preferences changes nothing; or "parent", the one that is the parent already, which is what llm-rankers' setwise and
    pairwise heap sorts do with an unreadable or contradictory answer.
    """

    children: int = 3
    k: int = 10
    pairs: bool = False
    ties: Literal["input", "parent"] = "input"

    def __post_init__(self) -> None:
        at_least(children=(self.children, 2), k=(self.k, 1))
        if self.ties not in ("input", "parent"):
            raise InputError(f"ties={quoted(self.ties)}: choose 'input' or 'parent'")

    def __call__(self, n: int) -> Plan:
        # heap[node] is a candidate; the children of node i are the nodes width*i + 1 … width*i + width.
        heap, width, by_input = list(range(n)), self.children, self.ties == "input"

        def best_node(family: list[int]) -> Generator[Groups, Scores, int]:
            """The node of a family (the parent first) that holds the best candidate; of equal ones by ``ties``."""
            if not self.pairs:
                (scores,) = yield [[heap[node] for node in family]]
                # nodes rise along a family, so the parent has the lowest
                return max(zip(scores, family), key=lambda m: (m[0], -heap[m[1]] if by_input else -m[1]))[1]
            best = family[0]
            for child in family[1:]:
                ((a, b),) = yield [[heap[best], heap[child]]]
                if b > a or (by_input and a == b and heap[child] < heap[best]):
                    best = child
            return best

        def sift_down(size: int, node: int) -> Generator[Groups, Scores, None]:
            """Let the candidate at a node sink until none of its children (among the first ``size`` nodes) is
            better."""
            while children := list(range(width * node + 1, min(width * node + 1 + width, size))):
                best = yield from best_node([node, *children])
                if best == node:
                    return
                heap[node], heap[best] = heap[best], heap[node]
                node = best

        # Build the heap from the last node that has children up to the root …
        for node in range((n - 2) // width, -1, -1):
            yield from sift_down(n, node)
        # … then take the root k times; the last leaf takes its place and sinks. After the k-th nothing is left to sort.
        top: list[int] = []
        for last in range(n - 1, max(n - 1 - self.k, -1), -1):
            top.append(heap[0])
            heap[0] = heap[last]
            if len(top) < min(self.k, n):
                yield from sift_down(last, 0)
        return top
