"""Many fusions of the same parts measured at once: a product of matrices, a query at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.fusion import Combine, number
from .measures import Graded, Measure
from .table import Ranked

Floats = NDArray[np.float64]
_AT_ONCE = 2048
"""Fusions computed at once, so that their scores stay small in memory."""


@dataclass(slots=True, eq=False)
class Pool:
    """The candidates of one query from several parts, each part's z-scores a column.

    ``documents`` int64 [n] are numbers of documents in the order of their first appearance in the parts; ``columns``
    float64 [n, parts] what each part adds to a fusion of weight 1, as ``a + b`` in a pipeline normalises it.
    """

    documents: NDArray[np.int64]
    columns: Floats

    @classmethod
    def of(cls, parts: Sequence[Ranked]) -> Pool:
        """The pool of the parts' results.

        >>> part = Ranked(np.array([4, 7]), np.array([2.0, 1.0]))
        >>> Pool.of([part, part]).scores(np.array([[1.0, 0.5]])).tolist()
        [[1.5, -1.5]]
        """
        documents, items = number([p.documents for p in parts])
        method, n = Combine(), len(documents)
        columns = [method.fuse([mine], [p.scores], n, [1.0]) for mine, p in zip(items, parts)]
        return cls(documents, np.stack(columns, axis=1) if columns else np.zeros((n, 0)))

    def scores(self, weights: Floats) -> Floats:
        """The scores of fusions: [fusions, n] of ``weights`` [fusions, parts]."""
        return np.asarray(weights @ self.columns.T)

    def top(self, weights: Floats, k: int) -> NDArray[np.int64]:
        """The positions in ``documents`` of the best k of every fusion, best first: int64 [fusions, min(k, n)]. Of
        equal scores the first document counts, as in a pipeline."""
        scores = self.scores(weights)
        k = min(k, scores.shape[1])
        if not k:
            return np.zeros((len(weights), 0), dtype=np.int64)
        # A document's rank among equals follows its position: sums that differ by rounding alone count as equal.
        keys = -np.round(scores, 10)
        if k < scores.shape[1]:
            # all that tie with the k-th would be needed to break ties by position, so a little room is left for them
            room = min(scores.shape[1], k + 6)
            near = np.sort(np.argpartition(keys, room - 1, axis=1)[:, :room], axis=1)
            order = np.argsort(np.take_along_axis(keys, near, axis=1), axis=1, kind="stable")[:, :k]
            return np.take_along_axis(near, order, axis=1)
        return np.argsort(keys, axis=1, kind="stable")


def measured(parts: Mapping[str, Sequence[Ranked]], weights: Floats, graded: Graded, measure: Measure) -> Floats:
    """The measure of every fusion for every query: float64 [queries, fusions]. ``parts`` are the results of the parts,
    by name, for every query of ``graded``; ``weights`` [fusions, parts] in their order."""
    out = np.zeros((len(graded.grades), len(weights)))
    for q, results in enumerate(zip(*parts.values())):
        pool = Pool.of(results)
        grades = graded.of(q, pool.documents)
        for start in range(0, len(weights), _AT_ONCE):
            top = pool.top(weights[start : start + _AT_ONCE], measure.depth)
            out[q, start : start + _AT_ONCE] = measure.values(grades[top], graded.all[q])
    return out
