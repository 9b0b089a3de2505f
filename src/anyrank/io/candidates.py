"""Candidate lists as JSON lines: one query with its documents a line, for pipes and for rank_llm's files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from ..core.errors import InputError
from ..core.trace import Step, Usage
from ..core.types import Candidate, Query, Ranking
from .corpus import DOCUMENT
from .files import File, empty, label
from .records import Record, id_of, json_lines, text_of

_LISTS = ("documents", "candidates", "ranking")
_QUERY_IDS = ("qid", "id", "_id", "query_id")
_NOT_META = {*_LISTS, *_QUERY_IDS, "query", "text", "content", "status", "cost", "trace"}
_TEXTS = (*DOCUMENT.text, "passage", "segment")
_COUNTS = [f.name for f in fields(Usage) if f.name != "repairs"]


def read_rankings(path: File) -> Iterator[Ranking]:
    """The candidate lists of a file or stdin (``-``), one at a time; queries without an id are called q1, q2, … by
    their place.

    Raises InputError, with the line, on what ``ranking_from_dict`` refuses, a query id that stands twice, and an empty
    file.
    """
    seen: dict[str, int] = {}
    for place, (n, record) in enumerate(json_lines(path), 1):
        try:
            ranking = ranking_from_dict(record, f"q{place}")
        except InputError as error:
            raise InputError(str(error), path=label(path), line=n) from None
        id = ranking.query.id
        if id in seen:
            what = f"query id {id!r} stands twice, first in line {seen[id]}"
            raise InputError(what, path=label(path), line=n)
        seen[id] = n
        yield ranking
    if not seen:
        raise empty(path, 'candidate lists, such as {"query": "…", "documents": ["…"]}')


def ranking_from_dict(record: Record, id: str = "q") -> Ranking:
    """One candidate list, in its given order, from any of three forms:

    ``{"query": "…", "documents": ["…" | {"id", "text", …}]}``, ids defaulting to places from "0";
    rank_llm's ``{"query": {"text", "qid"}, "candidates": [{"docid", "score", "doc"}]}``;
    and what ``ranking_to_dict`` makes. Scores are kept where they fall; other fields go to ``meta``.

    Raises InputError on a missing query or list, an empty query text, ids that stand twice, a document without text
    or id, and a score that isn't a finite number.

    >>> r = ranking_from_dict({"query": "capital of France", "documents": ["Lyon", {"id": "p", "text": "Paris"}]})
    >>> [(c.id, c.content, c.score) for c in r]
    [('0', 'Lyon', 2.0), ('p', 'Paris', 1.0)]
    """
    query = _query(record, id)
    name = next((n for n in _LISTS if n in record), None)
    if name is None or not isinstance(record[name], list):
        raise InputError(f"expected a list named {', '.join(_LISTS[:-1])} or {_LISTS[-1]}")
    found: list[Candidate] = []
    scores: dict[int, float] = {}
    for place, item in enumerate(record[name]):
        try:
            candidate = _candidate(item, place, texts=name != "ranking")
        except InputError as error:
            raise InputError(f"{name}[{place}]: {error}") from None
        found.append(candidate)
        if not math.isnan(candidate.score):
            scores[place] = candidate.score
    ranking = Ranking(query, tuple(found))
    ranking = ranking.ordered(scores if len(scores) == len(found) else range(len(found)))
    trace = record.get("trace") or []
    if not isinstance(trace, list):
        raise InputError(f"the trace is {type(trace).__name__}: expected a list of steps")
    return ranking.with_step(*map(step_from_dict, trace))


def ranking_to_dict(ranking: Ranking, origin: Ranking | None = None, *, texts: bool = False) -> dict[str, Any]:
    """A ranking, JSON-ready: query, the candidates best first, status, cost and trace.

    ``origin`` is the ranking before it was reranked: with it every candidate says its ``index`` there. ``texts`` adds
    the candidates' contents. Their ``meta`` is left out.
    """
    places = {} if origin is None else {c.id: i for i, c in enumerate(origin)}

    def item(c: Candidate) -> dict[str, Any]:
        index = {"index": places[c.id]} if c.id in places else {}
        return {"id": c.id, **index, "score": c.score, **({"text": c.content} if texts else {})}

    cost = ranking.cost.as_dict()
    return {
        "query": ranking.query.content,
        "qid": ranking.query.id,
        "ranking": [item(c) for c in ranking],
        "status": ranking.status,
        "cost": {k: v for k, v in cost.items() if k not in ("name", "status", "notes")},
        "trace": [s.as_dict() for s in ranking.trace],
    }


def ranking_to_rank_llm(ranking: Ranking) -> dict[str, Any]:
    """A ranking in rank_llm's form, for its programs."""
    query = {"text": ranking.query.content, "qid": ranking.query.id}
    found = [{"docid": c.id, "score": c.score, "doc": {"contents": c.content}} for c in ranking]
    return {"query": query, "candidates": found}


def _query(record: Record, id: str) -> Query:
    if "query" not in record:
        raise InputError(f"no query: expected a field query, found {', '.join(record) or 'none'}")
    value = record["query"]
    inner = value if isinstance(value, dict) else {}
    text = text_of(inner, ("text", "content"), "query text")[1] if inner else text_of(record, ("query",), "query")[1]
    if not text.strip():
        raise InputError("the query text is empty")
    meta = {k: v for k, v in {**record, **inner}.items() if k not in _NOT_META}
    for holder in (inner, record):
        if any(n in holder for n in _QUERY_IDS):
            return Query(id_of(holder, _QUERY_IDS, "query id")[1], text, meta)
    return Query(id, text, meta)


def _candidate(item: Any, place: int, texts: bool) -> Candidate:
    """One document; its score is NaN where it has none. ``texts``: whether it must have a text."""
    if isinstance(item, str):
        return Candidate(str(place), item, math.nan)
    if not isinstance(item, dict):
        raise InputError(f"expected a text or an object, found {type(item).__name__}")
    named = any(n in item for n in DOCUMENT.id)
    id_name, id = id_of(item, DOCUMENT.id, "document id") if named else ("", str(place))
    doc = item.get("doc")
    body: Record = {"text": doc} if isinstance(doc, str) else doc if isinstance(doc, dict) else item
    text_name, text = "", None
    if texts or any(n in body for n in _TEXTS):
        text_name, text = text_of(body, _TEXTS, "document text")
    title = body.get("title")
    if text is not None and isinstance(title, str):
        text = f"{title} {text}".strip()
    meta = {k: v for k, v in {**item, **body}.items() if k not in (id_name, text_name, "doc", "score", "index")}
    return Candidate(id, text, _score(item), meta)


def _score(item: Record) -> float:
    value = item.get("score")
    if value is None:
        return math.nan
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < math.inf:
        raise InputError(f"expected a finite number as score, found {value!r}")
    return float(value)


def step_from_dict(record: Mapping[str, Any]) -> Step:
    """A step of a trace from ``Step.as_dict``'s form."""
    try:
        counts = {n: int(record[n]) for n in _COUNTS if n in record}
        usage = Usage(**counts, repairs=dict(record.get("repairs") or {}))
        seconds, notes = float(record.get("seconds", 0.0)), tuple(record.get("notes", ()))
        return Step(str(record["name"]), seconds, usage, notes, bool(record.get("untouched", False)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"a step of the trace can't be read: {type(error).__name__}: {error}") from None
