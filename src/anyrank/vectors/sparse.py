"""Sparse vectors: the few terms of a large vocabulary that a text has, each with a weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .base import Floats, Rows, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Sparse(Vectors):
    """Compressed sparse rows: row i holds ``indices[indptr[i]:indptr[i+1]]``, ascending, with ``values`` beside them;
    ``dim`` is the vocabulary's size.

    >>> v = Sparse.of([{2: 1.5, 0: 1.0}, {}], dim=3)
    >>> len(v), v.row(0)
    (2, {0: 1.0, 2: 1.5})
    """

    kind: ClassVar[str] = "sparse"
    needs_overlap: ClassVar[bool] = True
    indptr: NDArray[np.int64]
    indices: NDArray[Any]
    values: NDArray[Any]
    dim: int

    @classmethod
    def of(cls, rows: Sequence[Mapping[int, float]], dim: int) -> Sparse:
        """Rows from one mapping of term to weight each."""
        items = [sorted(r.items()) for r in rows]
        indptr = np.cumsum([0, *map(len, items)], dtype=np.int64)
        flat = [pair for row in items for pair in row]
        indices = np.array([term for term, _ in flat], dtype=np.int32)
        return cls(indptr, indices, np.array([weight for _, weight in flat], dtype=np.float32), dim)

    @classmethod
    def from_weights(cls, weights: NDArray[np.float32], threshold: float = 0.0, terms: int | None = None) -> Sparse:
        """Rows from an array [n, vocabulary]: the weights above ``threshold`` (and above 0), of each row the heaviest
        ``terms`` if that is given; if several weights equal the last of these, all of them.

        >>> Sparse.from_weights(np.array([[0.5, 2.0, 0.0, 1.0]], dtype=np.float32), terms=2).row(0)
        {1: 2.0, 3: 1.0}
        """
        if terms is not None and terms < weights.shape[1]:
            floor = np.partition(weights, -terms, axis=1)[:, -terms, None]
            weights = np.where(weights >= floor, weights, np.float32(0))
        rows, columns = np.nonzero(weights > max(threshold, 0.0))
        indptr = np.searchsorted(rows, np.arange(len(weights) + 1)).astype(np.int64)
        return cls(indptr, columns.astype(np.int32), weights[rows, columns], weights.shape[1])

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def row(self, i: int) -> dict[int, float]:
        """Row i as a mapping of term to weight."""
        a, b = self.indptr[i], self.indptr[i + 1]
        return dict(zip(self.indices[a:b].tolist(), self.values[a:b].tolist()))

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.asarray(np.diff(self.indptr), dtype=np.int64)

    def take(self, rows: Rows) -> Sparse:
        picked, indptr = spans(self.indptr, rows)
        return Sparse(indptr, self.indices[picked], np.asarray(self.values[picked], dtype=np.float32), self.dim)

    def part(self, start: int, stop: int) -> Sparse:
        indptr = np.asarray(self.indptr[start : stop + 1], dtype=np.int64)
        a, b = int(indptr[0]), int(indptr[-1])
        values = np.asarray(self.values[a:b], dtype=np.float32)
        return Sparse(indptr - a, np.asarray(self.indices[a:b]), values, self.dim)

    @classmethod
    def join(cls, parts: Sequence[Sparse]) -> Sparse:
        indices, values = np.concatenate([p.indices for p in parts]), np.concatenate([p.values for p in parts])
        return cls(joined_indptr([p.indptr for p in parts]), indices, values, parts[0].dim)

    def near(self, query: Vectors) -> Floats:
        self._same_kind(query)
        if len(self.values) == 0:
            return np.zeros(len(self), dtype=np.float32)
        weights = np.zeros(self.dim, dtype=np.float32)
        terms = query.arrays()
        weights[terms["indices"]] = terms["values"]
        # A row's score is the difference of two running sums: in double precision, so that long sums lose nothing.
        sums = np.concatenate([[0.0], np.cumsum(weights[self.indices] * self.values, dtype=np.float64)])
        return np.asarray(sums[self.indptr[1:]] - sums[self.indptr[:-1]], dtype=np.float32)

    def filled(self) -> Floats:
        out = np.zeros((len(self), self.dim), dtype=np.float32)
        out[np.repeat(np.arange(len(self)), np.diff(self.indptr)), self.indices] = self.values
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"indptr": self.indptr, "indices": self.indices, "values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], dim: int) -> Sparse:
        return cls(arrays["indptr"], arrays["indices"], arrays["values"], dim)


def spans(indptr: NDArray[Any], rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The entries of some rows of a ragged array, in the rows' order, and the new ``indptr`` over them."""
    picked = np.asarray(rows, dtype=np.int64)
    sizes = np.asarray(indptr[picked + 1] - indptr[picked], dtype=np.int64)
    new = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    # Entry j of the result belongs to a row that began at indptr[row] and now begins at new[row]: it was at j plus the
    # difference of the two, which is repeated for all entries of the row.
    return np.repeat(indptr[picked] - new[:-1], sizes) + np.arange(new[-1]), new


def joined_indptr(parts: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """The ``indptr`` of several ragged arrays put one after another."""
    starts = np.cumsum([0, *(p[-1] for p in parts)])
    return np.concatenate([[0], *(p[1:] + s for p, s in zip(parts, starts))]).astype(np.int64)
