"""Tests, corrections, intervals and power against scipy, hand-computed values and laws."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from anyrank.core.errors import InputError
from anyrank.evaluate import significance as s

RNG = np.random.default_rng(3)
A = RNG.beta(2, 2, 43)
B = np.clip(A + RNG.normal(0.05, 0.15, 43), 0, 1)
values = st.lists(st.integers(0, 8).map(lambda i: i / 8), min_size=2, max_size=12)
pairs = st.integers(2, 10).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 8).map(lambda i: i / 8), min_size=n, max_size=n)] * 2)
)


def test_t_test_agrees_with_scipy():
    assert s.t_test(A, B) == pytest.approx(stats.ttest_rel(A, B).pvalue, rel=1e-9)


def test_t_test_without_spread():
    assert s.t_test([1, 2], [0, 1]) == 0.0
    assert s.t_test([0.3], [0.1]) == 1.0


@given(pairs)
def test_exact_randomisation_is_the_enumeration(ab):
    d = np.subtract(*ab)
    sums = [abs(np.dot(signs, d)) for signs in itertools.product((1, -1), repeat=len(d))]
    assert s.randomisation_test(*ab) == pytest.approx(np.mean([x >= abs(d.sum()) - 1e-9 for x in sums]))


def test_sampled_randomisation_agrees_with_scipy():
    theirs = stats.permutation_test(
        (A, B), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", n_resamples=20_000,
        vectorized=True, rng=np.random.default_rng(1),
    ).pvalue  # fmt: skip
    ours = s.randomisation_test(A, B, samples=20_000)
    assert ours == pytest.approx(theirs, abs=0.006)
    assert ours == s.randomisation_test(A, B, samples=20_000)
    assert 1 / 20_001 <= s.randomisation_test(A, A - 0.5 - 0.01 * B) < 1e-4


@given(values, st.sampled_from(["t", "randomisation"]))
def test_identical_runs_have_p_1(a, test):
    assert s.p_value(test, a, a) == 1.0


@given(pairs, st.sampled_from(["t", "randomisation"]))
def test_tests_have_no_side(ab, test):
    a, b = ab
    p = s.p_value(test, a, b)
    assert 0 <= p <= 1
    assert p == pytest.approx(s.p_value(test, b, a))


def test_corrections_by_hand():
    ps = [0.01, 0.04, 0.03, 0.005]
    assert s.corrected(ps, "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert s.corrected(ps, "bonferroni") == pytest.approx([0.04, 0.16, 0.12, 0.02])
    assert s.corrected(ps, "none") == ps


@given(st.lists(st.floats(0, 1), max_size=9))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(ps):
    holm, bonferroni = s.corrected(ps, "holm"), s.corrected(ps, "bonferroni")
    assert all(p <= h <= b for p, h, b in zip(ps, holm, bonferroni))
    assert [h for _, h in sorted(zip(ps, holm))] == sorted(holm)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_intervals_agree_with_scipy(method):
    low, high = s.intervals(np.stack([A**4, B - A], axis=1), method=method, samples=20_000)
    for j, x in enumerate((A**4, B - A)):
        theirs = stats.bootstrap((x,), np.mean, method=method, n_resamples=20_000, rng=np.random.default_rng(0))
        assert (low[j], high[j]) == pytest.approx(tuple(theirs.confidence_interval), abs=1e-12)  # the same draws


@settings(deadline=None, max_examples=40)
@given(values, st.sampled_from(["bca", "percentile"]))
def test_intervals_hold_the_mean_and_lie_among_the_values(x, method):
    low, high = s.intervals(np.array([x]).T, method=method, samples=2000)
    assert min(x) - 1e-9 <= low[0] <= np.mean(x) + 1e-9
    assert np.mean(x) - 1e-9 <= high[0] <= max(x) + 1e-9


def test_intervals_cover_as_often_as_they_say():
    samples = np.random.default_rng(2).exponential(1.0, size=(60, 400))
    low, high = s.intervals(samples, samples=2000)
    covered = np.mean((low <= 1) & (high >= 1))
    assert 0.90 <= covered <= 0.98


def test_wins_and_effect_by_hand():
    assert s.wins([0.1, 0.5, 0.5, 0.9], [0.2, 0.5, 0.4, 0.1]) == (2, 1, 1)
    assert s.effect_size([2, 4], [1, 1]) == pytest.approx(2 / math.sqrt(2))
    assert s.effect_size([2, 4], [1, 3]) is None


def test_detectable_difference_has_the_power_it_says():
    d = (B - A) - (B - A).mean()
    shift = s.detectable(d, np.zeros(43))
    assert shift == pytest.approx((1.96 + 0.8416) * d.std(ddof=1) / math.sqrt(43), rel=0.04)
    noise = np.random.default_rng(8).normal(shift, d.std(ddof=1), size=(4000, 43))
    assert np.mean(stats.ttest_1samp(noise, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.02)
    assert s.detectable([1.0], [0.0]) is None


def test_values_that_cannot_be_compared_are_named():
    with pytest.raises(InputError, match=r"\(2,\) and \(3,\)"):
        s.t_test([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="no test 'z'"):
        s.p_value("z", [1, 2], [1, 2])
    with pytest.raises(InputError, match="no correction 'fdr'"):
        s.corrected([0.1], "fdr")
    with pytest.raises(InputError, match="no interval 'normal'"):
        s.intervals([[1.0], [2.0]], method="normal")
