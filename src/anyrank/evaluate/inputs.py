"""Runs and judgements of any usual shape, read into lists and grades whose ids are texts."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.types import Ranking
from ..io import records
from ..io.files import lines
from ..io.frames import ArrowTable, PandasTable, PolarsTable, table_rows
from ..io.qrels import read_subtopics
from ..io.runs import read_run

Qrels = Any
"""Judgements: ``{query: {document: grade}}``, or ``{query: {document: {subtopic: grade}}}``; a table (pandas, polars,
pyarrow) or rows with columns such as qid, docno and label; the path of a TREC or BEIR file; or a `Judgements`."""
Run = Any
"""Results: rankings; ``{query: {document: score}}``, or a list of ids or of (id, score) pairs instead of the inner
mapping; a table or rows with columns such as qid, docno and score; or the path of a TREC run."""
Ties = Literal["given", "trec_eval"]
Lists = dict[str, list[str]]
"""Document ids by query id, best first."""

_QUERY = ("qid", "query_id", "query-id", "topic")
_DOCUMENT = ("docno", "doc_id", "docid", "corpus-id", "corpus_id", "did")
_GRADE = ("label", "relevance", "rel", "grade", "score")
_SUBTOPIC = ("iteration", "subtopic_id", "subtopic")


@runtime_checkable
class _NamedTuple(Protocol):
    """A row of ir_measures or ir_datasets."""

    def _asdict(self) -> dict[str, Any]: ...


def id_text(value: Any, kind: str = "document") -> str:
    """An id as a text, as everywhere here (`io.records.id_text`); bytes, which tables of other programs hold, as UTF-8.
    Raises InputError on a missing one.

    >>> id_text(7), id_text(7.0), id_text("7"), id_text(b"d7")
    ('7', '7', '7', 'd7')
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    return records.id_text(value, f"{kind} id")


def _texts(ids: Iterable[Any], owner: str) -> list[str]:
    """Ids as texts. Raises InputError if two of them are the same text."""
    texts = [i if type(i) is str else id_text(i) for i in ids]
    if len(set(texts)) != len(texts):
        seen: set[str] = set()
        twice = next(t for t in texts if t in seen or seen.add(t))  # type: ignore[func-returns-value]
        raise InputError(f"{owner}: document {twice!r} appears twice (ids are compared as texts)")
    return texts


