"""Accuracy as de novo sequencing counts it: amino-acid matches, precision and recall, the precision-coverage curve."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.errors import InputError
from .matching import NARROW, Tolerance, match
from .peptide import Peptide
from .spectrum import Spectrum

CUMULATIVE, SINGLE = 0.5, 0.1
"""Tolerances in Da: of the prefix masses up to a residue, and of the residue itself."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def aa_matches(predicted: Peptide, true: Peptide) -> Bools:
    """Whether each amino acid of the longer peptide is matched: bool [longest].

    Two residues are paired if their prefix masses, each with the residue itself, agree within `CUMULATIVE`; they match
    if their own masses agree within `SINGLE`. First from the N-terminus, then from the C-terminus down to the first
    position without a match. Symmetric in its arguments.

    >>> aa_matches(Peptide(tuple("PEPTIDE")), Peptide(tuple("PEPGGIDE"))).astype(int)
    array([1, 1, 1, 0, 0, 1, 1, 1])
    """
    a, b = predicted.masses.tolist(), true.masses.tolist()
    matched = np.zeros(max(len(a), len(b)), dtype=np.bool_)
    for i, j, same in _pairs(a, b):
        matched[max(i, j)] = same
    if not matched.all():
        # A wrong residue of another mass shifts all prefix masses after it, so what follows is matched by suffix
        # masses.
        first_miss, last_a, last_b = int(np.argmin(matched)), len(a) - 1, len(b) - 1
        for i, j, same in _pairs(a[::-1], b[::-1]):
            if min(last_a - i, last_b - j) < first_miss:
                break
            matched[max(last_a - i, last_b - j)] = same
    return matched


def _pairs(a: list[float], b: list[float]) -> list[tuple[int, int, bool]]:
    """(position in a, position in b, whether they are the same residue) of all residues whose prefix masses agree."""
    pairs, i, j, prefix_a, prefix_b = [], 0, 0, 0.0, 0.0
    while i < len(a) and j < len(b):
        # Prefix masses with residue i and j; if they disagree, the lighter side moves on by a residue.
        next_a, next_b = prefix_a + a[i], prefix_b + b[j]
        paired = abs(next_a - next_b) < CUMULATIVE
        if paired:
            pairs.append((i, j, abs(a[i] - b[j]) < SINGLE))
        if paired or next_a < next_b:
            i, prefix_a = i + 1, next_a
        if paired or next_a >= next_b:
            j, prefix_b = j + 1, next_b
    return pairs


@dataclass(frozen=True, slots=True)
class Scored:
    """The accuracy of one spectrum's prediction: the numbers of correct, predicted and true amino acids (an N-terminal
    modification counts as one), whether the whole peptide matches within the tolerances, and whether it is exactly the
    true one (I = L). ``score`` is the method's confidence."""

    correct: int
    predicted: int
    true: int
    matched: bool
    exact: bool
    score: float


def assess(predicted: Peptide | None, true: Peptide, score: float = 0.0) -> Scored:
    """Compare a prediction, None if there is none, with the true peptide."""
    if predicted is None:
        return Scored(0, 0, len(true.tokens), False, False, -np.inf)
    matched = aa_matches(predicted, true)
    sizes = len(predicted.tokens), len(true.tokens)
    return Scored(int(matched.sum()), *sizes, bool(matched.all()), predicted.key == true.key, float(score))


MEASURES = ("aa_precision", "aa_recall", "peptide_recall", "exact", "auc")


def measures(table: Sequence[Scored]) -> dict[str, float]:
    """All measures: aa_precision (correct over predicted amino acids), aa_recall (over true ones), peptide_recall and
    exact (over all spectra), auc (area under the precision-coverage curve)."""
    return dict(zip(MEASURES, _Table(table).measures(np.ones((1, len(table))))[0].tolist()))


