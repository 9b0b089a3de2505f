"""Filters on fields: equality, ranges and their opposites, read from Python values or from texts, as index terms.

Fields are stored as terms, so that a filter is a plain look-up. A value has one term for equality. A number (or a date
in ISO form) also has nine prefix terms: its first 64, 56, … 0 bits in an order-preserving form. Any range is then the
union of at most a few hundred prefixes.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..core.errors import InputError

_BITS, _STEP = 64, 8  # prefixes of 64, 56, …, 0 bits
LONGEST = 256  # characters of a string that can be filtered on
_DAY = 86_400.0  # seconds
_DECIMAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")
_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")
_SIGN = re.compile(r"\s*(?P<field>[^=<>!]*[^=<>!\s])\s*(?P<sign>!=|>=|<=|==?|>|<)\s*(?P<value>.*)", re.DOTALL)
SIGNS = ("=", "!=", ">=", "<=", ">", "<")
FORMS = "field=value, field!=value, field=low..high, field>=low or field<high"


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers or dates from ``low`` to ``high``, None for no bound. Both ends are included, unless ``above`` (more than
    low) or ``below`` (less than high) is set. A date without a time is the whole day."""

    low: Any = None
    high: Any = None
    above: bool = False
    below: bool = False


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
            terms = _range(self.field, value) if isinstance(value, Range) else _equal(self.field, value)
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
        texts = dict.fromkeys((value, *_parts(value)))
        return sign, Condition(field, tuple(map(_range_or_text, texts)), sign == "!=")
    return sign, Condition(field, (_bounded(field, sign, value),))


def _parts(value: str) -> list[str]:
    """The texts between the commas of a text. A comma before or after white space, as in a name or a title, parts
    nothing."""
    return re.split(r"(?<=\S),(?=\S)", value)


def _range_or_text(value: str) -> Any:
    """A text ``low..high`` as a range, if its ends are numbers, dates or open; any other as it is."""
    low, dots, high = value.partition("..")
    if not dots or any(end and _number(end) is None for end in (low, high)):
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
    if isinstance(bound, bool) or _number(bound) is None:
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
        if any(end is not None and (isinstance(end, bool) or _number(end) is None) for end in ends):
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


def terms(fields: Mapping[str, Any]) -> list[str]:
    """Every term of a document's fields, each once. Strings longer than LONGEST characters have none.

    >>> terms({"lang": "en", "tags": ["a"], "by": {"name": "x"}})
    ['["lang", "en"]', '["tags", "a"]', '["by.name", "x"]']
    """
    out: dict[str, None] = {}
    for key, value in _leaves(fields):
        if isinstance(value, str) and len(value) > LONGEST:
            continue
        out[_term(key, value)] = None
        number = _number(value)
        if number is not None:
            position = _position(number)  # shifted by s, the 64 - s bits that a whole range of numbers shares
            out.update((_prefix(key, position >> s, s), None) for s in range(0, _BITS + 1, _STEP))
    return list(out)


def field_names(fields: Mapping[str, Any]) -> list[str]:
    """The names under which a document's fields can be filtered on, each once.

    >>> field_names({"lang": "en", "by": {"name": "x"}, "note": None})
    ['lang', 'by.name']
    """
    return list(dict.fromkeys(key for key, _ in _leaves(fields)))


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, (dict, Mapping)):
        for k, v in value.items():
            yield from _leaves(v, f"{key}.{k}" if key else str(k))
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from _leaves(v, key)
    elif isinstance(value, (str, bool, int, float)):
        yield key, value


def _term(key: str, value: str | bool | float) -> str:
    """The term of a value for equality."""
    return json.dumps([key, value if isinstance(value, (str, bool)) else _float(value)])


def _equal(key: str, value: Any) -> list[str]:
    """The terms of the values that equal this one: numbers and truth values are equal to their texts."""
    if isinstance(value, str) and len(value) > LONGEST:
        raise InputError(f"the filter on {key!r} has a text of {len(value)} characters: at most {LONGEST} are indexed")
    same: list[str | bool | float] = [value]
    if isinstance(value, str):
        if value.lower() in ("true", "false"):
            value = value.lower() == "true"
        elif _JSON_NUMBER.fullmatch(value):
            value = float(value)
    if isinstance(value, bool):
        same += [value, *(f(str(value)) for f in (str, str.lower, str.upper))]
    elif not isinstance(value, str):
        number = _float(value)
        same += [number, *([str(int(number))] if number.is_integer() else []), repr(number)]
        if isinstance(value, int):
            same.append(str(value))
    return list(dict.fromkeys(_term(key, v) for v in same))


