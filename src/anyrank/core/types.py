"""The nouns: Query, Candidate, Ranking; and Judgement, a judge's scores of one group.

Contents are opaque here: only prompts, encoders and models look inside them.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, overload

from .errors import InputError, quoted
from .limits import Limits
from .matches import Matches, Reader
from .trace import Status, Step, Usage, total, worst

Order = Sequence[int] | Mapping[int, float]
"""Indices, best first; as a mapping, each with its score."""


@dataclass(frozen=True, slots=True)
class Query:
    """A request to rank for: a text, an image, a spectrum, a user's profile."""

    id: str
    content: Any = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing to be ranked, with the score of the last stage that ranked it.

    Of a candidate that a caller gave in a list, ``index`` is its position there and ``original`` the object that it was
    read from; of others both are None.
    """

    id: str
    content: Any = None
    score: float = 0.0
    meta: Mapping[str, Any] = field(default_factory=dict)
    index: int | None = field(default=None, repr=False, compare=False, kw_only=True)
    original: Any = field(default=None, repr=False, compare=False, kw_only=True)

    def rescored(self, score: float) -> Candidate:
        """The same candidate under another score."""
        return Candidate(self.id, self.content, score, self.meta, index=self.index, original=self.original)

    def noted(self, fields: Mapping[str, Any]) -> Candidate:
        """The same candidate with further fields; they replace those of the same names."""
        meta = {**self.meta, **fields}
        return Candidate(self.id, self.content, self.score, meta, index=self.index, original=self.original)


class StoredCandidate(Candidate):
    """A candidate whose document is read from its source at the first access to content or meta.

    In all else it behaves as a `Candidate`, also to ``isinstance``, ``==``, ``repr``, ``replace`` and
    pickle. ``fields`` are added to those of the document.
    """

    __slots__ = ("_fields", "_reader", "_row")
    _reader: Reader
    _row: int
    _fields: Mapping[str, Any] | None

    def __new__(
        cls, id: str, score: float, reader: Reader, row: int, fields: Mapping[str, Any] | None = None
    ) -> StoredCandidate:
        self = object.__new__(cls)
        put = object.__setattr__  # frozen
        put(self, "id", id)
        put(self, "score", score)
        put(self, "_reader", reader)
        put(self, "_row", row)
        put(self, "_fields", fields)
        put(self, "index", None)
        put(self, "original", None)
        return self

    def __init__(self, *args: Any) -> None:
        """Everything is set by ``__new__``."""

    @property  # type: ignore[misc]
    def __class__(self) -> type[Candidate]:  # type: ignore[override]
        return Candidate

    @property
    def content(self) -> Any:
        return self._reader.document(self._row)[0]

    @property
    def meta(self) -> Mapping[str, Any]:
        stored = self._reader.document(self._row)[1]
        return {**stored, **self._fields} if self._fields else stored

    def rescored(self, score: float) -> Candidate:
        return StoredCandidate(self.id, score, self._reader, self._row, self._fields)

    def noted(self, fields: Mapping[str, Any]) -> Candidate:
        return StoredCandidate(self.id, self.score, self._reader, self._row, {**(self._fields or {}), **fields})

    def same_document(self, other: Candidate) -> bool:
        """Whether both are the same row of the same source with the same added fields; known without reading the
        document."""
        return (
            type(other) is StoredCandidate
            and self._row == other._row
            and self._reader.source is other._reader.source
            and self._fields == other._fields
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Candidate, (self.id, self.content, self.score, self.meta)


class _Columns(Sequence[Candidate]):
    """The slot of a ranking's matches, which is no field: `dataclasses.asdict` passes it over."""

    __slots__ = ("_matches",)
    _matches: Matches | None


