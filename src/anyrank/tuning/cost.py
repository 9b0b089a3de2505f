"""What a pipeline costs on this machine: a model of its parts, each timed by itself, and a check of whole pipelines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from ..core.stage import Stage
from ..core.types import Query, Ranking
from .space import Family

PROBES = 5
"""Queries that each part is timed with, one at a time."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds and tokens a query: the median over queries, and the least and the most."""

    ms: float
    low: float
    high: float
    tokens: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.ms + other.ms, self.low + other.low, self.high + other.high, self.tokens + other.tokens)


@dataclass(frozen=True, slots=True)
class Line:
    """The cost of a reranker by its number of candidates: ``fixed``, and ``each`` of them."""

    fixed: Cost
    each: Cost

    def at(self, n: int) -> Cost:
        f, e = self.fixed, self.each
        return Cost(f.ms + n * e.ms, f.low + n * e.low, f.high + n * e.high, f.tokens + n * e.tokens)


FREE = Cost(0.0, 0.0, 0.0)


@dataclass(slots=True)
class CostModel:
    """The costs of parts by their texts: of searches, and of rerankers by the number of candidates. Fusing, cutting
    and sorting are not counted: they take well under a millisecond."""

    searches: dict[str, Cost] = field(default_factory=dict)
    rerankers: dict[str, Line] = field(default_factory=dict)
    checks: list[tuple[str, float, float]] = field(default_factory=list)
    """Whole pipelines: text, milliseconds by the model, milliseconds timed."""

    def of(self, family: Family, weights: Sequence[float], first: dict[str, Sequence[str]]) -> Cost:
        """The cost of one pipeline of a family; ``first`` has the searches of every first stage."""
        searches = first[family.first] if family.first else family.parts
        cost = sum((self.searches.get(s, FREE) for s in searches), FREE)
        if family.sieve in self.rerankers:
            cost += self.rerankers[family.sieve].at(family.wide)
        for part, weight in zip(family.parts, weights):
            if family.first and weight and part in self.rerankers:
                cost += self.rerankers[part].at(family.depth)
        return cost

    @property
    def off(self) -> float:
        """The largest factor by which a checked pipeline's time differs from the model's; 1 if none was checked."""
        return max((max(timed / model, model / timed) for _, model, timed in self.checks), default=1.0)


def timed(stage: Stage, rankings: Sequence[Ranking]) -> tuple[list[float], float, list[Ranking]]:
    """Milliseconds of each ranking by itself, after one that isn't counted; mean tokens; and the results."""
    stage.batch(rankings[:1])
    ms, tokens, results = [], 0, []
    for ranking in rankings:
        start = time.perf_counter()
        (after,) = stage.batch([ranking])
        ms.append(1000 * (time.perf_counter() - start))
        tokens += after.cost.usage.tokens - ranking.cost.usage.tokens
        results.append(after)
    return ms, tokens / max(len(rankings), 1), results


def cost_of_search(stage: Stage, queries: Sequence[Query]) -> Cost:
    """The cost of a search, timed with some queries."""
    ms, tokens, _ = timed(stage, [Ranking(q) for q in queries])
    return Cost(median(ms), min(ms), max(ms), tokens)


def cost_of_reranker(stage: Stage, rankings: Sequence[Ranking], few: int = 5) -> Line:
    """The cost of a reranker, timed with the first ``few`` candidates of some rankings and with all of them, whose
    documents were not read yet.

    The line through the medians of both; its bounds are the least and the most of the whole rankings, in proportion.
    """
    short_ms, short_tokens, _ = timed(stage, [r[:few] for r in rankings])
    long_ms, long_tokens, _ = timed(stage, rankings)
    n = float(np.mean([len(r) for r in rankings]))
    if n <= few:
        return Line(Cost(median(long_ms), min(long_ms), max(long_ms), long_tokens), FREE)
    each = max((median(long_ms) - median(short_ms)) / (n - few), 0.0)
    fixed = max(median(short_ms) - few * each, 0.0)
    middle = max(median(long_ms), 1e-9)
    low, high = min(long_ms) / middle, max(long_ms) / middle
    tokens = max((long_tokens - short_tokens) / (n - few), 0.0)
    return Line(
        Cost(fixed, fixed * low, fixed * high, max(short_tokens - few * tokens, 0.0)),
        Cost(each, each * low, each * high, tokens),
    )
