"""The confidence that a spectrum's chosen peptide is right: calibrated on spectra whose peptide is known, or without
any, as the agreement of the engines' scores.

A method's score is made to order the candidates of one spectrum. Between spectra it depends on the peptide's length and
the spectrum's quality (a hyperscore grows with every ion), so it is a poor order of the choices. The calibration is a
logistic regression (L2) over evidence that doesn't grow with length. It holds for spectra like those it was fitted on:
another instrument, other engines or other versions of them need another one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.types import Candidate, Ranking
from .matching import NARROW, Tolerance, coverage, match
from .precursor import fits
from .saved import read_record, write_record
from .split import fingerprints
from .split import folds as folds_of

Floats = NDArray[np.float64]
KIND = "anyrank peptide confidence"
PRECURSOR = Tolerance(50.0)
LEAST = 10
"""The fewest right and wrong choices to calibrate on."""
RATES = (0.01, 0.05, 0.1, 0.2)
"""The error rates for which thresholds are advised."""


NAMES = ("agreement of the engines", "bonds seen", "fits the precursor")
"""The columns of `evidence`: few, since annotated spectra are."""


def evidence(
    ranking: Ranking, engines: Sequence[str], levels: Sequence[Sequence[float]], tolerance: Tolerance = NARROW
) -> Floats:
    """What speaks for the first candidate of a ranking, none of it growing with the peptide's length, in the order of
    `NAMES`. ``levels`` are rising scores of each engine's first choices, of which its score's percentile is taken."""
    s, c = ranking.query.content, ranking[0]
    prepared = s.prepared()
    matched = match(prepared, c.content, tolerance)
    agreed = _agreement(c, engines, levels)
    return np.array([agreed, coverage(prepared, matched), float(fits(c.content, s, PRECURSOR))])


def _agreement(c: Candidate, engines: Sequence[str], levels: Sequence[Sequence[float]]) -> float:
    """The mean over engines of the percentile of a candidate's score, 0 if an engine doesn't propose it."""
    scores = c.meta.get("scores", {})
    own = (bisect_right(x, float(scores[e])) / len(x) for e, x in zip(engines, levels) if e in scores and len(x))
    return math.fsum(own) / max(len(engines), 1)


def _levels(rankings: Sequence[Ranking], engines: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """The rising scores of each engine's first choices; of many, their percentiles."""
    candidates = [c for r in rankings for c in r]
    out = []
    for e in engines:
        values = np.sort([float(c.meta["scores"][e]) for c in candidates if c.meta.get("ranks", {}).get(e) == 1])
        out.append(_tuple(np.quantile(values, np.linspace(0, 1, 101)) if len(values) > 101 else values))
    return tuple(out)


