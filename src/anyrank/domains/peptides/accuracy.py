"""Right and wrong as the field counts it: amino-acid matches, precision and recall, the precision-coverage curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .peptide import Peptide

CUMULATIVE, SINGLE = 0.5, 0.1
"""Tolerances in Da: of the masses up to a residue, and of the residue itself."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def aa_matches(predicted: Peptide, true: Peptide) -> Bools:
    """Which amino acids agree, on the places of the longer peptide: residues are paired where the masses before and
    with them agree within `CUMULATIVE`, and match where their own masses agree within `SINGLE`; first from the
    N-terminus, then from the C-terminus down to the first place without a match. The same either way round.

    >>> aa_matches(Peptide(tuple("PEPTIDE")), Peptide(tuple("PEPGGIDE"))).astype(int)
    array([1, 1, 1, 0, 0, 1, 1, 1])
    """
    a, b = predicted.masses.tolist(), true.masses.tolist()
    found = np.zeros(max(len(a), len(b)), dtype=np.bool_)
    for i, j, same in _walk(a, b):
        found[max(i, j)] = same
    if not found.all():
        stop, last_a, last_b = int(np.argmin(found)), len(a) - 1, len(b) - 1
        for i, j, same in _walk(a[::-1], b[::-1]):
            if min(last_a - i, last_b - j) < stop:
                break
            found[max(last_a - i, last_b - j)] = same
    return found


def _walk(a: list[float], b: list[float]) -> list[tuple[int, int, bool]]:
    """(place in a, place in b, same residue) of every pair, from the front."""
    pairs, i, j, before_a, before_b = [], 0, 0, 0.0, 0.0
    while i < len(a) and j < len(b):
        with_a, with_b = before_a + a[i], before_b + b[j]
        paired = abs(with_a - with_b) < CUMULATIVE
        if paired:
            pairs.append((i, j, abs(a[i] - b[j]) < SINGLE))
        if paired or with_a < with_b:
            i, before_a = i + 1, with_a
        if paired or with_a >= with_b:
            j, before_b = j + 1, with_b
    return pairs


@dataclass(frozen=True, slots=True)
class Scored:
    """One spectrum's prediction judged: amino acids right, predicted and true (an N-terminal modification counts as
    one); whether the whole peptide matches within the tolerances, and whether it is the very peptide (I = L). ``score``
    is the method's confidence."""

    correct: int
    predicted: int
    true: int
    matched: bool
    exact: bool
    score: float


def assess(predicted: Peptide | None, true: Peptide, score: float = 0.0) -> Scored:
    """A prediction (or none) against the truth."""
    if predicted is None:
        return Scored(0, 0, len(true.tokens), False, False, -np.inf)
    found = aa_matches(predicted, true)
    sizes = len(predicted.tokens), len(true.tokens)
    return Scored(int(found.sum()), *sizes, bool(found.all()), predicted.key == true.key, float(score))


MEASURES = ("aa_precision", "aa_recall", "peptide_recall", "exact", "auc")


def measures(table: Sequence[Scored]) -> dict[str, float]:
    """aa_precision (right over predicted amino acids), aa_recall (over true ones), peptide_recall and exact (over all
    spectra), auc (area under the precision-coverage curve)."""
    return dict(zip(MEASURES, _Table(table).measures(np.ones((1, len(table))))[0].tolist()))


def intervals(
    table: Sequence[Scored], baseline: Sequence[Scored] | None = None, samples: int = 2000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95% percentile bootstrap intervals of every measure over spectra; of the differences from ``baseline`` (the same
    spectra in the same order) where it is given."""
    n, rng = len(table), np.random.default_rng(seed)
    ours, theirs = _Table(table), None if baseline is None else _Table(baseline)
    draws = []
    for at in range(0, samples, 100):
        size = min(100, samples - at)
        picked = rng.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
        times = np.bincount(picked.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        draws.append(ours.measures(times) - (0.0 if theirs is None else theirs.measures(times)))
    low, high = np.quantile(np.concatenate(draws), [0.025, 0.975], axis=0)
    return {m: (float(a), float(b)) for m, a, b in zip(MEASURES, low, high)}


def precision_coverage(right: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """Coverage and precision of the predictions down to each confidence: [distinct scores] each, coverage rising.
    Predictions of equal score come in together, so their order can't matter; those at -inf were not made.

    >>> coverage, precision = precision_coverage([1, 0, 1], [.9, .5, .7])
    >>> coverage.round(2), precision.round(2)
    (array([0.33, 0.67, 1.  ]), array([1.  , 1.  , 0.67]))
    """
    right, scores = np.asarray(right, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    made = int(np.isfinite(scores).sum())
    last = _ends(scores[order])
    last = last[last < made]
    return (last + 1) / max(len(right), 1), np.cumsum(right[order])[last] / (last + 1)


def auc(right: ArrayLike, scores: ArrayLike) -> float:
    """The area under the precision-coverage curve; before its first point the precision is the first point's.

    >>> round(auc([1, 0, 1], [.9, .5, .7]), 4), auc([1, 1], [.3, .3])
    (0.9444, 1.0)
    """
    coverage, precision = precision_coverage(right, scores)
    if not len(coverage):
        return 0.0
    x, y = np.concatenate([[0.0], coverage]), np.concatenate([precision[:1], precision])
    return float(((y[1:] + y[:-1]) * np.diff(x)).sum() / 2)


def _ends(falling: Floats) -> NDArray[np.int64]:
    """The last place of every run of equal scores."""
    return np.flatnonzero(np.append(falling[1:] != falling[:-1], True)) if len(falling) else np.zeros(0, np.int64)


class _Table:
    """Counts by spectrum in falling order of score, with the ends of equal scores among the predictions made."""

    def __init__(self, table: Sequence[Scored]) -> None:
        scores = np.array([s.score for s in table], dtype=np.float64)
        self.order = np.argsort(-scores, kind="stable")
        rows = [(s.correct, s.predicted, s.true, s.matched, s.exact) for s in table]
        self.counts = np.array(rows, dtype=np.float64).reshape(-1, 5)[self.order]
        ends = _ends(scores[self.order])
        self.ends = ends[ends < np.isfinite(scores).sum()]

    def measures(self, times: Floats) -> Floats:
        """The five measures under each row of ``times``, how often every spectrum counts: [samples, 5]."""
        times = times[:, self.order]
        sums, total = times @ self.counts, times.sum(axis=1)
        over = np.maximum(np.stack([sums[:, 1], sums[:, 2], total, total], axis=1), 1e-12)
        seen = np.cumsum(times, axis=1)[:, self.ends]
        hits = np.cumsum(times * self.counts[:, 3], axis=1)[:, self.ends]
        precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
        before = np.concatenate([precision[:, :1], precision[:, :-1]], axis=1)
        wide = np.diff(seen, prepend=0.0, axis=1)
        before = np.where(seen == wide, precision, before)  # the first point of the curve that counts
        area = ((precision + before) * wide).sum(axis=1) / 2 / np.maximum(total, 1e-12)
        return np.column_stack([sums[:, [0, 0, 3, 4]] / over, area])
