"""Content plans: which EDUs of an article a summary says, their choice by a reference (oracle), and their marks.

A plan is rising positions among the article's EDUs. Specified by "Generating EDU Extracts for Plan-Guided Summary
Re-Ranking" (arXiv 2305.17779); overlaps are of sets of words and of pairs of words.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

import numpy as np

from ...core.errors import InputError
from .overlap import Overlaps, ngrams, set_f, words

Grams = frozenset[tuple[str, ...]]

OPEN, CLOSE = "<e>", "</e>"
"""Marks around an EDU in a text that a model reads."""
MOST = 20
"""EDUs that a plan chosen by gain has at most."""


def soft_labels(source: Sequence[str], target: Sequence[str]) -> list[float]:
    """How well each source EDU says any target EDU: its greatest `overlap.similarity` with one.

    >>> soft_labels(["it rained", "they won"], ["they won"])
    [0.0, 1.0]
    """
    overlaps, best = Overlaps(source), np.zeros(len(source))
    for t in target:
        best = np.maximum(best, overlaps.near(t))
    return [float(b) for b in best]


def aligned_plan(source: Sequence[str], target: Sequence[str]) -> list[int]:
    """For every target EDU the most similar source EDU (the first among equals), if they share anything.

    >>> aligned_plan(["it rained", "they won", "he left"], ["he left", "they won"])
    [1, 2]
    """
    overlaps, plan = Overlaps(source), set()
    for t in target:
        near = overlaps.near(t)
        if len(near) and near.max() > 0:
            plan.add(int(near.argmax()))
    return sorted(plan)


def greedy_plan(source: Sequence[str], target: Sequence[str], most: int = MOST) -> list[int]:
    """Source EDUs added one by one, each time the one that raises the plan's `coverage` most, until none raises it.

    >>> greedy_plan(["they won the cup", "it rained", "he left"], ["they won"])
    [0]
    """
    wanted = [_union([words(t) for t in target], n) for n in (1, 2)]
    own = [[ngrams(words(s), n) for n in (1, 2)] for s in source]
    # an EDU that shares no word with the target never raises the coverage
    near = [i for i, grams in enumerate(own) if not wanted[0].isdisjoint(grams[0])]
    plan: list[int] = []
    chosen = [Grams(), Grams()]
    best = 0.0
    while len(plan) < most:
        values = {i: _coverage_with(chosen, own[i], wanted) for i in near if i not in plan}
        if not values or max(values.values()) <= best:
            break
        best = max(values.values())
        plan.append(next(i for i, v in values.items() if v == best))
        chosen = [a | b for a, b in zip(chosen, own[plan[-1]])]
    return sorted(plan)


def _coverage_with(chosen: Sequence[Grams], own: Sequence[Grams], wanted: Sequence[Grams]) -> float:
    """The coverage of the n-grams ``chosen`` together with an EDU's ``own``: its cost is that of the EDU."""
    total = 0.0
    for a, b, target in zip(chosen, own, wanted):
        new = b - a
        shared = sum(gram in target for gram in new)
        total += 2 * (len(a & target) + shared) / max(len(a) + len(new) + len(target), 1)
    return total


def _union(tokens: Sequence[Sequence[str]], n: int) -> Grams:
    """The n-grams of some texts; none crosses from one to the next."""
    return Grams().union(*(ngrams(one, n) for one in tokens))


def coverage(source: Sequence[str], plan: Sequence[int], target: Sequence[str]) -> float:
    """F of the words plus F of the pairs of words of a plan's EDUs, as sets, 0 to 2. Pairs don't cross EDUs.

    >>> coverage(["they won", "it rained"], [0], ["they won"])
    2.0
    """
    chosen = [words(source[i]) for i in plan]
    wanted = [words(t) for t in target]
    total = 0.0
    for n in (1, 2):
        total += set_f(_union(chosen, n), _union(wanted, n))
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
