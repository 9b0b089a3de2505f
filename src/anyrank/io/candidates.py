"""Candidate lists as JSON lines: one query with its documents a line, for pipes and for rank_llm's files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from numbers import Real
from typing import Any

from ..core.content import images_of, is_blank, parts_of, text_of
from ..core.display import ranking_to_dict as ranking_to_dict
from ..core.errors import InputError, listed, quoted, reason
from ..core.trace import Step, Usage
from ..core.types import Candidate, Query, Ranking
from .corpus import DOCUMENT
from .files import File, empty, label
from .records import Record, first_of, id_of, json_lines, text_field

_LISTS = ("documents", "candidates", "hits", "ranking")
_QUERY_IDS = ("qid", "id", "_id", "query_id")
_NOT_META = {*_LISTS, *_QUERY_IDS, "query", "text", "content", "status", "cost", "trace"}
TEXTS = (*DOCUMENT.text, "passage", "segment")
"""The fields of a candidate that may hold its text; the first one present counts."""
_COUNTS = [f.name for f in fields(Usage) if f.name != "repairs"]


def read_rankings(path: File, most: int | None = None) -> Iterator[Ranking]:
    """The candidate lists of a file or stdin (``-``), one at a time; queries without an id are called q1, q2, … by
    their position. ``most`` bounds the bytes of a list, as in `json_lines`.

    Raises InputError, with the line, on what ``ranking_from_dict`` refuses, a query id that appears twice, and an empty
    file.
    """
    seen: dict[str, int] = {}
    for number, (n, record) in enumerate(json_lines(path, most), 1):
        try:
            ranking = ranking_from_dict(record, f"q{number}")
        except InputError as error:
            raise InputError(str(error), path=label(path), line=n) from None
        id = ranking.query.id
        if id in seen:
            what = f"query id {quoted(id)} appears twice, first in line {seen[id]}"
            raise InputError(what, path=label(path), line=n)
        seen[id] = n
        yield ranking
    if not seen:
        raise empty(path, 'candidate lists, such as {"query": "…", "documents": ["…"]}')


def ranking_from_dict(record: Record, id: str = "q") -> Ranking:
    """One candidate list, in its given order, from any of three forms:

    ``{"query": "…", "documents": ["…" | {"id", "text", …}]}``, ids defaulting to positions from "0";
    rank_llm's ``{"query": {"text", "qid"}, "candidates": [{"docid", "score", "doc"}]}``;
    and the output of ``ranking_to_dict``. Scores that fall are kept; other fields go to ``meta``.

    Query and documents may be images: ``{"image": …}`` without a text, or ``{"content": {"text": …, "image": …}}``,
    or a ``content`` that is a list of texts and such mappings. An image is a path, an http(s) URL, a data: URL or
    base64.

    Raises InputError on a missing query or list, an empty query text, ids that appear twice, a document without content
    or id, and a score that isn't a finite number.

    >>> r = ranking_from_dict({"query": "capital of France", "documents": ["Lyon", {"id": "p", "text": "Paris"}]})
    >>> [(c.id, c.content, c.score) for c in r]
    [('0', 'Lyon', 2.0), ('p', 'Paris', 1.0)]
    """
    query = query_from_dict(record, id)
    name = next((n for n in _LISTS if n in record), None)
    if name is None or not isinstance(record[name], list):
        raise InputError("expected a list named documents, candidates or ranking")
    candidates: list[Candidate] = []
    scores: dict[int, float] = {}
    for i, item in enumerate(record[name]):
        try:
            member = candidate(item, str(i), texts=name != "ranking")
        except InputError as error:
            raise InputError(f"{name}[{i}]: {error}") from None
        candidates.append(member)
        if not math.isnan(member.score):
            scores[i] = member.score
    ranking = Ranking(query, tuple(candidates))
    ranking = ranking.ordered(scores if len(scores) == len(candidates) else range(len(candidates)))
    trace = record.get("trace") or []
    if not isinstance(trace, list):
        raise InputError(f"the trace is {type(trace).__name__}: expected a list of steps")
    return ranking.with_step(*map(step_from_dict, trace))


def ranking_to_rank_llm(ranking: Ranking) -> dict[str, Any]:
    """A ranking in rank_llm's form, for its programs."""
    query = {"text": text_of(ranking.query.content), "qid": ranking.query.id}
    candidates = [
        {"docid": c.id, "score": c.score, "doc": {"contents": None if c.content is None else text_of(c.content)}}
        for c in ranking
    ]
    return {"query": query, "candidates": candidates}


