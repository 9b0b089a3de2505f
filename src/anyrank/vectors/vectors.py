"""Vectors, and the protocols of what makes them (Encoder) and what searches (Index)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.trace import Usage
from ..core.types import Candidate


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """Rows of sparse vectors (compressed sparse rows): row i holds ``indices[indptr[i]:indptr[i+1]]``, ascending, with
    ``values`` beside them; ``dim`` is the vocabulary's size.

    >>> v = Sparse.of([{2: 1.5, 0: 1.0}, {}], dim=3)
    >>> len(v), v.row(0)
    (2, {0: 1.0, 2: 1.5})
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    dim: int

    @classmethod
    def of(cls, rows: Sequence[dict[int, float]], dim: int) -> Sparse:
        items = [sorted(r.items()) for r in rows]
        indptr = np.cumsum([0, *map(len, items)], dtype=np.int64)
        flat = [kv for row in items for kv in row]
        indices = np.array([k for k, _ in flat], dtype=np.int32)
        return cls(indptr, indices, np.array([v for _, v in flat], dtype=np.float32), dim)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def row(self, i: int) -> dict[int, float]:
        a, b = self.indptr[i], self.indptr[i + 1]
        return dict(zip(self.indices[a:b].tolist(), self.values[a:b].tolist()))

    def take(self, rows: Sequence[int]) -> Sparse:
        """The given rows, in the given order."""
        picked = np.asarray(rows, dtype=np.int64)
        sizes = self.indptr[picked + 1] - self.indptr[picked]
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        at = np.repeat(self.indptr[picked] - indptr[:-1], sizes) + np.arange(indptr[-1])
        return Sparse(indptr, self.indices[at], self.values[at], self.dim)


Dense = NDArray[np.float32]
Vectors = Dense | Sparse
"""Dense: an array [n, dim] of float32. Sparse: n rows."""


def take(vectors: Vectors, rows: Sequence[int]) -> Vectors:
    """The given rows of ``vectors``."""
    return vectors.take(rows) if isinstance(vectors, Sparse) else vectors[np.asarray(rows, dtype=np.int64)]


def concat(parts: Sequence[Vectors]) -> Vectors:
    """The rows of all parts, in order. Raises InputError where dense and sparse parts or dimensions are mixed."""
    sparse = [p for p in parts if isinstance(p, Sparse)]
    if not sparse:
        return np.concatenate([p for p in parts if not isinstance(p, Sparse)])
    if len(sparse) < len(parts) or len({p.dim for p in sparse}) > 1:
        raise InputError(f"vectors of different kinds: {[(type(p).__name__, getattr(p, 'dim', None)) for p in parts]}")
    starts = np.cumsum([0, *(p.indptr[-1] for p in sparse)])
    indptr = np.concatenate([[0], *(p.indptr[1:] + s for p, s in zip(sparse, starts))]).astype(np.int64)
    indices, values = (np.concatenate([getattr(p, n) for p in sparse]) for n in ("indices", "values"))
    return Sparse(indptr, indices, values, sparse[0].dim)


def dots(query: Vectors, docs: Vectors) -> Dense:
    """Dot products of one query (a single row) with every row of ``docs``: float32 [n]."""
    if isinstance(docs, Sparse) and isinstance(query, Sparse):
        if len(docs.values) == 0:
            return np.zeros(len(docs), dtype=np.float32)
        weight = np.zeros(docs.dim, dtype=np.float32)
        weight[query.indices] = query.values
        sums = np.concatenate([[0.0], np.cumsum(weight[docs.indices] * docs.values, dtype=np.float64)])
        return np.asarray(sums[docs.indptr[1:]] - sums[docs.indptr[:-1]], dtype=np.float32)
    if isinstance(docs, Sparse) or isinstance(query, Sparse):
        raise InputError("a dense query can't be compared with sparse documents, nor the other way round")
    return np.asarray(docs @ query[0], dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Vectors and what they cost; ``usage.truncated`` counts the texts that were cut."""

    vectors: Vectors
    usage: Usage = field(default_factory=Usage)


@runtime_checkable
class Encoder(Protocol):
    """What turns contents into vectors, one row a content; queries and documents may be treated differently."""

    name: str

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded: ...


class Documents(Protocol):
    """What gives documents by id, in the asked order. Raises InputError on an unknown id."""

    def get(self, ids: Sequence[str]) -> list[Candidate]: ...


class Index(Protocol):
    """What finds the k best documents for each query. Queries are vectors or texts, as the index says; per query it
    returns ids, best first, with falling scores; fewer than k where fewer match. ``options`` are the index's own (a
    collection's takes a ``filter``)."""

    def search(self, queries: Any, k: int, **options: Any) -> list[list[tuple[str, float]]]: ...
