"""Content plans: which EDUs of an article a summary says, their choice by a reference (oracle), and their marks.

A plan is rising positions among the article's EDUs. Specified by "Generating EDU Extracts for Plan-Guided Summary
Re-Ranking" (arXiv 2305.17779); overlaps are of sets of words and of pairs of words.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

from ...core.errors import InputError
from .overlap import ngrams, set_f, similarity, words

OPEN, CLOSE = "<e>", "</e>"
"""Marks around an EDU in a text that a model reads."""
MOST = 20
"""EDUs that a plan chosen by gain has at most."""


def soft_labels(source: Sequence[str], target: Sequence[str]) -> list[float]:
    """How well each source EDU says any target EDU: its greatest `similarity` with one.

    >>> soft_labels(["it rained", "they won"], ["they won"])
    [0.0, 1.0]
    """
    return [max((similarity(s, t) for t in target), default=0.0) for s in source]


def aligned_plan(source: Sequence[str], target: Sequence[str]) -> list[int]:
    """For every target EDU the most similar source EDU (the first among equals), if they share anything.

    >>> aligned_plan(["it rained", "they won", "he left"], ["he left", "they won"])
    [1, 2]
    """
    plan = set()
    for t in target:
        near = [similarity(s, t) for s in source]
        if near and max(near) > 0:
            plan.add(near.index(max(near)))
    return sorted(plan)


def greedy_plan(source: Sequence[str], target: Sequence[str], most: int = MOST) -> list[int]:
    """Source EDUs added one by one, each time the one that raises the plan's `coverage` most, until none raises it.

    >>> greedy_plan(["they won the cup", "it rained", "he left"], ["they won"])
    [0]
    """
    plan: list[int] = []
    best = 0.0
    while len(plan) < most:
        values = {i: coverage(source, sorted([*plan, i]), target) for i in range(len(source)) if i not in plan}
        if not values or max(values.values()) <= best:
            break
        best = max(values.values())
        plan.append(next(i for i, v in values.items() if v == best))
    return sorted(plan)


def coverage(source: Sequence[str], plan: Sequence[int], target: Sequence[str]) -> float:
    """F of the words plus F of the pairs of words of a plan's EDUs, as sets, 0 to 2. Pairs don't cross EDUs.

    >>> coverage(["they won", "it rained"], [0], ["they won"])
    2.0
    """
    chosen = [words(source[i]) for i in plan]
    wanted = [words(t) for t in target]
    total = 0.0
    for n in (1, 2):
        a = frozenset[tuple[str, ...]]().union(*(ngrams(w, n) for w in chosen))
        b = frozenset[tuple[str, ...]]().union(*(ngrams(w, n) for w in wanted))
        total += set_f(a, b)
    return total


def oracle_plan(source: Sequence[str], target: Sequence[str]) -> list[int]:
    """The plan of higher `coverage`: the aligned one, or the one by gain. Empty if the texts share no word.

    >>> oracle_plan(["it rained", "they won", "he left early"], ["they won", "he left"])
    [1, 2]
    """
    plans = aligned_plan(source, target), greedy_plan(source, target)
    return max(plans, key=lambda plan: coverage(source, plan, target))


def marked(edus: Sequence[str], plan: Sequence[int] | None = None) -> str:
    """The text with marks around the EDUs of a plan; around all without one.

    >>> marked(["it rained,", "they won"], [1]), marked(["it rained"])
    ('it rained, <e>they won</e>', '<e>it rained</e>')
    """
    chosen = set(range(len(edus)) if plan is None else plan)
    if outside := [i for i in chosen if not 0 <= i < len(edus)]:
        raise InputError(f"the plan names EDU {outside[0]}, but there are {len(edus)}, from 0")
    return " ".join(f"{OPEN}{edu}{CLOSE}" if i in chosen else edu for i, edu in enumerate(edus))


def corrupted(plan: Sequence[int], n: int, how: Literal["random", "swap"], rng: random.Random) -> list[int]:
    """A wrong plan of the same length, for unlikelihood training: of other EDUs of the ``n`` ("random"; fewer if there
    are not so many others), or with one EDU replaced ("swap").

    >>> corrupted([0, 1], 4, "random", random.Random(0))
    [2, 3]
    """
    others = [i for i in range(n) if i not in set(plan)]
    if not plan or not others:
        return list(plan)
    if how == "random":
        return sorted(rng.sample(others, min(len(plan), len(others))))
    dropped = rng.choice(list(plan))
    return sorted([*(i for i in plan if i != dropped), rng.choice(others)])
