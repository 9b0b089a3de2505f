"""Reads and checks the values of a JSON request. Each function names the field that is wrong, and how."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

DEPTH = 100
"""Levels of nesting that a body may have: each reader of a value may recur into it."""
QUERY = 100_000
"""Characters of a query: it is read anew with each document."""


class Refusal(Exception):
    """A request that isn't answered: an HTTP status, a message for the client, and further headers.

    >>> Refusal(400, "query is missing").status
    400
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def read_json(body: bytes) -> dict[str, Any]:
    """The object of a request's body, its lone surrogates replaced (no answer could hold them). Raises Refusal on
    anything else, numbers that JSON doesn't have or that are too large, and nesting too deep to be read.

    >>> read_json(b'{"query": "x"}')
    {'query': 'x'}
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_number, parse_float=_finite)
        if b"\\u" in body:
            value = json.loads(clean(json.dumps(value, ensure_ascii=False)))
    except UnicodeDecodeError as error:
        raise Refusal(400, f"the body is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise Refusal(400, "the body is nested too deeply") from None
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {str(error)[:200]}") from None
    if _is_deeper(value, DEPTH):
        raise Refusal(400, f"the body is nested too deeply: at most {DEPTH} levels")
    if not isinstance(value, dict):
        raise Refusal(400, f"the body is a JSON {_kind(value)}: expected an object")
    return value


def _is_deeper(value: Any, most: int) -> bool:
    """Whether lists and objects are in each other more often than ``most``.

    >>> _is_deeper([[1], {"a": 2}], 2), _is_deeper([[[]]], 2)
    (False, True)
    """
    level: list[Any] = [value]
    for _ in range(most + 1):
        level = [v for v in level if isinstance(v, list | dict)]
        if not level:
            return False
        level = [inner for v in level for inner in (v.values() if isinstance(v, dict) else v)]
    return True


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:40]} is too large a number")
    return value


def text(value: Any, name: str) -> str:
    """A text that is not blank, its lone surrogates replaced. Raises Refusal."""
    if not isinstance(value, str):
        raise Refusal(400, f"{name} is {_kind(value)}: expected a text")
    if not value.strip():
        raise Refusal(400, f"{name} is empty")
    return clean(value)


def query_text(value: Any) -> str:
    """The text of a query, of bounded length. Raises Refusal.

    >>> query_text("capital of France")
    'capital of France'
    """
    query = text(value, "query")
    if len(query) > QUERY:
        raise Refusal(413, f"the query has {len(query):,} characters: at most {QUERY:,}")
    return query


def name(value: Any, field: str) -> str:
    """A text that may be missing, "" then. Raises Refusal.

    >>> name("mini", "model"), name(None, "model")
    ('mini', '')
    """
    if value is not None and not isinstance(value, str):
        raise Refusal(400, f"{field} is {_kind(value)}: expected a text")
    return clean(value or "")


def clean(value: str) -> str:
    """A text without lone surrogates, which no encoding has.

    >>> clean("a\\ud800b")
    'a?b'
    """
    return value.encode("utf-8", "replace").decode("utf-8")


def whole(value: Any, name: str, least: int = 0, most: int = 2**31) -> int | None:
    """A whole number within bounds, or None. Raises Refusal.

    >>> whole(3.0, "top_n"), whole(None, "top_n")
    (3, None)
    """
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(400, f"{name} is {_kind(value)}: expected a whole number")
    if not least <= value <= most:
        raise Refusal(400, f"{name} is {str(value)[:40]}: expected {least} to {most}")
    return value


def number(value: Any, name: str, above: float = 0.0) -> float | None:
    """A finite number above a bound, or None. Raises Refusal."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value < 1e9:
        raise Refusal(400, f"{name} is {str(value)[:40]}: expected a number above {above:g}")
    return float(value)


def flag(value: Any, name: str, otherwise: bool = False) -> bool:
    """True or False. Raises Refusal on anything else but None."""
    if value is None:
        return otherwise
    if not isinstance(value, bool):
        raise Refusal(400, f"{name} is {_kind(value)}: expected true or false")
    return value


def first(body: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The first of the names that a body has a value for."""
    return next((n for n in names if body.get(n) is not None), None)


def _kind(value: Any) -> str:
    """What a JSON value is, in words.

    >>> [_kind(v) for v in ([], None, True, 1, "x", {})]
    ['a list', 'null', 'a truth value', 'a number', 'a text', 'an object']
    """
    names: dict[type, str] = {list: "a list", dict: "an object", str: "a text", bool: "a truth value"}
    return "null" if value is None else names.get(type(value), "a number")
