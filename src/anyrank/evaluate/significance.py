"""Paired tests, tests of all pairs and of equivalence, corrections, bootstrap intervals and power, of values paired by
query."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError, MissingExtra

Test = Literal["t", "randomisation", "wilcoxon", "tukey", "none"]
Correction = Literal["holm", "bonferroni", "bh", "none"]
Interval = Literal["bca", "percentile"]
Floats = NDArray[np.float64]

EXACT = 16
"""The most differing queries for which the randomisation test enumerates every assignment of signs."""
_BLOCK = 250_000  # random numbers drawn at a time: they stay in the cache


def t_test(a: ArrayLike, b: ArrayLike) -> float:
    """The two-sided p of Student's paired t-test; 1 for identical values, 0 if all differ by the same amount.

    >>> round(t_test([.5, .7, .9, .4], [.4, .5, .8, .4]), 4)
    0.0917
    """
    d = _differences(a, b)
    deviation = float(d.std(ddof=1)) if len(d) > 1 else 0.0
    if deviation <= 1e-12 * abs(float(d.mean())):
        return 1.0 if len(d) < 2 or not d.any() else 0.0
    return float(_stats().ttest_rel(a, b).pvalue)


def randomisation_test(a: ArrayLike, b: ArrayLike, samples: int = 20_000, seed: int = 0) -> float:
    """The two-sided p of Fisher's paired randomisation test on the difference of means.

    Exact by enumeration where at most `EXACT` queries differ; else (hits + 1) / (samples + 1) over random signs.
    15 to 30 times as fast as ``scipy.stats.permutation_test``.

    >>> randomisation_test([1, 2, 3], [0, 0, 0])
    0.25
    """
    d = _differences(a, b)
    d = d[d != 0]
    n = len(d)
    if not n:
        return 1.0
    bound = abs(float(d.sum())) - 1e-9 * float(np.abs(d).sum())
    if n <= EXACT:
        sums = np.zeros(1)
        for x in d:
            sums = np.concatenate([sums + x, sums - x])
        return float(np.mean(np.abs(sums) >= bound))
    rng, hits = np.random.default_rng(seed), 0
    for size in _blocks(samples, n):
        signs = rng.integers(0, 2, size=(size, n), dtype=np.int8)
        hits += int(np.count_nonzero(np.abs(2 * (signs @ d) - d.sum()) >= bound))
    return (hits + 1) / (samples + 1)


def wilcoxon_test(a: ArrayLike, b: ArrayLike) -> float:
    """The two-sided p of Wilcoxon's signed-rank test (scipy's): queries without a difference are left out, and 1 is
    given if none is left. Differences that are equal to 12 decimals are tied.

    >>> wilcoxon_test([.5, .7, .9, .4], [.4, .5, .8, .4])
    0.25
    """
    d = np.round(_differences(a, b), 12)
    d = d[d != 0]
    return float(_stats().wilcoxon(d).pvalue) if len(d) else 1.0


def tukey_hsd(columns: ArrayLike) -> Floats:
    """The p of every pair of runs by Tukey's honestly significant difference: symmetric, 1 on the diagonal.

    ``columns`` [queries, runs], the result [runs, runs]. The variance is what a two-way analysis (query and run,
    without interaction; Carterette 2012, ACM TOIS 30(1)) leaves; the p are those of scipy's studentised range, which
    are corrected over all pairs. For two runs they equal the paired t-test's.

    >>> tukey_hsd([[.5, .4], [.7, .5], [.9, .8], [.4, .4]]).round(4)[0].tolist()
    [1.0, 0.0917]
    """
    x = np.asarray(columns, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] < 2:
        raise InputError(f"Tukey's test compares two runs or more, not values of shape {x.shape}")
    n, k = x.shape
    means = x.mean(axis=0)
    gaps = np.abs(means[:, None] - means[None, :])
    residuals = x - x.mean(axis=1, keepdims=True) - means + x.mean()
    freedom = (n - 1) * (k - 1)
    error = math.sqrt(float((residuals**2).sum()) / freedom / n) if freedom else 0.0
    out = np.ones((k, k))
    for i in range(k):
        for j in range(i):
            if error > 1e-12 * max(1.0, float(np.abs(x).max())):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of slow convergence far out in the tail, where p is about 0
                    p = float(_stats().studentized_range.sf(gaps[i, j] / error, k, freedom))
                out[i, j] = out[j, i] = min(max(p, 0.0), 1.0)
            elif freedom and gaps[i, j] > 1e-12:
                out[i, j] = out[j, i] = 0.0
    return out


def samples_test(a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """The largest distance of two samples' distributions and its p (the two-sample Kolmogorov-Smirnov test, scipy's):
    of values that are not paired.

    >>> samples_test([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])[0]
    1.0
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the exact p overflows for some sizes, and is approximated
        result = _stats().ks_2samp(a, b)
    return float(result.statistic), float(result.pvalue)


