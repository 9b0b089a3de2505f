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


# tests of ranks, of all pairs and of equivalence; golden values of statsmodels 0.15 and R

FOUR = np.array(
    [[.52, .61, .55, .40], [.33, .41, .30, .28], [.71, .69, .75, .50], [.20, .35, .22, .25],
     [.64, .70, .61, .59], [.45, .58, .49, .30], [.82, .80, .85, .77], [.10, .25, .15, .05]]
)  # fmt: skip


def test_wilcoxon_gives_the_p_of_r_on_its_own_example():
    """R's help page of wilcox.test: Hamilton depression scale factor, V = 40, one-sided p .01953."""
    first = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    second = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    assert s.wilcoxon_test(first, second) == pytest.approx(2 * 0.01953125)
    assert s.wilcoxon_test([0.1 + 0.2, 1.0, 2.0], [0.3, 0.5, 0.5]) == s.wilcoxon_test([1.0, 2.0], [0.5, 0.5])


def test_tukey_gives_the_p_of_statsmodels_error_and_studentised_range():
    """anova_lm(ols("y ~ C(q) + C(r)")): mean square .00270416, 21 degrees; psturng is an approximation."""
    p = s.tukey_hsd(FOUR)
    golden = {(0, 1): 0.03330331, (0, 2): 0.88314912, (1, 2): 0.13996256, (0, 3): 0.03004408, (2, 3): 0.00599644}
    for (i, j), value in golden.items():
        assert p[i, j] == p[j, i] == pytest.approx(value, rel=6e-3)
    assert p[1, 3] < 0.001
    assert p.diagonal().tolist() == [1.0] * 4


def test_tukey_of_two_runs_is_the_paired_t_test():
    assert s.tukey_hsd(np.stack([A, B], axis=1))[0, 1] == pytest.approx(s.t_test(A, B), rel=1e-6)
    assert s.p_value("tukey", A, B) == pytest.approx(s.t_test(A, B), rel=1e-6)


def test_tukey_without_spread():
    assert s.tukey_hsd([[1.0, 0.5], [2.0, 1.5]]).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert s.tukey_hsd([[1.0, 0.5]]).tolist() == [[1.0, 1.0], [1.0, 1.0]]
    with pytest.raises(InputError, match="two runs or more"):
        s.tukey_hsd([[1.0], [2.0]])


def test_equivalence_gives_the_p_of_statsmodels():
    golden = {0.1: 0.19156404295758062, 0.15: 0.00999982854615453, 0.05: 0.8535522946749395}
    for margin, p in golden.items():
        assert s.equivalence_test(FOUR[:, 1], FOUR[:, 0], margin) == pytest.approx(p, rel=1e-9)
        assert s.equivalence_test(FOUR[:, 0], FOUR[:, 1], margin) == pytest.approx(p, rel=1e-9)


def test_equivalence_without_spread_and_without_a_margin():
    assert s.equivalence_test([1, 2], [1, 2], 0.01) == 0.0
    assert s.equivalence_test([1, 2], [0, 1], 0.5) == 1.0
    assert s.equivalence_test([1.0], [1.0], 0.5) == 1.0
    for margin in (0, -0.1, math.nan, math.inf):
        with pytest.raises(InputError, match="expected a difference above 0"):
            s.equivalence_test([1, 2], [1, 3], margin)


def test_benjamini_hochberg_gives_the_p_of_statsmodels():
    """multipletests(method="fdr_bh")."""
    ps = [0.01, 0.04, 0.03, 0.005, 0.2, 0.04]
    assert s.corrected(ps, "bh") == pytest.approx([0.03, 0.048, 0.048, 0.03, 0.2, 0.048])
    assert s.corrected([], "bh") == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_benjamini_hochberg_is_never_stricter_than_holm(ps):
    assert all(p - 1e-12 <= b <= h + 1e-12 for p, b, h in zip(ps, s.corrected(ps, "bh"), s.corrected(ps, "holm")))


@pytest.mark.parametrize("test", ["wilcoxon", "tukey"])
def test_identical_runs_have_p_1_by_every_test(test):
    assert s.p_value(test, A, A) == 1.0
