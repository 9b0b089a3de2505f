"""Groups as JSON lines: our own form and FlagEmbedding's. Contents are texts, or the JSON of other kinds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..core.content import text_of
from ..core.errors import InputError
from ..io.files import File
from ..io.records import Record, first_of, id_of, json_lines, parsed, text_field, write_jsonl
from .group import Group

_IDS = ("id", "_id", "qid", "query_id")


def read_groups(path: File, *, scores: bool = True) -> Iterator[Group]:
    """The groups of a file or stdin (``-``), one at a time, each line in either form of ``group_from_dict``.

    Raises InputError, with the line, on what ``group_from_dict`` refuses, and on an empty file.
    """
    expected = 'groups, such as {"query": "…", "pos": ["…"], "neg": ["…"]}'
    return parsed(path, json_lines(path), lambda r: group_from_dict(r, scores=scores), expected)


def write_groups(path: File, groups: Iterable[Group]) -> None:
    """Groups in our own form, whole or not at all. Such a file is also a file of queries to every command."""
    write_jsonl(path, map(group_to_dict, groups))


def group_from_dict(record: Record, *, scores: bool = True) -> Group:
    """A group from ``group_to_dict``'s form, or FlagEmbedding's ``query, pos[], neg[]`` with ``pos_scores[],
    neg_scores[]`` (a teacher's) as labels, if it has them, beside grades of 1 and 0; else, and without ``scores``,
    these are the labels.

    Raises InputError on a missing or empty query, no texts, a content of another type, scores that aren't finite
    numbers or not one for each text, and scores of only one side.

    >>> group_from_dict({"query": "why?", "pos": ["so"], "neg": ["no", "nay"]}).labels
    (1.0, 0.0, 0.0)
    """
    query = _query(record)
    id = id_of(record, _IDS, "query id")[1] if first_of(record, _IDS) else ""
    if "texts" in record:
        texts, labels = _texts(record, "texts"), _numbers(record, "labels")
        ids = tuple(map(str, _list(record, "ids"))) if "ids" in record else ()
        priors, grades = (_numbers(record, name) if name in record else () for name in ("priors", "grades"))
        return Group.from_texts(query, texts, labels, id, ids, priors, grades)
    if "pos" not in record:
        raise InputError(f"expected the fields texts and labels, or pos and neg; found {', '.join(record)}")
    positive, negative = _texts(record, "pos"), _texts(record, "neg") if record.get("neg") else ()
    labels = (1.0,) * len(positive) + (0.0,) * len(negative)
    if scores and any(record.get(name) is not None for name in ("pos_scores", "neg_scores")):
        taught = _sides(record, len(positive), len(negative))
        return Group.from_texts(query, positive + negative, taught, id, grades=labels)
    return Group.from_texts(query, positive + negative, labels, id)


def group_to_dict(group: Group) -> dict[str, Any]:
    """A group, JSON-ready: ``query``, ``texts``, ``labels``, and ``id``, ``ids``, ``priors``, ``grades`` if it has
    them. Raises InputError if a content can't be written as JSON (an image, a spectrum).

    >>> group_to_dict(Group.from_texts("why?", ("so", "no"), (1.0, 0.0), id="7"))
    {'id': '7', 'query': 'why?', 'texts': ['so', 'no'], 'labels': [1.0, 0.0]}
    """
    contents = [_plain(c.content, group) for c in group.candidates]
    always = {"query": _plain(group.query, group), "texts": contents, "labels": list(group.labels)}
    more = {"ids": list(group.ids), "priors": list(group.priors), "grades": list(group.grades)}
    return {**({"id": group.id} if group.id else {}), **always, **{k: v for k, v in more.items() if v}}


def _query(record: Record) -> Any:
    """The content of a query: a text, or a mapping."""
    value = record.get("query")
    query = value if isinstance(value, Mapping) else text_field(record, ("query",), "query")[1]
    if not text_of(query).strip():
        raise InputError("the query is empty")
    return query


def _plain(content: Any, group: Group) -> Any:
    """A content as it is written: a text, or a JSON value."""
    if isinstance(content, str):
        return content
    try:
        return json.loads(json.dumps(content))
    except (TypeError, ValueError):
        raise InputError(f"{group.name}: a content of type {type(content).__name__} can't be written as JSON") from None


def _sides(record: Record, positives: int, negatives: int) -> tuple[float, ...]:
    """A teacher's scores of both sides."""
    out: tuple[float, ...] = ()
    for side, count in (("pos", positives), ("neg", negatives)):
        scores = _numbers(record, f"{side}_scores") if count else ()
        if len(scores) != count:
            raise InputError(f"{len(scores)} {side}_scores for {count} texts in {side}")
        out += scores
    return out


def _list(record: Record, name: str) -> list[Any]:
    value = record.get(name)
    if not isinstance(value, list):
        raise InputError(f"{name} is {'missing' if value is None else type(value).__name__}: expected a list")
    return value


def _texts(record: Record, name: str) -> tuple[Any, ...]:
    contents = _list(record, name)
    for position, content in enumerate(contents):
        if not isinstance(content, str | Mapping | list):
            raise InputError(f"{name}[{position}] is {type(content).__name__}: expected a text")
    if not contents:
        raise InputError(f"{name} is empty: expected at least one text")
    return tuple(tuple(c) if isinstance(c, list) else c for c in contents)


def _numbers(record: Record, name: str) -> tuple[float, ...]:
    numbers = _list(record, name)
    for position, value in enumerate(numbers):
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise InputError(f"{name}[{position}] is {value!r}: expected a finite number")
    return tuple(map(float, numbers))