@dataclass(frozen=True, slots=True, repr=False)
class Ranking(_Columns):
    """A query, its candidates (best first), the trace of the steps that ranked them, and the limits of further work.

    The one value that flows through every pipeline. Candidate ids are unique; a slice keeps query and trace. A ranking
    of a search's results holds `Matches`: its candidates are created, and their documents read, at first access
    (`read_together` reads many at once); ids, scores, slices and new orders need no document. A document that was
    replaced or deleted since the search is read as it was.

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
        object.__setattr__(self, "_matches", None)  # frozen
        if len({c.id for c in self.candidates}) != len(self.candidates):
            seen: set[str] = set()
            twice = next(c.id for c in self.candidates if c.id in seen or seen.add(c.id))  # type: ignore[func-returns-value]
            raise InputError(f"candidate {quoted(twice)} appears twice in the ranking of query {quoted(self.query.id)}")

    @classmethod
    def of(cls, query: Any, contents: Iterable[Any] = (), ids: Iterable[str] | None = None) -> Ranking:
        """A ranking of plain contents in their given order; ids default to their positions "0", "1", …"""
        if isinstance(contents, Mapping):
            raise InputError("the contents are a mapping: give its values, and its keys as ids")
        contents = list(contents)
        names = [str(i) for i in range(len(contents))] if ids is None else [str(i) for i in ids]
        if len(names) != len(contents):
            raise InputError(f"{len(names)} ids for {len(contents)} documents")
        q = query if isinstance(query, Query) else Query("q", query)
        n = len(names)
        return cls(q, tuple(Candidate(i, c, float(n - r)) for r, (i, c) in enumerate(zip(names, contents))))

    @classmethod
    def of_matches(
        cls, query: Query, matches: Matches, trace: tuple[Step, ...] = (), limits: Limits | None = None
    ) -> Ranking:
        """A ranking whose candidates are created at first access. The matches' rows, and their ids, must be
        distinct."""
        self = object.__new__(cls)
        put = object.__setattr__  # frozen
        put(self, "query", query)
        put(self, "trace", trace)
        put(self, "limits", Limits() if limits is None else limits)
        put(self, "_matches", matches)
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The candidates of a ranking of matches: called only while their slot is empty, so at the first access."""
            if name != "candidates":
                raise AttributeError(f"a ranking has no attribute {name!r}")
            matches = self._matches
            columns = zip(matches.ids, matches.scores.tolist(), matches.rows.tolist())
            candidates = tuple(StoredCandidate(i, score, matches.reader, row) for i, score, row in columns)
            object.__setattr__(self, "candidates", candidates)
            return candidates

    @property
    def matches(self) -> Matches | None:
        """The columns of a search's result; None for a ranking of given candidates."""
        return self._matches

    def __len__(self) -> int:
        return len(self.candidates if self._matches is None else self._matches)

    @overload
    def __getitem__(self, i: int) -> Candidate: ...
    @overload
    def __getitem__(self, i: slice) -> Ranking: ...
    def __getitem__(self, i: int | slice) -> Candidate | Ranking:
        if not isinstance(i, slice):
            return self.candidates[i]
        if self._matches is None:
            return replace(self, candidates=self.candidates[i])
        return Ranking.of_matches(self.query, self._matches[i], self.trace, self.limits)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    @property
    def ids(self) -> list[str]:
        return [c.id for c in self.candidates] if self._matches is None else list(self._matches.ids)

    @property
    def scores(self) -> list[float]:
        return [c.score for c in self.candidates] if self._matches is None else self._matches.scores.tolist()

    def __repr__(self) -> str:
        """A table of the first candidates. It reads their documents."""
        from .display import table

        return table(self)

    def _repr_html_(self) -> str:
        """The table as HTML, for notebooks."""
        from .display import html_table

        return html_table(self)

    def to_dict(self, *, texts: bool = True) -> dict[str, Any]:
        """The ranking, JSON-ready: query, candidates best first, status, cost and trace; ``texts``: with contents."""
        from .display import ranking_to_dict

        return ranking_to_dict(self, texts=texts)

    def to_pandas(self) -> Any:
        """The candidates as a pandas data frame, a row each: rank (from 1), id, score, index, text and the fields of
        ``meta``. Raises MissingExtra without pandas."""
        from .display import to_pandas

        return to_pandas(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Ranking, (self.query, self.candidates, self.trace, self.limits)

    @property
    def status(self) -> Status:
        """The worst status among the trace's steps: ``ok``, ``repaired``, ``partial`` or ``fallback``."""
        return worst(self.trace)

    @property
    def cost(self) -> Step:
        """All steps of the trace added up."""
        return total(self.trace)

    def with_step(self, *steps: Step) -> Ranking:
        trace = (*self.trace, *steps)
        if self._matches is None:
            return replace(self, trace=trace)
        return Ranking.of_matches(self.query, self._matches, trace, self.limits)

    def with_query(self, query: Query) -> Ranking:
        """The same candidates under another query (one that a rewriter changed)."""
        if self._matches is None:
            return replace(self, query=query)
        return Ranking.of_matches(query, self._matches, self.trace, self.limits)

    def under(self, limits: Limits) -> Ranking:
        """The same ranking with other limits of further work."""
        if limits == self.limits:
            return self
        if self._matches is None:
            return replace(self, limits=limits)
        return Ranking.of_matches(self.query, self._matches, self.trace, limits)

    def scored(self, scores: Sequence[float]) -> Ranking:
        """The same candidates under new scores, sorted; ties keep their present order.

        Candidates whose score is not a finite number come last, in their present order.
        """
        if len(scores) != len(self):
            raise InputError(f"{len(scores)} scores for {len(self)} candidates of query {quoted(self.query.id)}")
        values = [float(s) for s in scores]
        known = sorted((i for i, v in enumerate(values) if math.isfinite(v)), key=lambda i: -values[i])
        return self.ordered({i: values[i] for i in known})

    def ordered(self, order: Order) -> Ranking:
        """The candidates in ``order``; those that it leaves out follow in the present order.

        A plain order gives scores n, n-1, …, 1. An order with scores keeps those that are finite and not above
        the one before; every other candidate gets one less than its predecessor. Scores never rise down the list.
        Repeated and out-of-range indices are ignored, so the result is always a permutation.
        """
        scored = order if isinstance(order, Mapping) else {}
        n = len(self)
        first = [i for i in dict.fromkeys(order) if 0 <= i < n]
        taken = set(first)
        positions = first + [i for i in range(n) if i not in taken]
        scores: list[float] = []
        last = float(n + 1)
        for rank, i in enumerate(positions):
            score = scored.get(i, math.nan)
            if not math.isfinite(score) or (rank and score > last):
                # one less than the last; near the largest floats 1 is below their step, so the next smaller float
                score = last - 1.0 if last - 1.0 < last else max(math.nextafter(last, -math.inf), -sys.float_info.max)
            last = float(score)
            scores.append(last)
        if self._matches is not None:
            reordered = self._matches.reordered(positions, scores)
            return Ranking.of_matches(self.query, reordered, self.trace, self.limits)
        candidates = self.candidates
        return replace(self, candidates=tuple(candidates[i].rescored(s) for i, s in zip(positions, scores)))


def read_together(candidates: Iterable[Candidate]) -> None:
    """Announces that the documents of these candidates will be needed together, so that the first access to one reads
    all of them at once; a stage that needs none (similarity of stored vectors) still reads nothing."""
    rows: dict[Reader, list[int]] = {}
    for c in candidates:
        if type(c) is StoredCandidate:
            rows.setdefault(c._reader, []).append(c._row)
    for reader, unread in rows.items():
        reader.read_together(unread)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's scores of one group, one a member, higher is better, and their cost.

    NaN marks a member that the judge could not score; ``note`` is the reason, for the trace.
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