def shares_test(hits: int, n: int, other_hits: int, other_n: int) -> float:
    """The two-sided p of Fisher's exact test that two shares are equal.

    >>> round(shares_test(8, 10, 1, 6), 4)
    0.035
    """
    table = [[hits, n - hits], [other_hits, other_n - other_hits]]
    return float(_stats().fisher_exact(table).pvalue)


def equivalence_test(a: ArrayLike, b: ArrayLike, margin: float) -> float:
    """The p of two one-sided paired t-tests (TOST, Schuirmann 1987): small where the mean difference is shown to lie
    within ``margin`` of 0, on both sides. Raises InputError on a margin that isn't above 0.

    >>> round(equivalence_test([.5, .7, .9, .4], [.4, .5, .8, .4], 0.3), 4)
    0.0081
    """
    if not 0 < margin < math.inf:
        raise InputError(f"the margin of equivalence is {margin}: expected a difference above 0, such as 0.02")
    d = _differences(a, b)
    mean = float(d.mean())
    deviation = float(d.std(ddof=1)) if len(d) > 1 else 0.0
    if deviation <= 1e-12 * max(abs(mean), margin):
        return 0.0 if len(d) > 1 and abs(mean) < margin else 1.0
    stats = _stats()
    below = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
    above = stats.ttest_1samp(d, margin, alternative="less").pvalue
    return float(max(below, above))


def corrected(ps: Sequence[float], method: Correction = "holm") -> list[float]:
    """p-values corrected for multiple testing, in the order given.

    Of the chance of any false claim: Holm (1979) steps down: the smallest times m, the next times m - 1, …, never
    falling; Bonferroni: all times m. Of the share of false ones among the claims: ``bh``, Benjamini and Hochberg
    (1995), by scipy.

    >>> corrected([.01, .04, .03])
    [0.03, 0.06, 0.06]
    """
    m = len(ps)
    if method == "none":
        return [float(p) for p in ps]
    if method == "bonferroni":
        return [min(1.0, p * m) for p in ps]
    if method == "bh":
        return [float(p) for p in _stats().false_discovery_control(ps)] if m else []
    if method != "holm":
        raise InputError(f"no correction {method!r}: {', '.join(get_args(Correction))}")
    out, last = [0.0] * m, 0.0
    for rank, i in enumerate(sorted(range(m), key=lambda i: ps[i])):
        last = out[i] = min(1.0, max(last, ps[i] * (m - rank)))
    return out


