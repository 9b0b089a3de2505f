"""Probabilities from scores: logistic regression (Platt), temperature and isotonic maps, and how well they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .features import Floats

METHODS = ("platt", "temperature", "isotonic")


@dataclass(frozen=True, slots=True)
class Logistic:
    """The probability that a candidate with these features is relevant: a logistic function of their weighted sum."""

    weights: tuple[float, ...]
    bias: float

    def logits(self, rows: Floats) -> Floats:
        return np.asarray(rows @ np.asarray(self.weights) + self.bias, dtype=np.float64)

    def __call__(self, rows: Floats) -> Floats:
        return sigmoid(self.logits(rows))


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e^-x), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -x)), dtype=np.float64)


def logistic(rows: Floats, labels: Floats, weights: Floats | None = None, ridge: float = 1e-3) -> Logistic:
    """The regression of 0/1 labels on features [n, d] by Newton's method, rows weighted; ``ridge`` on the weights of
    standardised features keeps separable labels finite (Platt 1999, of several features).

    >>> model = logistic(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 0.0, 1.0, 1.0]), ridge=0.1)
    >>> bool(model(np.array([[1.5]]))[0].round(6) == 0.5)
    True
    """
    w = np.ones(len(rows)) if weights is None else weights / weights.mean()
    mean, scale = rows.mean(0), rows.std(0)
    scale = np.where(scale > 1e-12, scale, 1.0)
    x = np.concatenate([(rows - mean) / scale, np.ones((len(rows), 1))], axis=1)
    penalty = np.diag([ridge * w.sum()] * rows.shape[1] + [1e-9 * w.sum()])
    beta = np.zeros(x.shape[1])
    for _ in range(50):
        p = sigmoid(x @ beta)
        gradient = x.T @ (w * (p - labels)) + penalty @ beta
        step = np.linalg.solve((x.T * (w * p * (1 - p))) @ x + penalty, gradient)
        size = float(np.abs(step).max())
        beta -= step / max(1.0, size / 2)  # far from the answer Newton's steps can be too long
        if size < 1e-9:
            break
    own = beta[:-1] / scale
    return Logistic(tuple(own.tolist()), float(beta[-1] - own @ mean))


def temperature(logits: Floats, labels: Floats) -> float:
    """The number by which logits are to be multiplied so that their likelihood is largest (Guo et al. 2017, where it
    divides)."""
    low, high = -6.0, 6.0  # of its logarithm; the likelihood is concave in the factor, so thirds find its peak
    for _ in range(80):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        if _loss(np.exp(a) * logits, labels) < _loss(np.exp(b) * logits, labels):
            high = b
        else:
            low = a
    return float(np.exp((low + high) / 2))


def _loss(logits: Floats, labels: Floats) -> float:
    return float(np.mean(np.logaddexp(0, logits) - labels * logits))


def isotonic(values: Floats, labels: Floats) -> list[tuple[float, float]]:
    """The best map from values to probabilities that never falls, as the corners (value, probability) of a line, by
    pooling adjacent violators (Zadrozny & Elkan 2002).

    >>> isotonic(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 1.0, 0.0, 1.0]))
    [(1.0, 0.0), (2.0, 0.5), (3.0, 0.5), (4.0, 1.0)]
    """
    order = np.argsort(values, kind="stable")
    unique, start = np.unique(values[order], return_index=True)
    sums = np.add.reduceat(labels[order], start)
    counts = np.diff([*start, len(values)])
    blocks: list[list[float]] = []  # sum, count, first value, last value
    for value, total, count in zip(unique.tolist(), sums.tolist(), counts.tolist()):
        blocks.append([total, count, value, value])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            total, count, _, last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + count, blocks[-1][2], last]
    corners: list[tuple[float, float]] = []
    for total, count, first, last in blocks:
        corners += dict.fromkeys([(first, total / count), (last, total / count)])
    return corners


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far probabilities are from what happened: ``bins`` (mean probability, share of relevant, count), and ``ece``,
    the mean distance of the two weighted by counts (expected calibration error)."""

    bins: tuple[tuple[float, float, int], ...]
    ece: float

    def as_dict(self) -> dict[str, Any]:
        return {"ece": self.ece, "bins": [list(b) for b in self.bins]}


def reliability(probabilities: Floats, labels: Floats, bins: int = 10) -> Reliability:
    """In bins of equal count, so that rare high probabilities count too.

    >>> reliability(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0, 0.0]), bins=2)
    Reliability(bins=((0.0, 0.0, 2), (1.0, 0.5, 2)), ece=0.25)
    """
    order = np.argsort(probabilities, kind="stable")
    rows = []
    for part in np.array_split(order, min(bins, max(len(order), 1))):
        if len(part):
            rows.append((float(probabilities[part].mean()), float(labels[part].mean()), len(part)))
    total = sum(count for *_, count in rows)
    return Reliability(tuple(rows), sum(abs(p - share) * n for p, share, n in rows) / max(total, 1))
