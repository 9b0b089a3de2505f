"""Fusions: golden values, invariants, what missing candidates get."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.fusion import RRF, Borda, Combine, Interleave, minmax, number, zscore

A = {"a": 3.0, "b": 2.0, "c": 1.0}
D = {"b": 30.0, "d": 20.0, "a": 10.0}
run = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1e6, 1e6), max_size=8).map(
    lambda d: dict(sorted(d.items(), key=lambda kv: -kv[1]))
)
METHODS = [Combine(), Combine("mnz"), Combine("max"), Combine(normalise="minmax"), RRF(), Borda(), Interleave()]


def test_weighted_minmax_interpolation():
    """The hybrid example of the Rank-R1 release: min-max a run, weighted sum, a missing candidate counts 0."""
    fused = Combine(normalise="minmax", missing="zero")([A, D], [0.5, 0.5])
    assert fused == {"a": 0.5, "b": 0.75, "c": 0.0, "d": 0.25}


def test_zscore_sum_gives_the_missing_the_lowest():
    fused = Combine()([A, D], [1, 1])
    low = -math.sqrt(1.5)
    assert fused["c"] == pytest.approx(2 * low)
    assert fused["d"] == pytest.approx(low + 0)
    assert fused["b"] == pytest.approx(0 - low)


def test_mnz_multiplies_by_the_number_of_runs():
    plain, mnz = (Combine(how, "minmax", "zero")([A, D], [1, 1]) for how in ("sum", "mnz"))
    assert mnz == {"a": 2 * plain["a"], "b": 2 * plain["b"], "c": plain["c"], "d": plain["d"]}


def test_max_ignores_runs_that_lack_the_candidate():
    assert Combine("max", "none")([{"a": -5.0}, {"b": -7.0, "a": -9.0}], [1, 1]) == {"a": -5.0, "b": -7.0}


def test_rrf_and_borda_by_hand():
    assert RRF(k=60)([A, D], [1, 2]) == pytest.approx(
        {"a": 1 / 61 + 2 / 63, "b": 1 / 62 + 2 / 61, "c": 1 / 63, "d": 2 / 62}
    )
    assert Borda()([A, D], [1, 1]) == {"a": 4 + 2, "b": 3 + 4, "c": 2 + 1, "d": 1 + 3}


def test_lone_and_constant_scores():
    assert zscore({"a": 7.0}) == {"a": 0.0}
    assert zscore({"a": 0.1, "b": 0.1, "c": 0.1}) == {"a": 0.0, "b": 0.0, "c": 0.0}
    assert minmax({"a": 7.0}) == {"a": 1.0}
    assert zscore({}) == minmax({}) == {}


@pytest.mark.parametrize("method", METHODS, ids=repr)
@given(runs=st.lists(run, max_size=4))
def test_every_fusion_holds_exactly_the_union_with_finite_scores(method, runs):
    fused = method(runs, [1.0] * len(runs))
    assert set(fused) == {i for r in runs for i in r}
    assert all(map(math.isfinite, fused.values()))


@pytest.mark.parametrize("method", [m for m in METHODS if m != Interleave()], ids=repr)
@given(runs=st.lists(run, min_size=2, max_size=3))
def test_the_order_of_the_runs_does_not_matter(method, runs):
    one, other = method(runs, [1.0] * len(runs)), method(runs[::-1], [1.0] * len(runs))
    assert one == pytest.approx(other)


@given(run)
def test_a_candidate_that_every_run_puts_first_is_first(r):
    runs = [{"top": 2e6, **r}, {"top": 3e6, **r}]
    for method in METHODS:
        fused = method(runs, [1.0, 1.0])
        assert fused["top"] == max(fused.values())


@pytest.mark.parametrize("far", [0, 10**12], ids=["by a table", "by sorting"])
@given(st.lists(st.lists(st.integers(0, 20), unique=True, max_size=8), min_size=1, max_size=4))
def test_values_are_numbered_as_they_first_appear(far, parts):
    import numpy as np

    values, items = number([np.array([v * (far or 1) for v in p], dtype=np.int64) for p in parts])
    expected = list(dict.fromkeys(v * (far or 1) for p in parts for v in p))
    assert values.tolist() == expected
    assert [[expected[i] for i in item] for item in items] == [[v * (far or 1) for v in p] for p in parts]


def test_bad_names_are_refused():
    with pytest.raises(InputError, match="choose one of zscore, minmax, none"):
        Combine(normalise="softmax")


@pytest.mark.parametrize("k", [-60, -1, float("nan"), float("inf")])
def test_a_constant_that_leaves_a_rank_no_term_is_refused(k):
    with pytest.raises(InputError, match="takes a number above -1"):
        RRF(k)