@dataclass(frozen=True, slots=True)
class Judgements:
    """Grades by query id and document id, and where documents are judged for several subtopics of a query, those of
    each subtopic (a document's grade is then its highest)."""

    grades: Mapping[str, Mapping[str, int]]
    subtopics: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, qrels: Qrels) -> Judgements:
        """Judgements of any shape. Raises InputError on a grade that is no whole number, an id that is missing or
        appears twice, and a shape that isn't known.

        >>> Judgements.of({1: {"a": 1.0, 2: 0}}).grades
        {'1': {'a': 1, '2': 0}}
        >>> Judgements.of([{"qid": 1, "docno": 7, "label": 2}]).grades
        {'1': {'7': 2}}
        """
        if isinstance(qrels, Judgements):
            return qrels
        if isinstance(qrels, str | os.PathLike):
            nested = read_subtopics(qrels)
            # The second column may also hold rounds of judging (TREC-COVID: 4.5) or a constant such as Q0.
            numbered = all(s.isdigit() for docs in nested.values() for cells in docs.values() for s in cells)
            judged = cls._by_subtopic(nested)
            return judged if numbered else replace(judged, subtopics={})
        if isinstance(qrels, Mapping) and not _is_table(qrels):
            nested = {id_text(q, "query"): _judged(id_text(q, "query"), docs) for q, docs in qrels.items()}
            if len(nested) != len(qrels):
                raise InputError("the judgements have two query ids that are the same text")
            return cls._by_subtopic(nested)
        rows = _rows(qrels, "the judgements")
        table: dict[str, dict[str, dict[str, int]]] = {}
        for row in rows:
            q = id_text(_column(row, _QUERY, "a query id"), "query")
            d = id_text(_column(row, _DOCUMENT, "a document id"))
            subtopic = next((id_text(row[c], "subtopic") for c in _SUBTOPIC if c in row), "0")
            cells = table.setdefault(q, {}).setdefault(d, {})
            if subtopic in cells:
                raise InputError(f"document {d!r} is judged twice for query {q!r}")
            cells[subtopic] = _grade(_column(row, _GRADE, "a grade"), q, d)
        return cls._by_subtopic(table)

    @classmethod
    def _by_subtopic(cls, nested: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Judgements:
        grades = {q: {d: max(cells.values()) for d, cells in docs.items()} for q, docs in nested.items()}
        several = any(len({s for cells in docs.values() for s in cells}) > 1 for docs in nested.values())
        return cls(grades, nested if several else {})

    def without(self, removed: Mapping[str, Collection[str]]) -> Judgements:
        """The judgements without these documents of these queries."""

        def left(docs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
            return {q: {d: g for d, g in ds.items() if d not in removed.get(q, ())} for q, ds in docs.items()}

        return replace(self, grades=left(self.grades), subtopics=left(self.subtopics))


_LARGEST = 2**31
"""Grades are below it, as the programs that compute measures take them."""


def _judged(query: str, docs: Any) -> dict[str, dict[str, int]]:
    """One query's documents with the grades of each subtopic ("0" where there are none)."""
    if not isinstance(docs, Mapping):
        kind = type(docs).__name__
        raise InputError(f"the judgements of query {query!r} are a {kind}: expected {{document: grade}}")
    ids = _texts(docs, f"the judgements of query {query!r}")
    return {
        d: {id_text(s, "subtopic"): _grade(g, query, d) for s, g in value.items()}
        if isinstance(value, Mapping) and value
        else {"0": _grade(value, query, d)}
        for d, value in zip(ids, docs.values())
    }


def _grade(value: Any, query: str, document: str) -> int:
    if type(value) is int and abs(value) < _LARGEST:
        return value
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or number != int(number) or abs(number) >= _LARGEST:
        what = f"query {query!r} grades document {document!r} {value!r}"
        raise InputError(f"{what}: expected a whole number")
    return int(number)


def lists(run: Run, name: str = "run", ties: Ties = "given") -> tuple[Lists, int]:
    """A run as lists of ids, best first, and the number of queries with tied scores.

    Rankings and lists of ids keep their order and scores are sorted, ties in the order given; ``ties="trec_eval"``
    sorts all as that program does: by single-precision score, ties by id from Z to A.
    Raises InputError on a score that is not a finite number, on a query or document that appears twice, and a shape
    that isn't known.

    >>> lists({"q1": {"a": 1.0, "b": 2.0, "c": 1.0}})
    ({'q1': ['b', 'a', 'c']}, 1)
    >>> lists({"q1": {"a": 1.0, "b": 2.0, "c": 1.0}}, ties="trec_eval")
    ({'q1': ['b', 'c', 'a']}, 1)
    """
    if ties not in get_args(Ties):
        raise InputError(f"ties={ties!r}: choose given or trec_eval")
    out: Lists = {}
    tied = 0
    for query, ids, scores in _results(run, name):
        if query in out:
            raise InputError(f"query {query!r} appears twice in the run {name!r}: give each query an id of its own")
        owner = f"run {name!r}, query {query!r}"
        texts = _texts(ids, owner)
        if scores is None or (ties == "given" and isinstance(ids, _InOrder)):
            out[query] = texts
            continue
        out[query], has_ties = _sorted(texts, scores, ties, owner)
        tied += has_ties
    return out, tied


def repeatable(run: Run) -> Run:
    """A run that can be read twice: an iterator of rankings becomes a list."""
    if isinstance(run, Ranking):
        return [run]
    once = isinstance(run, Iterable) and not isinstance(run, Mapping | str | bytes | os.PathLike) and not _is_table(run)
    return list(run) if once else run


class _InOrder(list[Any]):
    """The ids of a ranking, whose order counts more than its scores."""


def _results(run: Run, name: str) -> Iterable[tuple[str, Sequence[Any], Sequence[Any] | None]]:
    """Each query's id, document ids and scores (None: the order of the ids is the ranking)."""
    if isinstance(run, str | os.PathLike):
        run = read_run(run)
    if isinstance(run, Ranking):
        run = [run]
    if isinstance(run, Mapping) and not _is_table(run):
        for q, docs in run.items():
            query = id_text(q, "query")
            yield query, *_documents(docs, f"run {name!r}, query {query!r}")
        return
    if _is_table(run):
        yield from _table_results(table_rows(run) or [], name)
        return
    if not isinstance(run, Iterable):
        raise InputError(f"run {name!r} is a {type(run).__name__}: expected {_RUN}")
    others = []
    for r in run:
        if isinstance(r, Ranking):
            yield id_text(r.query.id, "query"), _InOrder(r.ids), r.scores
        else:
            others.append(r)
    if others:
        yield from _table_results(_rows(others, f"run {name!r}", _RUN), name)


_RUN = "rankings, {query: {document: score}}, a table, or the path of a TREC run"


def _documents(docs: Any, owner: str) -> tuple[Sequence[Any], Sequence[Any] | None]:
    if isinstance(docs, Mapping):
        return list(docs), list(docs.values())
    if isinstance(docs, str | bytes | set | frozenset) or not isinstance(docs, Iterable):
        raise InputError(f"{owner}: the results are a {type(docs).__name__}: expected {{document: score}}")
    items = list(docs)
    if items and all(isinstance(x, tuple | list) and len(x) == 2 for x in items):
        return [x[0] for x in items], [x[1] for x in items]
    return items, None


def _table_results(rows: Iterable[Mapping[str, Any]], name: str) -> Iterable[tuple[str, list[Any], list[Any] | None]]:
    """The results of a table: rows without a column of scores stand in their order."""
    columns: dict[str, tuple[list[Any], list[Any]]] = {}
    for row in rows:
        query = id_text(_column(row, _QUERY, "a query id"), "query")
        ids, scores = columns.setdefault(query, ([], []))
        ids.append(_column(row, _DOCUMENT, "a document id"))
        if "score" in row:
            scores.append(row["score"])
    for query, (ids, scores) in columns.items():
        if scores and len(scores) != len(ids):
            raise InputError(f"run {name!r}, query {query!r}: {len(ids)} rows, {len(scores)} of them with a score")
        yield query, ids, scores or None


def _is_table(value: Any) -> bool:
    return isinstance(value, PandasTable | PolarsTable | ArrowTable)


def _rows(value: Any, what: str, expected: str = "{query: {document: grade}}, a table, or a path") -> list[Any]:
    """The rows of a table, or of a list of mappings or named tuples, as mappings."""
    if (rows := table_rows(value)) is not None:
        return rows
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise InputError(f"{what}: found a {type(value).__name__}, expected {expected}")
    out = []
    for row in value:
        if not isinstance(row, Mapping | _NamedTuple):
            raise InputError(f"{what}: found a list with a {type(row).__name__}, expected {expected}")
        out.append(row if isinstance(row, Mapping) else row._asdict())
    return out


def _column(row: Mapping[str, Any], names: Sequence[str], what: str) -> Any:
    name = next((n for n in names if n in row), None)
    if name is None:
        present = ", ".join(map(str, list(row)[:8]))
        raise InputError(f"a table has no column with {what} ({', '.join(names)}): its columns are {present}")
    return row[name]


def _sorted(ids: list[str], values: Sequence[Any], ties: Ties, owner: str) -> tuple[list[str], bool]:
    scores: NDArray[Any]
    try:
        scores = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        scores = np.array([_number(v) for v in values], dtype=np.float64)
    if scores.ndim != 1:
        raise InputError(f"{owner}: the score of {ids[0]!r} is {values[0]!r}, not a number")
    if ties == "trec_eval":
        with np.errstate(over="ignore"):
            scores = scores.astype(np.float32)
    if not np.isfinite(scores).all():
        i = next(i for i, s in enumerate(scores) if not math.isfinite(s))
        reason = (
            "above the largest number of single precision"
            if math.isfinite(_number(values[i]))
            else "not a finite number"
        )
        raise InputError(f"{owner}: the score of {ids[i]!r} is {values[i]}, {reason}")
    order = np.argsort(np.negative(scores), kind="stable")
    tied = bool((np.diff(scores[order]) == 0).any())
    if tied and ties == "trec_eval":
        by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__, reverse=True))
        order = by_id[np.argsort(np.negative(scores[by_id]), kind="stable")]
    return [ids[i] for i in order], tied


def _number(value: Any) -> float:
    """A score as a number, NaN if it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def seen_documents(value: Any) -> dict[str, set[str]]:
    """Documents by query that are to be left out of an evaluation: ``{query: ids}``, rankings, judgements or a run, or
    the path of a TREC run or of judgements.

    >>> seen_documents({1: ["a", 2]}) == {"1": {"a", "2"}}
    True
    """
    if isinstance(value, str | os.PathLike):
        columns = next((raw.split() for _, raw in lines(Path(value)) if raw.strip()), [])
        value = read_run(value) if len(columns) == 6 else Judgements.of(value)
    if isinstance(value, Judgements):
        value = value.grades
    if isinstance(value, Mapping):  # their order says nothing here
        value = {q: list(ids) if isinstance(ids, set | frozenset) else ids for q, ids in value.items()}
    return {q: set(ids) for q, ids in lists(value, "residual")[0].items()}
