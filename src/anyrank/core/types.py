"""The nouns: Query, Candidate, Ranking; and Judgement, what a judge says of one group.

Contents are opaque here: only prompts, encoders and models look inside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

from .errors import InputError
from .limits import Limits
from .trace import Status, Step, Usage, total, worst

Order = Sequence[int] | Mapping[int, float]
"""Indices, best first; as a mapping, each with its score."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: text, an image path, a spectrum, a user's profile."""

    id: str
    content: Any = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing to be ranked, with the score of whoever ranked it last."""

    id: str
    content: Any = None
    score: float = 0.0
    meta: Mapping[str, Any] = field(default_factory=dict)

    def rescored(self, score: float) -> Candidate:
        """The same candidate under another score."""
        return Candidate(self.id, self.content, score, self.meta)


@dataclass(frozen=True, slots=True)
class Ranking(Sequence[Candidate]):
    """A query, its candidates (best first), the trace of how they came to stand so, and the limits of further work.

    The one value that flows through every pipeline. Candidate ids are unique; a slice keeps query and trace.

    Raises InputError on a repeated candidate id.

    >>> r = Ranking.of("capital of France", ["Lyon is a city", "Paris is the capital"])
    >>> r.scored([0.1, 0.9]).ids
    ['1', '0']
    """

    query: Query
    candidates: tuple[Candidate, ...] = ()
    trace: tuple[Step, ...] = ()
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if len({c.id for c in self.candidates}) != len(self.candidates):
            seen: set[str] = set()
            twice = next(c.id for c in self.candidates if c.id in seen or seen.add(c.id))  # type: ignore[func-returns-value]
            raise InputError(f"candidate {twice!r} stands twice in the ranking of query {self.query.id!r}")

    @classmethod
    def of(cls, query: Any, contents: Iterable[Any] = (), ids: Iterable[str] | None = None) -> Ranking:
        """A ranking of plain contents in their given order; ids default to their places "0", "1", …"""
        contents = list(contents)
        names = [str(i) for i in range(len(contents))] if ids is None else [str(i) for i in ids]
        if len(names) != len(contents):
            raise InputError(f"{len(names)} ids for {len(contents)} documents")
        q = query if isinstance(query, Query) else Query("q", query)
        n = len(names)
        return cls(q, tuple(Candidate(i, c, float(n - r)) for r, (i, c) in enumerate(zip(names, contents))))

    def __len__(self) -> int:
        return len(self.candidates)

    @overload
    def __getitem__(self, i: int) -> Candidate: ...
    @overload
    def __getitem__(self, i: slice) -> Ranking: ...
    def __getitem__(self, i: int | slice) -> Candidate | Ranking:
        return replace(self, candidates=self.candidates[i]) if isinstance(i, slice) else self.candidates[i]

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    @property
    def ids(self) -> list[str]:
        return [c.id for c in self.candidates]

    @property
    def scores(self) -> list[float]:
        return [c.score for c in self.candidates]

    @property
    def status(self) -> Status:
        """The worst status among the trace's steps: ``ok``, ``repaired``, ``partial`` or ``fallback``."""
        return worst(self.trace)

    @property
    def cost(self) -> Step:
        """All steps of the trace added up."""
        return total(self.trace)

    def with_step(self, *steps: Step) -> Ranking:
        return replace(self, trace=(*self.trace, *steps))

    def scored(self, scores: Sequence[float]) -> Ranking:
        """The same candidates under new scores, sorted; ties keep their present order.

        A score that is not a finite number places its candidate last, in the present order.
        """
        if len(scores) != len(self):
            raise InputError(f"{len(scores)} scores for {len(self)} candidates of query {self.query.id!r}")
        values = [float(s) for s in scores]
        known = sorted((i for i, v in enumerate(values) if math.isfinite(v)), key=lambda i: -values[i])
        return self.ordered({i: values[i] for i in known})

    def ordered(self, order: Order) -> Ranking:
        """The candidates in ``order``; what it leaves out follows in the present order.

        A plain order gives scores n, n-1, …, 1. An order with scores keeps those that are finite and not above
        the one before; every other candidate gets one less than its predecessor. Scores never rise down the list.
        Repeated and out-of-range indices are passed over, so the result is always a permutation.
        """
        given = order if isinstance(order, Mapping) else {}
        n = len(self)
        first = [i for i in dict.fromkeys(order) if 0 <= i < n]
        taken = set(first)
        places = first + [i for i in range(n) if i not in taken]
        out: list[Candidate] = []
        last = float(n + 1)
        for rank, i in enumerate(places):
            score = given.get(i, math.nan)
            if not math.isfinite(score) or (rank and score > last):
                score = last - 1.0 if last - 1.0 < last else math.nextafter(last, -math.inf)
            out.append(self.candidates[i].rescored(float(score)))
            last = out[-1].score
        return replace(self, candidates=tuple(out))


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's word on one group: a score a member, higher is better, and what it cost.

    NaN marks a member the judge could not score; ``note`` says why, for the trace.
    """

    scores: Sequence[float]
    usage: Usage = field(default_factory=lambda: Usage(calls=1))
    note: str = ""


def strict(scores: Sequence[float]) -> list[float]:
    """The same scores made strictly falling in single precision, as programs that sort runs by score need them.

    >>> strict([2.0, 2.0, 1.0])[1] < 2.0
    True
    """
    import numpy as np

    out: list[float] = []
    for s in np.asarray(scores, dtype=np.float32):
        if out and s >= out[-1]:
            s = np.nextafter(np.float32(out[-1]), np.float32(-np.inf))
        out.append(float(s))
    return out
