"""Kinds of values that a field holds, and the check that a condition compares it with one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..core.errors import InputError
from .filters import Condition, parts_of_text
from .terms import DECIMAL, Range, equal_terms, moment_of

KINDS = ("numbers", "dates", "booleans", "texts")


def kinds_of(value: Any) -> set[str]:
    """The kinds of values that a stored value may be compared with.

    >>> sorted(kinds_of("1990")), kinds_of("abc"), kinds_of(True)
    (['numbers', 'texts'], {'texts'}, {'booleans'})
    """
    if isinstance(value, bool):
        return {"booleans"}
    if not isinstance(value, str):
        return {"numbers"}
    if value.lower() in ("true", "false"):
        return {"booleans", "texts"}
    if DECIMAL.fullmatch(value):
        return {"numbers", "texts"}
    return {"dates", "texts"} if moment_of(value) is not None else {"texts"}


def stored_kinds(values: Iterable[Any]) -> set[str]:
    """The kinds of a field's values: texts that are all numbers, dates or truth values are these, whatever is
    empty."""
    out: set[str] = set()
    for value in values:
        kinds = kinds_of(value)
        out |= (kinds - {"texts"} or kinds) if value != "" else set()
    return out or {"texts"}


def check_kinds(condition: Condition, stored: set[str], example: Any, known: Callable[[str], bool]) -> None:
    """Raises InputError if a condition compares a field with a value of a kind that the field doesn't hold, such as a
    number with a word: no document could pass, or all would. ``known``: whether any document has a term."""
    for value in condition.values:
        if isinstance(value, Range):
            ends = [end for end in (value.low, value.high) if end is not None]
            wrong = [e for e in ends if not (kinds_of(e) - {"texts", "booleans"}) & stored]
            if not ends and not stored & {"numbers", "dates"}:
                wrong = ["a range"]
        elif kinds_of(value) & stored or any(map(known, equal_terms(condition.field, value))):
            wrong = []
        else:  # of a text with commas its parts are alternatives, and checked
            parts = parts_of_text(value) if isinstance(value, str) else []
            wrong = (
                [] if len(parts) > 1 and set(parts) <= {v for v in condition.values if isinstance(v, str)} else [value]
            )
        if wrong:
            if isinstance(example, float) and example.is_integer():
                example = int(example)  # as users wrote it: terms hold all numbers as floats
            held = " and ".join(kind for kind in KINDS if kind in stored)
            raise InputError(
                f"the field {condition.field!r} holds {held}, such as {example!r:.60}, and can't be compared with "
                f"{wrong[0]!r:.60}"
            )