@dataclass(frozen=True)
class Calibration:
    """A fitted logistic regression: the ``engines`` whose scores it reads with their ``levels`` (see `evidence`), the
    ``tolerance`` of ions, mean and scale of the evidence, ``weights`` and ``bias``; ``facts`` about the spectra that it
    was fitted on, and the hashes of their peptides (see `split.fingerprints`)."""

    engines: tuple[str, ...]
    levels: tuple[tuple[float, ...], ...]
    tolerance: Tolerance
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    facts: Mapping[str, float] = field(default_factory=dict)
    trained_on: Sequence[str] = field(default=(), repr=False)

    @classmethod
    def fit(
        cls, rankings: Sequence[Ranking], engines: Sequence[str], tolerance: Tolerance = NARROW, ridge: float = 1.0
    ) -> Calibration:
        """Fit on rankings of annotated spectra in a method's order; others, and empty ones, are left out. Raises
        InputError unless there are at least `LEAST` right and `LEAST` wrong first choices."""
        usable = [r for r in rankings if len(r) and r.query.content.peptide is not None]
        right = np.array([r[0].id == r.query.content.peptide.key for r in usable], dtype=np.float64)
        if min(right.sum(), len(right) - right.sum()) < LEAST:
            raise InputError(
                f"{int(right.sum())} of {len(right)} annotated first choices are right: a calibration needs at least "
                f"{LEAST} right and {LEAST} wrong ones"
            )
        levels = _levels(usable, engines)
        table = np.stack([evidence(r, engines, levels, tolerance) for r in usable])
        mean, scale = table.mean(axis=0), table.std(axis=0)
        scale[scale < 1e-9] = 1.0
        weights = _logistic((table - mean) / scale, right, ridge)
        facts = {"spectra": len(usable), "right": int(right.sum())}
        peptides = tuple(fingerprints(r.query.content.peptide for r in usable))
        return cls(
            tuple(engines),
            levels,
            tolerance,
            _tuple(mean),
            _tuple(scale),
            _tuple(weights[1:]),
            float(weights[0]),
            facts,
            peptides,
        )

    def __call__(self, rankings: Sequence[Ranking]) -> list[float | None]:
        """The confidence of each ranking's first candidate, 0 to 1; None for an empty ranking."""
        return [self._one(r) if len(r) else None for r in rankings]

    def _one(self, r: Ranking) -> float:
        x = evidence(r, self.engines, self.levels, self.tolerance)
        standard = (x - np.array(self.mean)) / np.array(self.scale)
        return float(_sigmoid(np.array(self.bias + standard @ np.array(self.weights))))

    def save(self, path: str | PathLike[str]) -> None:
        """Write it as JSON. Raises InputError if it can't be written."""
        write_record(path, KIND, {"evidence": NAMES, **asdict(self)})

    @classmethod
    def load(cls, path: str | PathLike[str], engines: Sequence[str]) -> Calibration:
        """Load a saved calibration. Raises InputError if the file is none of `save`, or needs an engine that is not
        among ``engines``."""
        record = read_record(path, KIND, "anyrank peptides calibrate")
        fitted = tuple(record["engines"])
        if tuple(record.pop("evidence")) != NAMES:
            raise InputError("fitted on other evidence than that of this version: calibrate again", path=path)
        if missing := [e for e in fitted if e not in engines]:
            raise InputError(
                f"fitted with the scores of the engine {missing[0]!r}, given are {', '.join(engines)}: name its output "
                f"--engine {missing[0]}=FILE, or calibrate again without it",
                path=path,
            )
        tuples = {k: tuple(record[k]) for k in ("engines", "mean", "scale", "weights", "trained_on")}
        tuples["levels"] = tuple(map(tuple, record["levels"]))
        return cls(**{**record, **tuples, "tolerance": Tolerance(**record["tolerance"])})


def cross_calibrations(
    rankings: Sequence[Ranking],
    engines: Sequence[str],
    tolerance: Tolerance = NARROW,
    folds: int = 5,
    seed: int = 0,
) -> list[Calibration]:
    """For each ranking a calibration that never saw its peptide: the annotated spectra are split into ``folds`` by
    peptide, and each fold's calibration is fitted on the others; that of spectra without annotation on all annotated
    ones. Raises InputError as `Calibration.fit` does."""
    truths = [r.query.content.peptide for r in rankings]
    known = [p for p in truths if p is not None]
    fold = {p.backbone: k for p, k in zip(known, folds_of(known, folds, seed))}
    fitted: dict[int | None, Calibration] = {}
    out = []
    for p in truths:
        k = None if p is None else fold[p.backbone]
        if k not in fitted:
            seen = [r for r, q in zip(rankings, truths) if q is not None and fold[q.backbone] != k]
            fitted[k] = Calibration.fit(seen, engines, tolerance)
        out.append(fitted[k])
    return out


def cross_fitted(
    rankings: Sequence[Ranking],
    engines: Sequence[str],
    tolerance: Tolerance = NARROW,
    folds: int = 5,
    seed: int = 0,
) -> list[float | None]:
    """The confidence of each ranking's first candidate by `cross_calibrations`; None for an empty ranking."""
    calibrations = cross_calibrations(rankings, engines, tolerance, folds, seed)
    return [fitted([r])[0] for fitted, r in zip(calibrations, rankings)]


