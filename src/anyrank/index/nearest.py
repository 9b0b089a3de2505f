"""Exact search over stored vectors: dense by products of blocks, sparse by postings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..store.filters import Filter
from ..vectors import Dense, Sparse, Vectors, dots
from .lexical import Lexical
from .postings import Inverted
from .vector_store import Ints, VectorStore

_BLOCK = 16_384
_QUERIES = 256
Best = tuple[Ints, Dense]


@dataclass(slots=True, eq=False)
class Nearest:
    """The vectors of one encoder in a collection, searched exactly by dot product (a core Index). Only present
    documents are found; sparse vectors that share no term with the query are not."""

    store: VectorStore
    lexical: Lexical
    inverted: Inverted | None = None
    _alive: tuple[int, NDArray[np.bool_]] | None = field(default=None, repr=False)

    @property
    def alive(self) -> NDArray[np.bool_]:
        """For every row whether its document is present: read again when the collection has changed."""
        if self._alive is None or self._alive[0] != self.lexical.generation:
            self._alive = self.lexical.generation, self.lexical.mask()
        return self._alive[1]

    def missing(self) -> list[int]:
        """Rows of present documents that have no vector."""
        todo = self.alive.copy()
        for part in self.store.shards():
            todo[part.rows[part.rows < len(todo)]] = False
        return [int(r) for r in np.flatnonzero(todo)]

    def vectors(self, ids: Sequence[str]) -> tuple[list[int], Vectors | None]:
        """The places in ``ids`` of those that have a stored vector, and these vectors (None where there are none)."""
        rows = self.lexical.find(ids)
        places = [p for p, i in enumerate(ids) if i in rows]
        shard, _ = self.store.locate([rows[ids[p]] for p in places])
        held = [p for p, s in zip(places, shard) if s >= 0]
        return held, self.store.take([rows[ids[p]] for p in held]) if held else None

    def search(self, queries: Vectors, k: int, filter: Filter | None = None) -> list[list[tuple[str, float]]]:
        """The k nearest documents that pass the filter. Raises InputError where k < 1, or the queries are of another
        kind or dimension than the documents."""
        dim = queries.dim if isinstance(queries, Sparse) else np.atleast_2d(queries).shape[-1]
        if k < 1:
            raise InputError(f"k={k}: ask for at least 1 document")
        if len(queries) and (isinstance(queries, Sparse) != self.store.sparse or dim != self.store.meta["dim"]):
            kind = "sparse" if isinstance(queries, Sparse) else "dense"
            raise InputError(
                f"{kind} queries of {dim} dimensions for {self.store.meta['kind']} documents of "
                f"{self.store.meta['dim']}: use the encoder that made the documents",
                path=self.store.folder,
            )
        among = self.alive if filter is None else self.lexical.passing(filter)
        best = self._sparse(queries, k, among) if isinstance(queries, Sparse) else self._dense(queries, k, among)
        return [list(zip(self.lexical.rows.ids(rows.tolist()), scores.tolist())) for rows, scores in best]

    def _dense(self, queries: Dense, k: int, alive: NDArray[np.bool_]) -> list[Best]:
        out: list[Best] = []
        for start in range(0, len(queries), _QUERIES):
            part = np.asarray(queries[start : start + _QUERIES], dtype=np.float32)
            best = [_none() for _ in part]
            for rows, block in self.store.blocks(_BLOCK):
                ok = _present(rows, alive)
                if not ok.all():
                    rows, block = rows[ok], np.asarray(block)[ok]
                best = [_merge(b, rows, s, k) for b, s in zip(best, part @ np.asarray(block).T)]
            out += best
        return out

    def _sparse(self, queries: Sparse, k: int, alive: NDArray[np.bool_]) -> list[Best]:
        inverted = self.inverted
        best = [_none() for _ in range(len(queries))]
        if inverted is not None:
            for q in range(len(queries)):
                span = slice(queries.indptr[q], queries.indptr[q + 1])
                scores = inverted.scores(queries.indices[span], queries.values[span])
                rows = np.flatnonzero(scores)
                rows = rows[_present(rows, alive)]
                best[q] = _merge(best[q], rows, scores[rows], k)
        for rows, block in self.store.blocks(_BLOCK, inverted.shards if inverted else frozenset()):
            for q in range(len(queries)):
                scores = dots(queries.take([q]), block)
                ok = _present(rows, alive) & (scores != 0)
                best[q] = _merge(best[q], rows[ok], scores[ok], k)
        return best


def _none() -> Best:
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)


def _present(rows: Ints, alive: NDArray[np.bool_]) -> NDArray[np.bool_]:
    known = rows < len(alive)
    known[known] = alive[rows[known]]
    return known


def _merge(best: Best, rows: Ints, scores: Dense, k: int) -> Best:
    """The k best of both, best first; of equal scores the earlier row."""
    if len(scores) > k:
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        keep = np.flatnonzero(scores >= least)
        rows, scores = rows[keep], scores[keep]
    rows, scores = np.concatenate([best[0], rows]), np.concatenate([best[1], scores])
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]
