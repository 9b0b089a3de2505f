"""Extra fields as index terms, so that filters on them are plain term lookups: equality and ranges.

A value has one term for equality. A number (or a date in ISO form) also has nine prefix terms: its first 64, 56, … 0
bits in an order-preserving form. Any range is then the union of at most a few hundred prefixes, and so a plain lookup.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ..core.errors import InputError

Filter = Mapping[str, Any]
"""Field to wanted value: a string, number or boolean (equal), a list (any of these), or a pair (low, high) as a tuple,
both ends included and None open. Dots reach into nested fields. A field that holds a list matches by any member."""

_BITS, _STEP = 64, 8  # prefixes of 64, 56, …, 0 bits
LONGEST = 256  # characters of a string that can be filtered on


def terms(fields: Mapping[str, Any]) -> list[str]:
    """Every term of a document's fields, each once. Strings longer than LONGEST characters have none.

    >>> terms({"lang": "en", "tags": ["a"], "by": {"name": "x"}})
    ['["lang", "en"]', '["tags", "a"]', '["by.name", "x"]']
    """
    out: dict[str, None] = {}
    for key, value in _leaves(fields):
        if isinstance(value, str) and len(value) > LONGEST:
            continue
        out[_equal(key, value)] = None
        number = _number(value)
        if number is not None:
            position = _position(number)  # shifted by s, the 64 - s bits that a whole range of numbers shares
            out.update((_prefix(key, position >> s, s), None) for s in range(0, _BITS + 1, _STEP))
    return list(out)


def wanted(filter: Filter) -> list[list[str]]:
    """The terms that a filter needs, one list a field: a document passes if it has a term of every list.

    Raises InputError on a value that is no string, number, boolean, list of these or (low, high).
    """
    out = []
    for key, value in filter.items():
        if isinstance(value, tuple):
            out.append(_range(key, value))
        else:
            out.append([_equal(key, v) for v in (value if isinstance(value, list) else [value])])
    return out


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, (dict, Mapping)):
        for k, v in value.items():
            yield from _leaves(v, f"{key}.{k}" if key else str(k))
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from _leaves(v, key)
    elif isinstance(value, (str, bool, int, float)):
        yield key, value


def _equal(key: str, value: Any) -> str:
    if not isinstance(value, (str, bool, int, float)) or (isinstance(value, str) and len(value) > LONGEST):
        raise InputError(
            f"the filter on {key!r} needs a string (at most {LONGEST} characters), number, boolean, list of these, "
            f"or a tuple (low, high), not {value!r:.60}"
        )
    plain = value if isinstance(value, (str, bool)) else _float(value)
    return json.dumps([key, plain])


def _float(value: float) -> float:
    try:
        return float(value) + 0.0  # -0.0 and 0.0 are one number
    except OverflowError:
        return math.inf if value > 0 else -math.inf


_DECIMAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if _DECIMAL.fullmatch(value):  # numbers of a table (CSV) are texts
            return float(value) + 0.0
        try:
            moment = datetime.fromisoformat(value) if len(value) >= 8 else None
        except ValueError:
            return None
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None if math.isnan(value) else _float(value)


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


def _range(key: str, bounds: tuple[Any, ...]) -> list[str]:
    """The fewest prefix terms that together cover the positions from low to high.

    Level by level, as in a radix tree with 256 children a node: at each level the ends that don't fill a whole parent
    are covered one by one, and the middle is left to the parents, one level up.
    """
    if len(bounds) != 2:
        raise InputError(f"the filter on {key!r} needs a pair (low, high), not {len(bounds)} values")
    ends = [open_end if b is None else _number(b) for b, open_end in zip(bounds, (-math.inf, math.inf))]
    if None in ends:
        raise InputError(f"the range on {key!r} needs numbers or ISO dates, not {bounds!r:.80}")
    low, high = (_position(e) for e in ends if e is not None)
    if low > high:
        raise InputError(f"the range on {key!r} is empty: {bounds[0]} is above {bounds[1]}")
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
