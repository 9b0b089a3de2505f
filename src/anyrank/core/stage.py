"""Composition: a Stage maps rankings to as many rankings; ``>>``, ``+``, ``|`` and ``%`` build bigger stages.

``a >> b`` b after a; ``a + b`` both on the same input, fused (z-scores summed); ``a | b`` the union of both;
``a % k`` the best k of a; ``a >= x`` those that score at least x; ``w * a`` the weight of a in a fusion. Of equal fused
scores, the part named first decides.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from .errors import InputError
from .fusion import ArrayFusion, Combine, Fusion, Interleave, number
from .matches import Matches
from .trace import Step, total
from .types import Candidate, Query, Ranking, StoredCandidate


class Stage(ABC):
    """A retriever, reranker, cut-off, rewriter, feedback or fusion: maps a batch of rankings to as many rankings."""

    @abstractmethod
    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        """One ranking out for each ranking in, in the same order, each with its trace extended."""

    def __call__(self, ranking: Ranking | Query | str) -> Ranking:
        """The batch of one. A query or a text starts an empty ranking."""
        return self.batch([_ranking(ranking)])[0]

    def run(self, queries: Iterable[Ranking | Query | str]) -> list[Ranking]:
        """The whole batch from queries or texts; plain texts are numbered q1, q2, …"""
        return self.batch([_ranking(q, f"q{i}") for i, q in enumerate(queries, 1)])

    def __rshift__(self, after: Stage) -> Stage:
        return Then(self, _placed(after, self))

    def __ge__(self, score: float) -> Stage:
        return Then(self, Above(float(score)))

    def __add__(self, other: Stage) -> Stage:
        return Fuse((*_parts(self, Combine()), *_parts(other, Combine())))

    def __or__(self, other: Stage) -> Stage:
        return Fuse((*_parts(self, Interleave()), *_parts(other, Interleave())), Interleave())

    def __mod__(self, k: int) -> Stage:
        return Then(self, Cut(k))

    def __rmul__(self, weight: float) -> Stage:
        return Weighted(self, float(weight))


def _ranking(x: Ranking | Query | str, id: str = "q") -> Ranking:
    return x if isinstance(x, Ranking) else Ranking(x if isinstance(x, Query) else Query(id, x))


def _parts(stage: Stage, method: Fusion) -> tuple[Stage, ...]:
    """The parts of a fusion by ``method``, so that a chain of one operator is one fusion; any other stage is a part
    itself."""
    return stage.stages if isinstance(stage, Fuse) and stage.method == method else (stage,)


@runtime_checkable
class Follows(Protocol):
    """A stage that depends on the pipeline that it is put after: gives itself for that place, or raises an error."""

    def following(self, before: Stage) -> Stage: ...


def _placed(after: Stage, before: Stage) -> Stage:
    """The stage as it is after another one."""
    if isinstance(after, Then):
        return Then(_placed(after.first, before), after.second)
    return after.following(before) if isinstance(after, Follows) else after


@dataclass(frozen=True)
class Each(Stage):
    """A function of one ranking, lifted to a stage."""

    fn: Callable[[Ranking], Ranking]

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return [self.fn(r) for r in rankings]


@dataclass(frozen=True)
class Then(Stage):
    """``first`` and then ``second``."""

    first: Stage
    second: Stage

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        first, second = self.first, self.second
        if isinstance(second, Cut) and isinstance(first, Limited):
            limited = first.limit(second.k)
            if limited is not first:
                return cut_results(limited.batch(rankings), second.k)
        return second.batch(first.batch(rankings))


@dataclass(frozen=True)
class Cut(Stage):
    """The best ``k``. Apart from retrievers it and cut-offs by scores are the only stages that drop candidates."""

    k: int

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InputError(f"a cut-off keeps at least 1 candidate, not {self.k}")

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return [r[: self.k] for r in rankings]


@dataclass(frozen=True)
class Above(Stage):
    """The candidates that score at least ``score``: raw scores, or probabilities if a calibration made them so. What
    was cut is in the trace."""

    score: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise InputError(f">= {self.score}: a cut-off is a finite number")

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        name = f">= {self.score:g}"
        return [
            cut_at(r, sum(s >= self.score for s in r.scores), name, f"below the score {self.score:g}") for r in rankings
        ]


def cut_at(ranking: Ranking, k: int, name: str, why: str) -> Ranking:
    """The first ``k`` candidates (perhaps none), with a step that says how many were cut, why, and their ids.

    >>> cut_at(Ranking.of("q", ["x", "y"]), 0, ">= 3", "below the score 3").trace[0].notes
    ('nothing relevant: all 2 candidates were cut, below the score 3',)
    """
    n, cut = len(ranking), tuple(ranking.ids[k:])
    if k >= n:
        return ranking.with_step(Step(name))
    what = "nothing relevant: all {n} candidates" if not k else f"{n - k} of {{n}} candidates"
    note = f"{what.format(n=n)} were cut, {why}"
    return ranking[:k].with_step(Step(name, notes=(note,), cut=cut))


@runtime_checkable
class Pools(Protocol):
    """A value of ``Query.meta["queries"]``, several texts of one query. ``pooled``: the results of all of them form
    one pool, so that the limit of a search is that of each text and not of the pool."""

    @property
    def pooled(self) -> bool: ...


def cut_results(rankings: Sequence[Ranking], k: int) -> list[Ranking]:
    """The best ``k`` results of searches that were limited to k; of a query with pooled results, the whole pool."""
    several = [r.query.meta.get("queries") for r in rankings]
    return [r if isinstance(s, Pools) and s.pooled else r[:k] for r, s in zip(rankings, several)]


class Limited(Stage):
    """A stage that can be limited to k results, so that ``stage % k`` doesn't search for more than it keeps."""

    @abstractmethod
    def limit(self, k: int) -> Stage:
        """The same stage with at most k results."""


