"""Values of fields as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from enum import Enum
from numbers import Integral
from pathlib import PurePath
from typing import Any
from uuid import UUID

import numpy as np


def json_value(value: Any, other: Callable[[Any], Any] = lambda value: value) -> Any:
    """A field's value as JSON has it: dates in ISO form, ids and paths as texts, numbers of numpy as Python's, what is
    missing in a table (NaN, NaT, NA) as None. Anything else becomes ``other`` of it: itself, for a store to refuse."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if (isinstance(value, bool | int | str) and not isinstance(value, Enum)) or value is None:
        return value
    if isinstance(value, date):
        return value.isoformat() if str(value) != "NaT" else None
    if isinstance(value, Enum):
        return json_value(value.value, other)
    if isinstance(value, UUID | PurePath):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Mapping):
        return {str(k): json_value(v, other) for k, v in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((json_value(v, other) for v in value), key=str)
    if isinstance(value, list | tuple):
        return [json_value(v, other) for v in value]
    return None if str(value) in ("<NA>", "NaT") else other(value)