def query_from_dict(record: Record, id: str) -> Query:
    """The query of a record's field ``query``, a text or a mapping, under this id if it has none. Raises InputError on
    a missing or empty one."""
    if "query" not in record:
        raise InputError(f"no query: expected a field query, found {listed(record)}")
    value = record["query"]
    inner = value if isinstance(value, dict) else {}
    content = (
        _content(inner, ("text", "content"), "query text") if inner else text_field(record, ("query",), "query")[1]
    )
    if isinstance(content, str) and is_blank(content):
        raise InputError("the query text is empty")
    content_fields = {"image"} if isinstance(content, dict) else set()
    meta = {k: v for k, v in {**record, **inner}.items() if k not in _NOT_META | content_fields}
    for holder in (inner, record):
        if any(n in holder for n in _QUERY_IDS):
            return Query(id_of(holder, _QUERY_IDS, "query id")[1], content, meta)
    hits = record.get("hits")  # an older form of rank_llm's, where each hit has the query's id
    if isinstance(hits, list) and hits and isinstance(hits[0], dict) and "qid" in hits[0]:
        return Query(id_of(hits[0], ("qid",), "query id")[1], content, meta)
    return Query(id, content, meta)


def _content(record: Record, names: tuple[str, ...], what: str) -> Any:
    """The content in a record's field: a text unchanged; a list, an object or (if there is no such field) the record's
    ``image`` as `parts_of` reads them. Raises InputError if that is impossible, and on a list or object without
    parts."""
    name = first_of(record, names)
    if name is None and record.get("image"):
        content: Any = {"image": record["image"]}
        nothing = not images_of(content)
    elif name is not None and isinstance(record[name], dict | list):
        content = record[name]
        nothing = not parts_of(content)
    else:
        return text_field(record, names, what)[1]
    if nothing:
        raise InputError(f"the {what} ({name or 'image'}) holds neither a text nor an image")
    return content


def candidate(item: Any, name: str, texts: bool = True) -> Candidate:
    """One document, a text or a mapping; its score is NaN and its id ``name`` if it has none. With ``texts`` it must
    have a content."""
    if isinstance(item, str):
        return Candidate(name, item, math.nan)
    if not isinstance(item, dict):
        raise InputError(f"expected a text or an object, found {type(item).__name__}")
    has_id = any(item.get(n) is not None for n in DOCUMENT.id)
    id_name, id = id_of(item, DOCUMENT.id, "document id") if has_id else ("", name)
    doc = item.get("doc")
    body: Record = {"text": doc} if isinstance(doc, str) else doc if isinstance(doc, dict) else item
    content: Any = None
    if texts or body.get("image") or any(n in body for n in TEXTS):
        content = _content(body, TEXTS, "document text")
    title = body.get("title")
    if isinstance(content, str) and isinstance(title, str):
        content = f"{title} {content}".strip()
    elif isinstance(content, dict) and isinstance(title, str):
        content = {"title": title, **content}
    content_name = first_of(body, TEXTS) or ("image" if content is not None else "")
    known = (id_name, content_name, "doc", "score", "index", *(("qid", "rank") if "docid" in item else ()))
    meta = {k: v for k, v in {**item, **body}.items() if k not in known}
    if isinstance(inner := item.get("meta"), dict):  # as `ranking_to_dict` writes the fields
        meta = {**inner, **{k: v for k, v in meta.items() if k != "meta"}}
    return Candidate(id, content, score_of(item.get("score")), meta)


def score_of(value: Any) -> float:
    """A score as a float, NaN for None. Raises InputError on anything but a finite number."""
    if value is None:
        return math.nan
    try:
        score = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # a whole number beyond all floats
        score = math.inf
    if not math.isfinite(score):
        raise InputError(f"expected a finite number as score, found {quoted(value)}")
    return score


def step_from_dict(record: Mapping[str, Any]) -> Step:
    """A step of a trace from ``Step.as_dict``'s form."""
    try:
        counts = {n: int(record[n]) for n in _COUNTS if n in record}
        usage = Usage(**counts, repairs=dict(record.get("repairs") or {}))
        seconds, notes = float(record.get("seconds", 0.0)), tuple(record.get("notes", ()))
        cut = tuple(map(str, record.get("cut", ())))
        return Step(str(record["name"]), seconds, usage, notes, bool(record.get("untouched", False)), cut=cut)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"a step of the trace can't be read: {reason(error)}") from None
