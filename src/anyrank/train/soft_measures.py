"""Measures of scores against a teacher's: rank correlations, and nDCG with a gain that is stated.

ir_measures takes whole grades, which a teacher's scores are not; these take any labels, a value a group.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

Soft = Callable[[Sequence[float], Sequence[float]], float]
"""(scores, labels) of a group -> a value, higher for better."""


def spearman(scores: Sequence[float], labels: Sequence[float]) -> float:
    """Spearman's rank correlation, ties with the mean of their ranks; 0 if scores or labels are all alike.

    >>> round(spearman([3.0, 1.0, 2.0, 0.0], [9.5, 7.0, 8.0, 1.0]), 6)
    1.0
    """
    a, b = _ranks(scores), _ranks(labels)
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread else 0.0


def kendall(scores: Sequence[float], labels: Sequence[float]) -> float:
    """Kendall's tau-b: pairs in the same order less pairs in another, over the geometric mean of the pairs untied in
    each; 0 if scores or labels are all alike.

    >>> round(kendall([3.0, 1.0, 2.0], [9.0, 8.0, 1.0]), 6)
    0.333333
    """
    a, b = (np.sign(np.subtract.outer(x, x)) for x in (np.asarray(scores, float), np.asarray(labels, float)))
    spread = float(np.sqrt(np.abs(a).sum() * np.abs(b).sum()))
    return float((a * b).sum()) / spread if spread else 0.0


def pnr(scores: Sequence[float], labels: Sequence[float]) -> float:
    """Positive-negative ratio of Baidu's ranker (arXiv 2105.11108): pairs in the labels' order over pairs against it;
    pairs that tie in either count in none. A group without a pair against it is measured as if there were one, so that
    the mean over groups is finite.

    >>> pnr([3.0, 2.0, 1.0, 0.0], [2.0, 1.0, 1.0, 3.0]), pnr([2.0, 1.0], [1.0, 0.0])
    (0.6666666666666666, 1.0)
    """
    a, b = (np.sign(np.subtract.outer(x, x)) for x in (np.asarray(scores, float), np.asarray(labels, float)))
    right, wrong = int((a * b > 0).sum()) // 2, int((a * b < 0).sum()) // 2
    return right / max(wrong, 1)


def soft_ndcg(scores: Sequence[float], labels: Sequence[float], k: int = 0) -> float:
    """nDCG of the first ``k`` (0: all) with the gain (y - lowest) / (highest - lowest) of a group's labels, from 0 for
    the worst to 1 for the best, and the discount 1 / log2(1 + rank). Scores that tie share the mean of their gains; 0
    if the labels are all alike.

    >>> round(soft_ndcg([1.0, 2.0], [7.5, 2.5]), 6)
    0.63093
    """
    s, y = np.asarray(scores, float), np.asarray(labels, float)
    width = float(np.ptp(y))
    if not width:
        return 0.0
    gain = (y - y.min()) / width
    shared = np.array([gain[s == value].mean() for value in s])
    discount = 1 / np.log2(2 + np.arange(len(s)))
    discount[k or len(s) :] = 0
    ideal = float(np.sort(gain)[::-1] @ discount)
    return float(shared[np.argsort(-s, kind="stable")] @ discount) / ideal


def soft_measure(name: str) -> Soft | None:
    """The measure of a name: Spearman, Kendall, PNR, SoftnDCG or SoftnDCG@k; None if it is none of these.

    >>> soft_measure("SoftnDCG@1")([2.0, 1.0], [0.0, 1.0]), soft_measure("nDCG@10")
    (0.0, None)
    """
    if name in PLAIN:
        return PLAIN[name]
    match = re.fullmatch(r"SoftnDCG(?:@(\d+))?", name)
    if match is None:
        return None
    k = int(match[1] or 0)
    if match[1] and not k:
        raise InputError(f"measure {name!r}: a cut-off is at least 1, not 0")
    return lambda scores, labels: soft_ndcg(scores, labels, k)


PLAIN = {"Spearman": spearman, "Kendall": kendall, "PNR": pnr}


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks from 0 for the lowest; equal values share the mean of theirs."""
    v = np.asarray(values, float)
    return np.asarray((v[:, None] > v).sum(1) + ((v[:, None] == v).sum(1) - 1) / 2, np.float64)
