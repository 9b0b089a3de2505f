"""Terms of a document's fields, by which filters find it: one for equality, and prefixes that make up any range.

A value has one term for equality. A number (or a date in ISO form) also has nine prefix terms: its first 64, 56, … 0
bits in an order-preserving form. Any range is then the union of at most a few hundred prefixes.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..core.errors import InputError

_BITS, _STEP = 64, 8  # prefixes of 64, 56, …, 0 bits
EXACT = 2**53  # floats hold all whole numbers up to here
LONGEST = 256  # characters of a string that can be filtered on
_DAY = 86_400.0  # seconds
DECIMAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")
_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers or dates from ``low`` to ``high``, None for no bound. Both ends are included, unless ``above`` (more than
    low) or ``below`` (less than high) is set. A date without a time is the whole day."""

    low: Any = None
    high: Any = None
    above: bool = False
    below: bool = False


def terms(fields: Mapping[str, Any]) -> list[str]:
    """Every term of a document's fields, each once. Strings longer than LONGEST characters have none.

    >>> terms({"lang": "en", "tags": ["a"], "by": {"name": "x"}})
    ['["lang", "en"]', '["tags", "a"]', '["by.name", "x"]']
    """
    out: dict[str, None] = {}
    for key, value in field_values(fields):
        if isinstance(value, str) and len(value) > LONGEST:
            continue
        out[_term(key, value)] = None
        number = number_of(value)
        if number is not None:
            position = _position(number)  # shifted by s, the 64 - s bits that a whole range of numbers shares
            out.update((_prefix(key, position >> s, s), None) for s in range(0, _BITS + 1, _STEP))
    return list(out)


def field_names(fields: Mapping[str, Any]) -> list[str]:
    """The names under which a document's fields can be filtered on, each once.

    >>> field_names({"lang": "en", "by": {"name": "x"}, "note": None})
    ['lang', 'by.name']
    """
    return list(dict.fromkeys(key for key, _ in field_values(fields)))


def field_values(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The values of fields that filters compare, each with its field's name: dots reach into nested ones."""
    if isinstance(value, (dict, Mapping)):
        for k, v in value.items():
            yield from field_values(v, f"{key}.{k}" if key else str(k))
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from field_values(v, key)
    elif isinstance(value, (str, bool, int, float)):
        yield key, value


def _term(key: str, value: str | bool | float) -> str:
    """The term of a value for equality."""
    if isinstance(value, (str, bool)) or _is_large(value):
        return json.dumps([key, value])
    return json.dumps([key, _float(value)])


def _is_large(value: Any) -> bool:
    """Whether a value is a whole number of which a float may hold another, so that its term has all its digits."""
    return isinstance(value, int) and not isinstance(value, bool) and EXACT < abs(value) < 10**LONGEST


def equal_terms(key: str, value: Any) -> list[str]:
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
        if _is_large(value):  # equal only to the float that is the same number
            return [_term(key, v) for v in (value, str(value), *([number] if number == value else []))]
        if abs(number) > EXACT and math.isfinite(number) and number.is_integer():
            same.append(int(number))
        same += [number, *([str(int(number))] if number.is_integer() else []), repr(number)]
        if isinstance(value, int):
            same.append(str(value))
    return list(dict.fromkeys(_term(key, v) for v in same))


def _float(value: float) -> float:
    try:
        return float(value) + 0.0  # -0.0 and 0.0 are one number
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def number_of(value: Any) -> float | None:
    """The number that orders a value: of a date its seconds since 1970; None if it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if DECIMAL.fullmatch(value):  # numbers of a table (CSV) are texts
            return float(value) + 0.0
        moment = moment_of(value)
        return None if moment is None else (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None if isinstance(value, float) and math.isnan(value) else _float(value)


def moment_of(text: str) -> datetime | None:
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


def range_terms(key: str, bounds: Range) -> list[str]:
    """The fewest prefix terms that together cover the positions from low to high.

    Level by level, as in a radix tree with 256 children a node: at each level the ends that don't fill a whole parent
    are covered one by one, and the middle is left to the parents, one level up.
    """
    for end in (bounds.low, bounds.high):
        if _is_large(end):
            raise InputError(
                f"the range on {key!r} ends at {end!s:.40}: whole numbers beyond {EXACT} (2**53) are ordered as floats "
                f"and not told apart. If rounding will do, give {float(end)!r}; else filter by equality"
            )
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
    number = number_of(value)
    assert number is not None, value
    return number + _DAY if end and _is_day(value) else number


def _is_day(value: Any) -> bool:
    """Whether a bound is a date without a time."""
    return isinstance(value, str) and not DECIMAL.fullmatch(value) and len(value) <= 10 and moment_of(value) is not None