def _float(value: float) -> float:
    try:
        return float(value) + 0.0  # -0.0 and 0.0 are one number
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _number(value: Any) -> float | None:
    """The number that orders a value: of a date its seconds since 1970; None if it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if _DECIMAL.fullmatch(value):  # numbers of a table (CSV) are texts
            return float(value) + 0.0
        moment = _moment(value)
        return None if moment is None else (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None if math.isnan(value) else _float(value)


def _moment(text: str) -> datetime | None:
    """The date or time of a text in ISO form."""
    try:
        return datetime.fromisoformat(text) if len(text) >= 8 else None
    except ValueError:
        return None


def _position(number: float) -> int:
    """The number's position among all doubles, as an unsigned integer of 64 bits that sorts like the number: the bits
    of a double sort so once the sign bit is flipped, or, of a negative number, all bits."""
    bits: int = struct.unpack(">Q", struct.pack(">d", number))[0]
    return bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63)


def _prefix(key: str, position: int, shift: int) -> str:
    """The term of all numbers whose positions begin with the same 64 - ``shift`` bits; ``position`` has them only."""
    return f"{json.dumps(key)}{shift}:{position:x}"


def field_prefix(key: str) -> str:
    """The beginning of a field's terms for equality."""
    return json.dumps([key])[:-1] + ", "


def _range(key: str, bounds: Range) -> list[str]:
    """The fewest prefix terms that together cover the positions from low to high.

    Level by level, as in a radix tree with 256 children a node: at each level the ends that don't fill a whole parent
    are covered one by one, and the middle is left to the parents, one level up.
    """
    low, high = _positions(bounds)
    if low > high:
        signs = f"{'above' if bounds.above else 'from'} {bounds.low} {'below' if bounds.below else 'to'} {bounds.high}"
        raise InputError(f"the range on {key!r} is empty: {signs}")
    out, last_child = [], (1 << _STEP) - 1
    for shift in range(0, _BITS + 1, _STEP):
        while low <= high and (shift == _BITS or low & last_child):
            out.append(_prefix(key, low, shift))
            low += 1
        while low <= high and (high + 1) & last_child:
            out.append(_prefix(key, high, shift))
            high -= 1
        if low > high:
            break
        low, high = low >> _STEP, high >> _STEP
    return out


def _positions(bounds: Range) -> tuple[int, int]:
    """The first and the last position of a range."""
    low = _position(-math.inf if bounds.low is None else _bound(bounds.low, end=bounds.above))
    high = _position(math.inf if bounds.high is None else _bound(bounds.high, end=not bounds.below))
    low += bounds.above and not _is_day(bounds.low)
    high -= bounds.high is not None and (bounds.below or _is_day(bounds.high))
    return low, high


def _bound(value: Any, end: bool) -> float:
    """The number of a bound; with ``end``, of a date without a time the beginning of the next day."""
    number = _number(value)
    assert number is not None, value
    return number + _DAY if end and _is_day(value) else number


def _is_day(value: Any) -> bool:
    """Whether a bound is a date without a time."""
    return isinstance(value, str) and not _DECIMAL.fullmatch(value) and len(value) <= 10 and _moment(value) is not None


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
    if _DECIMAL.fullmatch(value):
        return {"numbers", "texts"}
    return {"dates", "texts"} if _moment(value) is not None else {"texts"}


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
            if not wrong and ends and {"numbers", "dates"} <= stored:
                raise InputError(
                    f"the field {condition.field!r} holds both numbers and dates, such as {example!r:.60}, which have "
                    "no common order: give all documents dates of one form, such as 2021-01-01, to filter by a range"
                )
        elif kinds_of(value) & stored or any(map(known, _equal(condition.field, value))):
            wrong = []
        else:  # of a text with commas its parts are alternatives, and checked
            parts = _parts(value) if isinstance(value, str) else []
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
