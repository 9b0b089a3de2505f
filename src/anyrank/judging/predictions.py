"""Gains of documents that nobody judged, predicted from those judged: they narrow an estimate and never bias it.

A ridge regression on how high the runs rank a document and, if there are any, on another judge's labels, with the mean
of what is left of each query, shrunk. The estimate subtracts what was predicted and adds what is judged (Angelopoulos
and others 2023, "Prediction-powered inference"), so that a wrong prediction costs width alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pool import Floats

RIDGE, START, QUERY, BEFORE, FLOOR = 1.0, 0.35, 4.0, 8.0, 0.6
"""The ridge; the gain that is expected before any label; the judgements of a query that weigh as much as its prior; the
judgements that the expected noise weighs as much as; the least share of the mean variance that a document has."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """``features`` [items, n] and ``owners`` [items], the number of each item's query."""

    features: Floats
    owners: NDArray[np.int64]

    @classmethod
    def of(cls, votes: Floats, owners: Sequence[int], labels: Floats | None = None) -> Predictor:
        """By the runs' ``votes`` and another judge's gains (NaN: none; their mean is taken)."""
        columns = [np.ones(len(votes)), votes - votes.mean()]
        if labels is not None:
            known = np.isfinite(labels)
            centre = labels[known].mean() if known.any() else 0.0
            columns.append(np.where(known, labels - centre, 0.0))
        return cls(np.stack(columns, axis=1), np.asarray(owners))

    def predict(self, judged: Sequence[int], gains: Floats) -> tuple[Floats, Floats]:
        """The expected gain of every item and its variance, from the gains of the judged ones."""
        rows, y = np.array(judged, dtype=np.int64), gains - START
        x = self.features[rows]
        solved = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
        means = START + self.features @ solved
        count = self.owners.max() + 1
        left = np.bincount(self.owners[rows], y + START - means[rows], count)
        means = means + (left / (np.bincount(self.owners[rows], minlength=count) + QUERY))[self.owners]
        means = np.clip(means, 0.02, 0.98)
        spread = means * (1 - means)
        # Gains between 0 and 1 vary less than those of two values with the same mean: by how much, the judged ones say.
        noise = ((y + START - means[rows]) ** 2).sum() + 0.5 * spread.mean() * BEFORE
        scale = noise / (spread[rows].sum() + spread.mean() * BEFORE)
        return means, np.maximum(spread, FLOOR * spread.mean()) * scale
