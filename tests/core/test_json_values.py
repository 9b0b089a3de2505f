"""Fields of any type as JSON has them."""

import math
import pathlib
import uuid
from datetime import date, datetime
from enum import Enum

import numpy as np

from anyrank.core.json_values import json_value

ID = uuid.UUID(int=7)


class Colour(Enum):
    RED = "red"


def test_fields_as_json_has_them():
    value = {
        "day": date(2020, 1, 2),
        "at": datetime(2020, 1, 2, 3),
        "id": ID,
        "path": pathlib.PurePosixPath("a"),
        "n": np.int64(1),
        "x": np.float32(0.5),
        "gap": math.nan,
        "tags": {"b", "a"},
        "list": np.array([1, 2]),
        "deep": {1: (np.bool_(True),)},
        "colour": Colour.RED,
        "none": None,
        "ok": True,
    }
    assert json_value(value) == {
        "day": "2020-01-02",
        "at": "2020-01-02T03:00:00",
        "id": str(ID),
        "path": "a",
        "n": 1,
        "x": 0.5,
        "gap": None,
        "tags": ["a", "b"],
        "list": [1, 2],
        "deep": {"1": [True]},
        "colour": "red",
        "none": None,
        "ok": True,
    }