def intervals(
    table: Sequence[Scored],
    baseline: Sequence[Scored] | None = None,
    samples: int = 2000,
    seed: int = 0,
    *,
    groups: Sequence[Hashable] | None = None,
) -> dict[str, tuple[float, float]]:
    """95% percentile bootstrap intervals of every measure; with a ``baseline`` (the same spectra in the same order), of
    the differences from it.

    ``groups``: the peptide of each spectrum. Spectra of one peptide are no independent observations, so peptides are
    resampled and take their spectra along; without groups each spectrum stands for itself.
    """
    rng = np.random.default_rng(seed)
    if groups is not None and len(groups) != len(table):
        raise InputError(f"{len(groups)} groups for {len(table)} spectra")
    number = {g: i for i, g in enumerate(dict.fromkeys(range(len(table)) if groups is None else groups))}
    group = np.array([number[g] for g in (range(len(table)) if groups is None else groups)], dtype=np.int64)
    n = len(number)
    ours, theirs = _Table(table), None if baseline is None else _Table(baseline)
    draws = []
    for start in range(0, samples, 100):
        size = min(100, samples - start)
        # Each row is a bootstrap sample: how often each group was drawn, [size, n], and with it each of its spectra.
        picked = rng.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
        drawn = np.bincount(picked.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        times = drawn[:, group]
        draws.append(ours.measures(times) - (0.0 if theirs is None else theirs.measures(times)))
    low, high = np.quantile(np.concatenate(draws), [0.025, 0.975], axis=0)
    return {m: (float(a), float(b)) for m, a, b in zip(MEASURES, low, high)}


def precision_coverage(right: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """Coverage and precision of the predictions down to each score: [distinct scores] each, coverage rising.
    Predictions of equal score are taken together, so their order can't matter; a score of -inf is no prediction.

    >>> coverage, precision = precision_coverage([1, 0, 1], [.9, .5, .7])
    >>> coverage.round(2), precision.round(2)
    (array([0.33, 0.67, 1.  ]), array([1.  , 1.  , 0.67]))
    """
    right, scores = np.asarray(right, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    predictions = int(np.isfinite(scores).sum())
    last = _ends(scores[order])
    last = last[last < predictions]
    return (last + 1) / max(len(right), 1), np.cumsum(right[order])[last] / (last + 1)


def aa_precision_recall(table: Sequence[Scored]) -> tuple[Floats, Floats]:
    """Amino-acid recall and precision of the predictions down to each score: [distinct scores] each, recall rising."""
    scores = np.array([s.score for s in table], dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    correct = np.cumsum(np.array([s.correct for s in table], dtype=np.float64)[order])
    predicted = np.cumsum(np.array([s.predicted for s in table], dtype=np.float64)[order])
    last = _ends(scores[order])
    last = last[last < np.isfinite(scores).sum()]
    true = max(sum(s.true for s in table), 1)
    return correct[last] / true, correct[last] / np.maximum(predicted[last], 1.0)


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
    """The last position of every run of equal scores."""
    return np.flatnonzero(np.append(falling[1:] != falling[:-1], True)) if len(falling) else np.zeros(0, np.int64)


class _Table:
    """Counts by spectrum in falling order of score, with the last positions of equal scores among the predictions."""

    def __init__(self, table: Sequence[Scored]) -> None:
        scores = np.array([s.score for s in table], dtype=np.float64)
        self.order = np.argsort(-scores, kind="stable")
        rows = [(s.correct, s.predicted, s.true, s.matched, s.exact) for s in table]
        self.counts = np.array(rows, dtype=np.float64).reshape(-1, 5)[self.order]
        ends = _ends(scores[self.order])
        self.ends = ends[ends < np.isfinite(scores).sum()]

    def measures(self, times: Floats) -> Floats:
        """The five measures [samples, 5] for ``times`` [samples, spectra], how often each spectrum counts in a
        sample."""
        # The curve of `precision_coverage` for all samples at once: coverage and hits at each distinct score.
        times = times[:, self.order]
        sums, total = times @ self.counts, times.sum(axis=1)
        over = np.maximum(np.stack([sums[:, 1], sums[:, 2], total, total], axis=1), 1e-12)
        seen = np.cumsum(times, axis=1)[:, self.ends]
        hits = np.cumsum(times * self.counts[:, 3], axis=1)[:, self.ends]
        precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
        # Trapezoids: the width is the number of spectra of that score, 0 if the sample has none. Before the first point
        # with spectra, the precision is that point's.
        before = np.concatenate([precision[:, :1], precision[:, :-1]], axis=1)
        width = np.diff(seen, prepend=0.0, axis=1)
        before = np.where(seen == width, precision, before)
        area = ((precision + before) * width).sum(axis=1) / 2 / np.maximum(total, 1e-12)
        return np.column_stack([sums[:, [0, 0, 3, 4]] / over, area])


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the spectra: its label, the number of spectra, and their amino-acid precision and peptide recall."""

    label: str
    spectra: int
    aa_precision: float
    peptide_recall: float


def by_part(
    table: Sequence[Scored], spectra: Sequence[Spectrum], tolerance: Tolerance = NARROW
) -> dict[str, list[Part]]:
    """The accuracy by the true peptide's length, by charge, by its missed cleavage ions (bonds of which the spectrum
    shows neither b nor y), and by modifications. Parts without spectra are left out."""
    labels: dict[str, list[str]] = {"length": [], "charge": [], "bonds without ions": [], "modified": []}
    for s in spectra:
        truth = s.peptide
        if truth is None:
            raise InputError(f"spectrum {s.name!r} is not annotated")
        labels["length"].append(_range(len(truth), (7, 10, 13, 16, 20)))
        labels["charge"].append(f"{s.charge}+")
        missing = int((~match(s.prepared(), truth, tolerance).sites.any(axis=0)).sum()) if len(truth) > 1 else 0
        labels["bonds without ions"].append(_range(missing, (1, 2, 4, 7)))
        labels["modified"].append("modified" if truth.modifications else "bare")
    out = {}
    for kind, names in labels.items():
        rows = []
        for label in sorted(set(names), key=lambda x: (len(x.split()[0].split("-")[0]), x)):
            part = [t for t, name in zip(table, names) if name == label]
            values = measures(part)
            rows.append(Part(label, len(part), values["aa_precision"], values["peptide_recall"]))
        out[kind] = rows
    return out


def _range(value: int, starts: Sequence[int]) -> str:
    """The range of whole numbers that a value is in; ranges begin at 0 and at ``starts``.

    >>> _range(3, (1, 2, 4)), _range(0, (1, 2, 4)), _range(9, (1, 2, 4))
    ('2-3', '0', '4 or more')
    """
    if value >= starts[-1]:
        return f"{starts[-1]} or more"
    low, high = next((a, b - 1) for a, b in zip((0, *starts), starts) if value < b)
    return f"{low}-{high}" if high > low else f"{low}"