def intervals(
    columns: ArrayLike,
    confidence: float = 0.95,
    method: Interval = "bca",
    samples: int = 10_000,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Bootstrap confidence intervals of the mean of every column: lower and upper bounds.

    ``columns`` [queries, columns]; all are resampled by the same queries, so that a column may hold paired
    differences. ``percentile`` or ``bca`` (bias-corrected and accelerated, Efron 1987). Seeded. Bounds equal those of
    ``scipy.stats.bootstrap``; the resampling is one product of matrices for all columns, and a column without spread
    has its mean for bounds.
    """
    x = np.asarray(columns, dtype=np.float64)
    n, width = x.shape
    mean = x.mean(axis=0)
    rng = np.random.default_rng(seed)
    draws = []
    for size in _blocks(samples, n):
        picked = rng.integers(0, n, size=(size, n))
        picked += np.arange(size)[:, None] * n
        times = np.bincount(picked.ravel(), minlength=size * n).reshape(size, n)
        draws.append(times.astype(np.float64) @ (x - mean) / n)
    moved = np.concatenate(draws)
    moved[np.abs(moved) < 1e-12] = 0.0
    tails = np.tile([(1 - confidence) / 2, (1 + confidence) / 2], (width, 1))
    if method == "bca":
        norm = _stats().norm
        below = ((moved < 0).mean(axis=0) + (moved <= 0).mean(axis=0)) / 2
        bias = norm.ppf(np.clip(below, 0.5 / samples, 1 - 0.5 / samples))
        spread = ((x - mean) ** 2).sum(axis=0)
        skew = np.divide(((x - mean) ** 3).sum(axis=0), 6 * spread**1.5, out=np.zeros(width), where=spread > 1e-20)
        z = bias[:, None] + norm.ppf(tails)
        tails = norm.cdf(bias[:, None] + z / (1 - skew[:, None] * z))
    elif method != "percentile":
        raise InputError(f"no interval {method!r}: bca or percentile")
    bounds = np.array([np.quantile(moved[:, j], tails[j]) for j in range(width)]).reshape(width, 2)
    return mean + bounds[:, 0], mean + bounds[:, 1]


def wins(a: ArrayLike, b: ArrayLike) -> tuple[int, int, int]:
    """The numbers of queries on which a is above b, equal to it, below it."""
    d = _differences(a, b)
    won, lost = int((d > 1e-9).sum()), int((d < -1e-9).sum())
    return won, len(d) - won - lost, lost


def effect_size(a: ArrayLike, b: ArrayLike) -> float | None:
    """Cohen's d of paired values: the mean difference over the differences' standard deviation; None without spread."""
    d = _differences(a, b)
    deviation = float(d.std(ddof=1)) if len(d) > 1 else 0.0
    return float(d.mean()) / deviation if deviation > 1e-12 else None


def detectable(a: ArrayLike, b: ArrayLike, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """The smallest true mean difference that a two-sided paired t-test of so many queries, with differences as spread
    as these, would find with probability ``power``; None for fewer than 2 queries or without spread."""
    d = _differences(a, b)
    n = len(d)
    deviation = float(d.std(ddof=1)) if n > 1 else 0.0
    if deviation <= 1e-12:
        return None
    stats = _stats()
    critical = float(stats.t.ppf(1 - alpha / 2, n - 1))

    def power_at(shift: float) -> float:
        return float(stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift))

    low, high = 0.0, 2 * critical + 4
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if power_at(middle) < power else (low, middle)
    return high * deviation / math.sqrt(n)


def p_value(test: Test, a: ArrayLike, b: ArrayLike, seed: int = 0) -> float:
    """The p of the named test of two runs."""
    if test == "t":
        return t_test(a, b)
    if test == "randomisation":
        return randomisation_test(a, b, seed=seed)
    if test == "wilcoxon":
        return wilcoxon_test(a, b)
    if test == "tukey":
        return float(tukey_hsd(np.stack([np.asarray(a), np.asarray(b)], axis=1))[0, 1])
    raise InputError(f"no test {test!r}: {', '.join(get_args(Test))}")


def _differences(a: ArrayLike, b: ArrayLike) -> Floats:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or not len(x):
        raise InputError(f"paired values must be two equally long lists, not of shapes {x.shape} and {y.shape}")
    return x - y


def _blocks(samples: int, n: int) -> list[int]:
    size = max(1, min(samples, _BLOCK // max(n, 1)))
    return [min(size, samples - at) for at in range(0, samples, size)]


def _stats() -> Any:
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingExtra("scipy", extra="eval") from error
    return stats
