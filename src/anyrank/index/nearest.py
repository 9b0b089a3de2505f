"""Exact search over stored vectors: every present document is compared with the query, a block at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.matches import Matches
from ..store.filters import Filter
from ..store.store import Store
from ..vectors import Vectors, as_vectors, kinds, vectors_class
from .derived import no_option, whole_number
from .pooling import pooled
from .vector_store import Ints, VectorStore

_BLOCK = 16_384  # documents compared at once
_QUERIES = 256  # queries compared at once
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Best = tuple[Ints, Floats]
"""Rows and scores, best first."""


@dataclass(slots=True, eq=False)
class Nearest:
    """The vectors of one encoder in a collection, searched by their own measure (`Vectors.near`). Only present
    documents with content are results, and of kinds that need an overlap (sparse) only those that share a term with the
    query."""

    vector_store: VectorStore
    store: Store
    _alive: tuple[int, Mask] | None = field(default=None, repr=False)

    @property
    def alive(self) -> Mask:
        """For every row whether its document is present: read again when the collection has changed."""
        if self._alive is None or self._alive[0] != self.store.generation:
            self._alive = self.store.generation, self.store.mask()
        return self._alive[1]

    def missing(self) -> list[int]:
        """Rows of present documents that have no vector."""
        todo = self.alive.copy()
        for part in self.vector_store.shards():
            todo[part.rows[part.rows < len(todo)]] = False
        return [int(r) for r in np.flatnonzero(todo)]

    @property
    def blank(self) -> int:
        """The number of present documents without content, which no search finds."""
        return self.vector_store.blank(self.alive)

    def vectors(self, ids: Sequence[str]) -> tuple[list[int], Vectors | None]:
        """The positions in ``ids`` of those that have content and a stored vector, and these vectors (None if there are
        none)."""
        rows = self.store.find(ids)
        positions = [p for p, i in enumerate(ids) if i in rows]
        shard, _ = self.vector_store.locate([rows[ids[p]] for p in positions])
        stored = [p for p, s in zip(positions, shard) if s >= 0]
        return stored, self.vector_store.take([rows[ids[p]] for p in stored]) if stored else None

    def near(self, ids: Sequence[str], query: Vectors) -> tuple[list[int], Floats]:
        """The positions in ``ids`` of those that have content and a stored vector, and their scores for one query."""
        rows = self.store.find(ids)
        positions = [p for p, i in enumerate(ids) if i in rows]
        shard, _ = self.vector_store.locate([rows[ids[p]] for p in positions])
        stored = [p for p, s in zip(positions, shard) if s >= 0]
        return stored, self.vector_store.near([rows[ids[p]] for p in stored], query)

    def search(self, queries: Vectors | NDArray[Any], k: int, among: Filter | None = None) -> list[Matches]:
        """The k nearest documents that pass the filter. Raises InputError if k < 1, or the queries are of another
        kind or dimension than the documents."""
        vectors = as_vectors(queries)
        if k < 1:
            raise InputError(f"k={k}: ask for at least 1 document")
        kind = self.vector_store.kind
        if len(vectors) and (
            vectors.kind != (vectors_class(kind).query_kind or kind) or vectors.dim != self.vector_store.dim
        ):
            raise InputError(
                f"{vectors.kind} queries of {vectors.dim} dimensions for {kind} documents of "
                f"{self.vector_store.dim}: use the encoder that made the documents",
                path=self.vector_store.folder,
            )
        self.store.refresh()
        mask = self.alive if among is None else self.store.passing(among)
        out: list[Best] = []
        if 0 < len(vectors) <= _QUERIES:
            out = self._best(vectors, k, mask)
        else:
            for start in range(0, len(vectors), _QUERIES):
                out += self._best(vectors.part(start, min(start + _QUERIES, len(vectors))), k, mask)
        reader = self.store.reader([int(rows.max()) for rows, _ in out if len(rows)])
        return [Matches(rows, scores.astype(np.float64), reader) for rows, scores in out]

    def update(self) -> None:
        """Nothing to update: a scan has no derived files."""

    def _best(self, queries: Vectors, k: int, mask: Mask) -> list[Best]:
        """The k best rows of the mask for each query."""
        return self._scan(queries, [nothing()] * len(queries), k, mask)

    def _scan(
        self, queries: Vectors, best: list[Best], k: int, mask: Mask, skip: frozenset[str] = frozenset()
    ) -> list[Best]:
        """The k best of each query: of ``best``, the results so far, and of all shards that aren't in ``skip``. One
        block of documents is compared with all queries at a time, so memory is bounded by block and queries, not by the
        store."""
        overlap = vectors_class(self.vector_store.kind).needs_overlap
        for rows, block in self.vector_store.blocks(_BLOCK, skip):
            ok = present(rows, mask)
            if not ok.all():
                rows, block = rows[ok], block.take(np.flatnonzero(ok))
            for q, scores in enumerate(block.products(queries)):
                if overlap:
                    shared = np.flatnonzero(scores)
                    best[q] = merged(best[q], rows[shared], scores[shared], k)
                else:
                    best[q] = merged(best[q], rows, scores, k)
        return best


def nothing() -> Best:
    """The best of no rows."""
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)


def present(rows: Ints, mask: Mask) -> Mask:
    """Mask of the rows that are present; rows beyond the mask's end, added since, are not."""
    if not len(rows) or rows[-1] < len(mask):  # rows ascend, so the last is the largest
        return mask[rows]
    known = rows < len(mask)
    known[known] = mask[rows[known]]
    return known


def merged(best: Best, rows: Ints, scores: Floats, k: int) -> Best:
    """The k best of both, best first; of equal scores the earlier row. ``best`` is sorted, ``rows`` ascend."""
    if len(scores) > k:
        # Selecting in linear time before the sort; all rows that tie with the k-th stay, so that the sort decides by
        # row.
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        keep = np.flatnonzero(scores >= least)
        rows, scores = rows[keep], scores[keep]
    if len(best[0]):
        rows, scores = np.concatenate([best[0], rows]), np.concatenate([best[1], scores])
        order = np.lexsort((rows, -scores))[:k]  # by falling score, then by row
    else:  # rows ascend, and a stable sort leaves ties in that order
        order = np.argsort(-scores, kind="stable")[:k]
    return rows[order], scores[order]


KINDS = kinds()


FIXED = ("pool",)


def checked_options(options: Mapping[str, Any], dim: int) -> dict[str, Any]:
    """``pool``: so many states of a text become one (`pooling.pooled`). Raises InputError on any other option."""
    if set(options) - {"pool"}:
        raise no_option("nearest", set(options) - {"pool"}, ("pool",))
    pool = whole_number("pool", options.get("pool", 1))
    return {"pool": pool} if pool > 1 else {}


def sample(documents: int) -> int:
    """None: nothing is learned from documents."""
    return 0


def prepared(vectors: Vectors, options: Mapping[str, Any], common: Mapping[str, Any], documents: int) -> Vectors:
    """The vectors, states of tokens pooled. Raises InputError if others are to be pooled."""
    return pooled(vectors, int(options.get("pool", 1)))


def open_index(vectors: VectorStore, store: Store) -> Nearest:
    """The index over stored vectors."""
    return Nearest(vectors, store)
