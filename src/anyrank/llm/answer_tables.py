"""Answers that are tables: JSON objects and nested lists, and a score or rank for each label."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_IDS = ("id", "label", "passage", "document", "doc", "passage_id", "document_id", "doc_id", "docid", "pid",
        "identifier", "index", "number", "name", "text", "option")  # fmt: skip
_RANKS = ("rank", "ranking", "position", "order", "place")
_SCORES = ("score", "relevance", "relevance_score", "rating", "value")
_OPENING = re.compile(r"\[\s*[{\[]|\{")
_RANK_FIRST = re.compile(
    r"^[ \t|]*(?:rank|ranking|position|place|order|#|no\.?)[ \t]*\|[ \t]*"
    r"(?:passage|document|doc|text|label|id|identifier)",
    re.IGNORECASE | re.MULTILINE,
)
_DECIMAL = re.compile(r"\s*-?\d{1,9}(?:\.\d{1,9})?\s*")
_NEXT = re.compile(r"[\s,;]*\{")
_SINGLE_QUOTED = re.compile(r"'([^'\"\n]*)'")
_BARE_LETTERS = re.compile(r"(?<=[\[,\s])([A-Z]{1,2})(?=[\],\s])")
_DECODER = json.JSONDecoder()


def names_in_json(answer: str, name: str) -> list[str] | None:
    """The labels in the order that a JSON object, or a list of objects or lists, gives them; None if the answer has
    none. ``name`` is the pattern of a bare label.

    >>> names_in_json('[{"id": 1, "rank": 2}, {"id": "[3]", "rank": 1}]', r"\\d+")
    ['3', '1']
    """
    if (opening := _OPENING.search(answer)) is None:
        return None
    for text in (answer, _SINGLE_QUOTED.sub(r'"\1"', answer), _BARE_LETTERS.sub(r'"\1"', answer)):
        try:
            value, end = _DECODER.raw_decode(text, opening.start())
            rows = [value]
            while isinstance(value, dict) and (after := _NEXT.match(text, end)):  # one object a line
                row, end = _DECODER.raw_decode(text, after.end() - 1)
                rows.append(row)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, list) and not isinstance(value[0], dict):
            return _nested(value, text[end:], name)
        return _ordered(rows if len(rows) > 1 else value, re.compile(rf"[\W_]*(?:[A-Za-z]{{2,}}[\W_]*)?({name})[\W_]*"))
    return None


def _nested(value: list[Any], rest: str, name: str) -> list[str] | None:
    """The labels of a list of lists (of equals, or of one each); none of pairs of a label and a number, which may be
    its rank or its score; None if it isn't the whole list, or holds anything else."""
    if len(value) > 1 and all(isinstance(v, list) and len(v) == 2 and type(v[1]) in (int, float) for v in value):
        return []
    label = re.compile(rf"[\W_]*(?:[A-Za-z]{{2,}}[\W_]*)?({name})[\W_]*")
    names = [_name(item, label) for item in _flat(_flat(value))]
    whole = len(names) > 1 and all(names) and not re.match(r"\s*[>,\[]", rest)
    return [n for n in names if n] if whole else None


def _flat(items: Sequence[Any]) -> list[Any]:
    """The items, and in place of a list its items."""
    return [inner for item in items for inner in (item if isinstance(item, list) else [item])]


def _ordered(value: Any, label: re.Pattern[str], about: str = "") -> list[str] | None:
    """The labels of a decoded value; ``about`` is the key that it stood under."""
    if isinstance(value, list):
        if value and all(isinstance(item, dict) for item in value):
            return _records(value, label)
        if len(value) > 1 and all(isinstance(v, list) and len(v) == 2 and type(v[1]) in (int, float) for v in value):
            return []
        listed = [_name(item, label) for item in _flat(value)]
        return [n for n in listed if n] if listed and all(listed) else None
    if not isinstance(value, dict):
        return None
    for key, inner in value.items():
        if isinstance(inner, list | dict) and (names := _ordered(inner, label, str(key))):
            return names
    keys = [_name(key, label) for key in value]
    numbers = list(value.values())
    if all(keys) and numbers and all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers):
        return by_number([n for n in keys if n], numbers, about)
    if len(value) == 1 and (only := _name(next(iter(value.values())), label)):  # {"best": 3}
        return [only]
    return _records([value], label)


