"""Terms of fields: any range finds exactly what comparison finds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.store.filters import terms, wanted

numbers = st.one_of(st.floats(allow_nan=False), st.integers(-(2**70), 2**70), st.integers(-5, 5))


@given(numbers, st.none() | numbers, st.none() | numbers)
def test_a_range_holds_exactly_the_numbers_between_its_ends(value, low, high):
    lowest = -math.inf if low is None else float(low)
    highest = math.inf if high is None else float(high)
    if lowest > highest:
        with pytest.raises(InputError, match="is empty"):
            wanted({"v": (low, high)})
        return
    (asked,) = wanted({"v": (low, high)})
    assert bool(set(terms({"v": value})) & set(asked)) == (lowest <= float(value) <= highest)
    assert len(asked) <= 2 * 255 * 8 + 1


@given(numbers, numbers)
def test_numbers_are_equal_whatever_their_type(a, b):
    (asked,) = wanted({"v": b})
    assert bool(set(terms({"v": a})) & set(asked)) == (float(a) == float(b))


def test_keys_and_kinds_are_not_confused():
    held = set(terms({"a": "1", "b": 1, "c": True, "d": {"e": [1, "x"]}, "n": None, "nan": math.nan}))
    for filter, ok in [({"a": "1"}, 1), ({"a": 1}, 0), ({"b": "1"}, 0), ({"c": True}, 1), ({"c": 1}, 0)]:
        assert bool(held & set(wanted(filter)[0])) == ok
    for filter, ok in [({"d.e": 1}, 1), ({"d.e": (0, 2)}, 1), ({"d.e": "x"}, 1), ({"nan": (None, None)}, 0)]:
        assert bool(held & set(wanted(filter)[0])) == ok
