"""Runs as dicts and as data frames in PyTerrier's columns: qid, query, docno, text, score, rank."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from ..core.errors import InputError, MissingExtra, listed, quoted
from ..core.types import Candidate, Query, Ranking, strict

_COLUMNS = ("qid", "query", "docno", "text", "score", "rank")


@runtime_checkable
class PandasTable(Protocol):
    """A table as pandas has it."""

    columns: Any

    def to_dict(self, orient: str) -> Any: ...


@runtime_checkable
class PolarsTable(Protocol):
    """A table as polars has it."""

    columns: Any

    def to_dicts(self) -> list[dict[str, Any]]: ...


@runtime_checkable
class ArrowTable(Protocol):
    """A table as pyarrow has it."""

    column_names: Any

    def to_pylist(self) -> list[dict[str, Any]]: ...


TABLES = PandasTable | PolarsTable | ArrowTable


def table_rows(value: Any) -> list[dict[str, Any]] | None:
    """The rows of a table as dicts; None if the value is no table."""
    match value:
        case PolarsTable():
            return value.to_dicts()
        case ArrowTable():
            return value.to_pylist()
        case PandasTable():
            names = list(value.columns)
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise InputError(f"two columns of the table are called {quoted(twice)}: rename or drop one")
            return list(value.to_dict("records"))
    return None


def run_to_dict(rankings: Iterable[Ranking]) -> dict[str, dict[str, float]]:
    """{query id: {document id: score}}, scores strictly falling, as ir_measures and ranx read runs.

    >>> run_to_dict([Ranking.of("why?", ["a", "b"])])
    {'q': {'0': 2.0, '1': 1.0}}
    """
    return {r.query.id: dict(zip(r.ids, strict(r.scores))) for r in rankings}


def rankings_from_dict(
    run: Mapping[str, Mapping[str, float]],
    queries: Mapping[str, Any] | None = None,
    texts: Mapping[str, Any] | None = None,
) -> list[Ranking]:
    """The rankings of a dict of dicts, by falling score; ``queries`` and ``texts`` are contents by id.

    Raises InputError on a score that isn't a finite number, and an id that ``queries`` or ``texts`` lacks.
    """
    out = []
    for q, scores in run.items():
        query = Query(q, "" if queries is None else _look_up("query", queries, q))
        text = {} if texts is None else {d: _look_up("document", texts, d) for d in scores}
        out.append(_best_first(query, [Candidate(d, text.get(d), s) for d, s in scores.items()]))
    return out


def to_frame(rankings: Iterable[Ranking]) -> Any:
    """A pandas data frame, a row a candidate; ranks from 0, scores strictly falling. Needs pandas."""
    try:
        import pandas
    except ModuleNotFoundError:
        raise MissingExtra("pandas", extra="datasets") from None
    return pandas.DataFrame(list(to_rows(rankings)), columns=list(_COLUMNS))


def to_rows(rankings: Iterable[Ranking]) -> Iterator[dict[str, Any]]:
    """The rows of ``to_frame`` as dicts."""
    for r in rankings:
        for rank, (c, score) in enumerate(zip(r, strict(r.scores))):
            yield dict(zip(_COLUMNS, (r.query.id, r.query.content, c.id, c.content, score, rank)))


def from_frame(frame: Any) -> list[Ranking]:
    """The rankings of a data frame (anything with ``to_dict("records")``) or of its rows as dicts.

    Needs the column qid; reads query, docno, text and score if present. Rows without docno are queries alone, rows
    without score keep their order. All other columns except rank go to the candidates' ``meta``.

    Raises InputError on a missing qid, a score that isn't a finite number, and a document that appears twice.
    """
    rows = frame.to_dict("records") if hasattr(frame, "to_dict") else frame
    queries: dict[str, Query] = {}
    candidates: dict[str, list[Candidate]] = {}
    for n, row in enumerate(rows):
        if "qid" not in row:
            raise InputError(f"row {n} has no column qid (columns: {listed(row)})")
        q = str(row["qid"])
        queries.setdefault(q, Query(q, row.get("query", "")))
        members = candidates.setdefault(q, [])
        if "docno" in row:
            text, score = row.get("text"), row.get("score", -float(len(members)))
            meta = {k: v for k, v in row.items() if k not in _COLUMNS}
            members.append(Candidate(str(row["docno"]), None if text != text else text, score, meta))
    return [_best_first(query, candidates[q]) for q, query in queries.items()]


def _best_first(query: Query, candidates: list[Candidate]) -> Ranking:
    checked = []
    for c in candidates:
        try:
            score = float(c.score)
        except (TypeError, ValueError):
            score = math.nan
        if not math.isfinite(score):
            which = f"document {quoted(c.id)} of query {quoted(query.id)}"
            what = f"{which} has the score {quoted(c.score)}: expected a finite number"
            raise InputError(what)
        checked.append(replace(c, score=score))
    return Ranking(query, tuple(sorted(checked, key=lambda c: -c.score)))


def _look_up(kind: str, contents: Mapping[str, Any], id: str) -> Any:
    if id not in contents:
        raise InputError(f"unknown {kind} id {quoted(id)}: no content given for it")
    return contents[id]