def _records(records: Sequence[Mapping[str, Any]], label: re.Pattern[str]) -> list[str] | None:
    fields = [{str(k).lower(): v for k, v in record.items()} for record in records]
    id_key = next((key for key in _IDS if all(_name(f.get(key), label) for f in fields)), "")
    if not id_key:  # any other field, if only one holds labels
        others = [k for k in fields[0] if k not in (*_RANKS, *_SCORES) and all(_name(f.get(k), label) for f in fields)]
        if len(others) != 1:
            return None
        id_key = others[0]
    names = [_name(f[id_key], label) or "" for f in fields]
    for keys, sign in ((_RANKS, 1), (_SCORES, -1)):
        for key in keys:
            numbers = [_number(f.get(key)) for f in fields]
            if all(v is not None for v in numbers):
                return _sorted(names, [sign * v for v in numbers if v is not None])
    return names


def _number(value: Any) -> float | None:
    """A number, also one written as a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        value = value.strip() if _DECIMAL.fullmatch(value) else "nan"
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _name(value: Any, label: re.Pattern[str]) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str) or len(text := str(value)) > 40:
        return None
    return match[1] if (match := label.fullmatch(text)) else None


def names_by_score(answer: str, name: str) -> list[str] | None:
    """The labels of an answer that gives each label, on a line of its own or after a comma, a score or rank; None for
    other answers.

    >>> names_by_score("[1]: 5\\n[2]: 1\\n[3]: 9", r"\\d+")
    ['3', '1', '2']
    """
    row = re.compile(
        rf"(?:^|[,;:])[ \t]*(?:[-*•|][ \t]*)?[\[('\"*]{{0,4}}(?i:passage|document|doc|text|option)?[ \t]?"
        rf"[\[(#]?({name})"
        rf"[\])'\"*]{{0,4}}"
        rf"[ \t]*(?:[:=|–-]|(?=(?i:relevance|score)\b)|\((?=(?i:relevance|score)|\d{{1,3}}(?:\.\d+)?[ \t]?[/%)]))"
        rf"[ \t]*(?i:relevance|score|rank|:|=|[ \t]){{0,8}}"
        rf"(-?\d{{1,9}}(?:\.\d{{1,9}})?)(?![\w.]*\])",
        re.MULTILINE,
    )
    rows = list(row.finditer(answer))
    if _RANK_FIRST.search(answer):  # a table whose labels are its second column
        if len(rows) < 2 or not all(m[2].isdecimal() and m[1].isdecimal() for m in rows):
            return None
        return _sorted([m[2] for m in rows], [float(m[1]) for m in rows])
    names = [m[1] for m in rows]
    if len(rows) < 2 or len(set(names)) < len(names):
        return None
    return by_number(names, [float(m[2]) for m in rows], answer)


def by_number(names: Sequence[str], numbers: Sequence[float], about: str) -> list[str]:
    """The names by falling score, or by rising rank where ``about`` speaks of ranks. Numbers 1 to n in any order, of
    which nothing says whether they are scores or ranks, give none."""
    ranks = re.search(r"\brank|position", about, re.IGNORECASE)
    scores = re.search(r"scor|relevan", about, re.IGNORECASE)
    if not ranks and not scores and sorted(numbers) == list(range(1, len(numbers) + 1)):
        return []
    return _sorted(names, [v if ranks and not scores else -v for v in numbers])


def _sorted(names: Sequence[str], keys: Sequence[float]) -> list[str]:
    return [names[i] for i in sorted(range(len(names)), key=keys.__getitem__)]