def of_candidates(rankings: Sequence[Ranking], calibrations: Sequence[Calibration], top: int) -> list[list[float]]:
    """The confidence of the first ``top`` candidates of each ranking, by its calibration; a candidate's is at most that
    of the one before it."""
    out = []
    for r, fitted in zip(rankings, calibrations):
        values = [v for v in fitted([r[i:] for i in range(min(top, len(r)))]) if v is not None]
        out.append(np.minimum.accumulate(values).tolist() if values else [])
    return out


def agreement(rankings: Sequence[Ranking], engines: Sequence[str], top: int = 1) -> list[list[float]]:
    """A confidence without any known peptide: for the first ``top`` candidates of each ranking, the mean over the
    engines of its score's percentile among all first choices of that engine in this run, 0 if an engine doesn't propose
    it. An order, from 0 to 1, but no probability; a candidate's is at most that of the one before it."""
    levels = _levels(rankings, engines)

    def one(c: Candidate) -> float:
        return _agreement(c, engines, levels) * (1.0 if c.meta.get("precursor_fits", True) else 1e-3)

    return [np.minimum.accumulate([one(c) for c in r.candidates[:top]]).tolist() if len(r) else [] for r in rankings]


@dataclass(frozen=True, slots=True)
class Threshold:
    """The choices with at least this ``confidence``: their number, and the expected share of wrong ones among them."""

    rate: float
    confidence: float
    count: int


def thresholds(confidences: Sequence[float | None], rates: Sequence[float] = RATES) -> list[Threshold]:
    """For each error rate, the lowest confidence down to which the choices are expected to have at most that share of
    wrong ones: the mean of 1 - confidence, as calibrated. Rates that no choice reaches are left out.

    >>> thresholds([0.99, 0.97, 0.9, 0.2], rates=(0.05,))
    [Threshold(rate=0.05, confidence=0.9, count=3)]
    """
    falling = np.sort([c for c in confidences if c is not None])[::-1]
    expected = np.cumsum(1.0 - falling) / np.arange(1, len(falling) + 1)
    out = []
    for rate in rates:
        reached = np.flatnonzero(expected <= rate + 1e-12)
        if len(reached):
            last = int(reached[-1])
            out.append(Threshold(rate, float(falling[last]), last + 1))
    return out


def expected_wrong(confidences: Sequence[float]) -> tuple[float, float]:
    """The expected number of wrong choices, and its standard deviation if each is right by itself with the probability
    that its confidence states.

    >>> expected_wrong([0.5, 0.5])
    (1.0, 0.7071067811865476)
    """
    return math.fsum(1 - c for c in confidences), math.sqrt(math.fsum(c * (1 - c) for c in confidences))


def calibration_error(confidences: Sequence[float], right: Sequence[bool], bins: int = 5) -> float:
    """The expected calibration error: the mean distance between confidence and share of right choices over ``bins`` of
    about equal size."""
    order = np.argsort(confidences, kind="stable")
    c, r = np.asarray(confidences)[order], np.asarray(right, dtype=np.float64)[order]
    parts = [p for p in np.array_split(np.arange(len(c)), bins) if len(p)]
    return float(sum(abs(c[p].mean() - r[p].mean()) * len(p) for p in parts) / max(len(c), 1))


def _logistic(x: Floats, y: Floats, ridge: float) -> Floats:
    """Bias and weights of a logistic regression with an L2 penalty (not on the bias), by Newton's method."""
    design = np.column_stack([np.ones(len(x)), x])
    penalty = np.diag([1e-6, *[ridge] * x.shape[1]])
    w = np.zeros(design.shape[1])
    for _ in range(100):
        p = _sigmoid(design @ w)
        gradient = design.T @ (p - y) + penalty @ w
        step = np.linalg.solve((design.T * (p * (1 - p))) @ design + penalty, gradient)
        w -= step
        if np.abs(step).max() < 1e-9:
            break
    return w


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -60.0, 60.0))))


def _tuple(x: Floats) -> tuple[float, ...]:
    return tuple(x.tolist())
