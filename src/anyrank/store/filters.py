"""Filters on fields: equality, ranges and their opposites, read from Python values or from texts.

Fields are stored as terms (`terms`), so that a filter is a plain look-up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..core.errors import InputError
from .terms import LONGEST, Range, equal_terms, number_of, range_terms

_SIGN = re.compile(r"\s*(?P<field>[^=<>!]*[^=<>!\s])\s*(?P<sign>!=|>=|<=|==?|>|<)\s*(?P<value>.*)", re.DOTALL)
SIGNS = ("=", "!=", ">=", "<=", ">", "<")
FORMS = "field=value, field!=value, field=low..high, field>=low or field<high"


@dataclass(frozen=True, slots=True)
class Condition:
    """A field has any of these values (texts, numbers, booleans, dates, `Range`), or, ``negated``, none of them. A
    field that holds a list has all its members; a document without the field passes negated conditions alone."""

    field: str
    values: tuple[Any, ...]
    negated: bool = False

    def terms(self) -> list[str]:
        """The terms of which a document has one if it has one of the values. Raises InputError on a value of a type
        that can't be compared, a text that is too long to be indexed, and an empty range."""
        out: dict[str, None] = {}
        for value in self.values:
            terms = range_terms(self.field, value) if isinstance(value, Range) else equal_terms(self.field, value)
            out.update(dict.fromkeys(terms))
        return list(out)


Filter = Mapping[str, Any] | str | Sequence[str] | Sequence[Condition]
"""Conditions that a document must pass, all of them: a mapping from fields to values, or texts as on the command line
(`conditions`). Dots reach into nested fields."""


def conditions(filter: Filter | None) -> tuple[Condition, ...]:
    """A filter's conditions, of which a document must pass all.

    A mapping leads from a field to a value (equal), a list (any of these), a pair (low, high) as a tuple (both ends
    included, None open), or a mapping from signs (``!=``, ``>=``, ``<=``, ``>``, ``<``, ``=``) to values. A text is
    ``field=value``, ``field=low..high``, or has another of the signs; values between commas are alternatives, and
    so are several texts ``field=…`` of one field.

    Numbers and truth values equal the texts that they are written as, since a table (CSV) holds texts.

    >>> conditions({"lang": ["en", "de"]}) == conditions(["lang=en", "lang=de"])
    True
    >>> conditions({"lang": {"!=": "en"}, "year": {">": 1990}})[1]
    Condition(field='year', values=(Range(low=1990, high=None, above=True, below=False),), negated=False)
    """
    if filter is None:
        return ()
    if isinstance(filter, Mapping):
        return tuple(c for field, value in filter.items() for c in _of_field(field, value))
    if isinstance(filter, str):
        filter = (filter,)
    if not isinstance(filter, Sequence) or not all(isinstance(c, str | Condition) for c in filter):
        raise InputError(
            f"the filter is of type {type(filter).__name__}: expected a mapping from fields to values, such as "
            f"{{'year': (1990, None), 'lang': ['en', 'de']}}, or texts such as 'year>=1990'"
        )
    out: dict[str | int, Condition] = {}
    items: Sequence[Any] = filter
    for number, item in enumerate(items):
        sign, condition = _parse(item) if isinstance(item, str) else ("", item)
        key = condition.field if sign == "=" else number
        if key in out:
            condition = replace(condition, values=(*out[key].values, *condition.values))
        out[key] = condition
    return tuple(out.values())


def _parse(text: str) -> tuple[str, Condition]:
    """The sign and the condition of a text."""
    match = _SIGN.fullmatch(text)
    if match is None:
        raise InputError(f"filter {text!r:.80}: expected {FORMS}")
    field, sign, value = match["field"], "=" if match["sign"] == "==" else match["sign"], match["value"].strip()
    if sign in ("=", "!="):
        # A value may hold a comma itself, so the whole is an alternative too.
        texts = dict.fromkeys((value, *parts_of_text(value)))
        return sign, Condition(field, tuple(map(_range_or_text, texts)), sign == "!=")
    return sign, Condition(field, (_bounded(field, sign, value),))


def parts_of_text(value: str) -> list[str]:
    """The texts between the commas of a text. A comma before or after white space, as in a name or a title, parts
    nothing."""
    return re.split(r"(?<=\S),(?=\S)", value)


def _range_or_text(value: str) -> Any:
    """A text ``low..high`` as a range, if its ends are numbers, dates or open; any other as it is."""
    low, dots, high = value.partition("..")
    if not dots or any(end and number_of(end) is None for end in (low, high)):
        return value
    return Range(low or None, high or None)


def _of_field(field: Any, value: Any) -> Iterator[Condition]:
    """The conditions of one field of a mapping."""
    if not isinstance(field, str) or not field:
        raise InputError(f"a filter's field is {field!r:.60}: expected its name, a text")
    if not isinstance(value, Mapping):
        yield Condition(field, _values(field, value))
        return
    bounds = {sign: bound for sign, bound in value.items() if sign in (">=", "<=", ">", "<")}
    if unknown := [sign for sign in value if sign not in SIGNS] or ([] if value else ["none"]):
        raise InputError(f"the filter on {field!r} has the sign {unknown[0]!r:.40}: the signs are {', '.join(SIGNS)}")
    for sign in value:
        if sign in bounds:
            yield Condition(field, (_bounded(field, sign, bounds[sign]),))
        else:
            yield Condition(field, _values(field, value[sign]), sign == "!=")


def _bounded(field: str, sign: str, bound: Any) -> Range:
    """The range of a sign and its bound."""
    bound = _plain(field, bound)
    if isinstance(bound, bool) or number_of(bound) is None:
        raise InputError(f"the filter {field}{sign}{bound!s:.60} needs a number or an ISO date after {sign}")
    return Range(bound, above=sign == ">") if ">" in sign else Range(None, bound, below=sign == "<")


def _values(field: str, value: Any) -> tuple[Any, ...]:
    """The alternatives of a Python value: of a list or set its members, of a tuple (low, high) a range."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | AbstractSet | range):
        if not value:
            raise InputError(f"the filter on {field!r} is an empty list: no document can pass it")
        return tuple(v for member in value for v in _values(field, member))
    if isinstance(value, tuple):
        if len(value) != 2:
            raise InputError(f"the filter on {field!r} needs a pair (low, high), not {len(value)} values")
        ends = [None if end is None else _plain(field, end) for end in value]
        if any(end is not None and (isinstance(end, bool) or number_of(end) is None) for end in ends):
            raise InputError(
                f"the range on {field!r} needs numbers or ISO dates, not {value!r:.80}: any of these is a list"
            )
        return (Range(ends[0], ends[1]),)
    return (value if isinstance(value, Range) else _plain(field, value),)


def _plain(field: str, value: Any) -> str | bool | float | int:
    """A text, truth value or number, also from numpy, and a date in ISO form. Raises InputError on anything else."""
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise InputError(
        f"the filter on {field!r} needs a string (at most {LONGEST} characters), number, boolean, date, list of "
        f"these, or a tuple (low, high), not {value!r:.60}"
    )