@dataclass(frozen=True)
class Keep(Stage):
    """The present score remembered in ``meta[name]``, for prompts and features of later stages."""

    name: str

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return [replace(r, candidates=tuple(c.noted({self.name: c.score}) for c in r)) for r in rankings]


@dataclass(frozen=True)
class Weighted(Stage):
    """A stage with its weight in a fusion, also after ``%``; alone it is the stage itself. Raises InputError on a
    weight that is no number from -1e100 to 1e100 (with larger ones sums of scores would pass the largest float)."""

    stage: Stage
    weight: float

    def __post_init__(self) -> None:
        if not abs(self.weight) <= 1e100:
            raise InputError(f"weight {self.weight}: must be a number from -1e100 to 1e100")

    def __mod__(self, k: int) -> Stage:
        return Weighted(self.stage % k, self.weight)

    def __rmul__(self, weight: float) -> Stage:
        return Weighted(self.stage, float(weight) * self.weight)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return self.stage.batch(rankings)


@dataclass(frozen=True)
class Fuse(Stage):
    """Several stages on the same input, their results merged by ``method``. A merged ranking's trace holds the
    steps of every part. The parts run one after another and share the ranking's limits: each gets what those before it
    have left."""

    stages: tuple[Stage, ...]
    method: Fusion = Combine()

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        weights = [s.weight if isinstance(s, Weighted) else 1.0 for s in self.stages]
        runs: list[list[Ranking]] = []
        remaining = [r.limits for r in rankings]
        for stage in self.stages:
            run = stage.batch([r.under(limits) for r, limits in zip(rankings, remaining)])
            remaining = [
                limits.less(total(new_steps(r, part)).usage) for r, limits, part in zip(rankings, remaining, run)
            ]
            runs.append(run)
        return [merge(r, parts, self.method, weights) for r, *parts in zip(rankings, *runs)]


@dataclass(frozen=True)
class Branch(Stage):
    """One query becomes several (sub-questions, one per feedback passage); their results are merged under the
    original. A query whose ``split`` is empty comes back as it was."""

    split: Callable[[Ranking], Sequence[Ranking]]
    stage: Stage
    method: Fusion = Combine(how="max", normalise="none")

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        branches = [list(self.split(r)) for r in rankings]
        done = iter(self.stage.batch([b for bs in branches for b in bs]))
        parts = [[next(done) for _ in bs] for bs in branches]
        return [merge(r, ps, self.method) if ps else r for r, ps in zip(rankings, parts)]


def new_steps(origin: Ranking, part: Ranking) -> tuple[Step, ...]:
    """The steps by which a part's trace goes on from its origin's; all of its steps if it began a trace of its own."""
    start = len(origin.trace)
    return part.trace[start:] if part.trace[:start] == origin.trace else part.trace


def merge(origin: Ranking, parts: Sequence[Ranking], method: Fusion, weights: Sequence[float] | None = None) -> Ranking:
    """One ranking out of several of the same query; a candidate's content and meta come from all parts that hold it
    (of several values of a field the first). Matches of one source are fused as columns, without reading any
    document."""
    weights = weights or [1.0] * len(parts)
    trace = origin.trace + tuple(step for part in parts for step in new_steps(origin, part))
    matches = [p.matches for p in parts if p.matches is not None]
    if len(matches) == len(parts) and len({id(m.reader.source) for m in matches}) == 1:
        return Ranking.of_matches(origin.query, _fused(matches, method, weights), trace, origin.limits)
    pool: dict[str, Candidate] = {}
    for part in parts:
        for c in part:
            known = pool.get(c.id)
            if known is None:
                pool[c.id] = c
            elif type(known) is StoredCandidate and known.same_document(c):
                continue
            elif known.content is None or c.meta.keys() - known.meta.keys():
                content = c.content if known.content is None else known.content
                pool[c.id] = replace(known, content=content, meta={**c.meta, **known.meta})
    fused = method([dict(zip(part.ids, part.scores)) for part in parts], weights)
    best = sorted(fused.items(), key=lambda pair: -pair[1])
    return Ranking(origin.query, tuple(pool[i].rescored(s) for i, s in best), trace, origin.limits)


def _fused(parts: Sequence[Matches], method: Fusion, weights: Sequence[float]) -> Matches:
    """Matches of one source, fused; of equal scores the candidate that comes first in the parts, one after another, is
    first."""
    import numpy as np

    reader = parts[0].reader
    for part in parts[1:]:
        if part.reader is not reader:
            reader.share(part.reader)
    rows, items = number([p.rows for p in parts])
    if isinstance(method, ArrayFusion):
        scores = method.fuse(items, [p.scores for p in parts], len(rows), weights)
    else:
        fused = method([dict(zip(part.ids, part.scores.tolist())) for part in parts], weights)
        ids: list[str] = [""] * len(rows)
        for part, numbers in zip(parts, items):
            for i, id in zip(numbers.tolist(), part.ids):
                ids[i] = id
        scores = np.array([fused[i] for i in ids], dtype=np.float64)
    best = np.argsort(-scores, kind="stable")
    return Matches(rows[best], scores[best], reader)
