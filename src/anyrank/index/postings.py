"""Search of sparse vectors by postings: for each term the rows that hold it and their weights, memory-mapped (the
columns of a compressed sparse matrix)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ..core.errors import reason
from ..store.checksums import Problem, array_problems
from ..store.manifest import write_json
from ..store.store import Store
from ..vectors import Vectors
from .derived import derived_folder, no_options
from .nearest import Best, Mask, Nearest, merged, nothing, present
from .vector_store import VectorStore, encode_again

NAME = "inverted"
_BLOCK = 8192  # rows inverted at once


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """Postings of term t: ``rows[starts[t]:starts[t+1]]`` with ``weights`` beside them; all rows are below ``end``,
    ``shards`` names those that are covered."""

    starts: NDArray[np.int64]
    rows: NDArray[Any]
    weights: NDArray[Any]
    shards: frozenset[str]
    end: int

    @classmethod
    def open(cls, folder: Path) -> Postings | None:
        """The postings in a store's folder; None if they were not built yet. Raises InputError if they are damaged."""
        path = folder / NAME
        if not path.is_dir():
            return None
        cure = encode_again(folder)
        for problem in array_problems(path, cure):
            raise problem.error()
        try:
            starts, rows, weights = (np.load(path / f"{n}.npy", mmap_mode="r") for n in ("starts", "rows", "weights"))
            covers = json.loads((path / "covers.json").read_text("utf-8"))
            return cls(np.asarray(starts), rows, weights, frozenset(covers["shards"]), int(covers["end"]))
        except (ValueError, KeyError, TypeError, EOFError, OSError) as error:
            raise Problem(path, f"is damaged ({reason(error)})", cure).error() from error

    @classmethod
    def build(cls, store: VectorStore) -> Postings:
        """Postings of every present shard, in two passes that hold one block of vectors at a time: the first counts
        the postings of each term, and so the beginning of its list; the second fills the lists."""
        shards = store.shards()
        covers = {"shards": [s.name for s in shards], "end": max((int(s.rows[-1]) + 1 for s in shards), default=0)}
        counts = np.zeros(store.dim + 1, dtype=np.int64)
        for _, block in store.blocks(_BLOCK):
            counts[1:] += np.bincount(block.arrays()["indices"], minlength=store.dim)
        starts = np.cumsum(counts)
        with derived_folder(store.folder / NAME) as fresh:
            _write(store, fresh, starts, covers)
        built = cls.open(store.folder)
        assert built is not None
        return built

    def scores(self, terms: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float32]:
        """Dot products of one query with every row below ``end``; 0 if no term is shared."""
        out = np.zeros(self.end, dtype=np.float32)
        for term, weight in zip(terms.tolist(), weights.tolist()):
            span = slice(self.starts[term], self.starts[term + 1])
            out[self.rows[span]] += np.float32(weight) * np.asarray(self.weights[span], dtype=np.float32)
        return out


def _write(store: VectorStore, fresh: Path, starts: NDArray[np.int64], covers: dict[str, Any]) -> None:
    """The lists of postings, filled block by block, in the folder ``fresh``."""
    np.save(fresh / "starts.npy", starts)
    size = (int(starts[-1]),)
    rows = open_memmap(fresh / "rows.npy", "w+", np.dtype(np.int32), size)
    weights = open_memmap(fresh / "weights.npy", "w+", np.dtype(store.meta["dtype"]), size)
    for name, array in ("rows", rows), ("weights", weights):
        with open(fresh / f"{name}.npy", "rb+") as file:  # else a full disk ends the process at a write to the map
            os.posix_fallocate(file.fileno(), 0, max(array.offset + array.nbytes, 1))
    free = starts[:-1].copy()  # the position of the next posting of each term
    for block_rows, block in store.blocks(_BLOCK):
        arrays = block.arrays()
        order = np.argsort(arrays["indices"], kind="stable")  # by term, and within a term by row
        sorted_terms = arrays["indices"][order]
        terms, first, sizes = np.unique(sorted_terms, return_index=True, return_counts=True)
        # The n-th posting of a term in this block goes to the n-th free position of its list.
        nth = np.arange(len(sorted_terms)) - np.repeat(first, sizes)
        target = nth + np.repeat(free[terms], sizes)
        rows[target] = np.repeat(block_rows, np.diff(arrays["indptr"]))[order]
        weights[target] = arrays["values"][order]
        free[terms] += sizes
    rows.flush()
    weights.flush()
    write_json(fresh / "covers.json", covers)


@dataclass(slots=True, eq=False)
class PostingsIndex(Nearest):
    """Sparse vectors searched by postings; shards without postings yet are scanned."""

    postings: Postings | None = field(default=None, repr=False)

    def update(self) -> None:
        """Postings built anew if shards were added since."""
        if self.postings is None or self.postings.shards != {s.name for s in self.vector_store.shards()}:
            self.postings = Postings.build(self.vector_store)

    def _best(self, queries: Vectors, k: int, mask: Mask) -> list[Best]:
        if self.postings is None:
            return self._scan(queries, [nothing()] * len(queries), k, mask)
        best, arrays = [], queries.arrays()
        for q in range(len(queries)):
            span = slice(arrays["indptr"][q], arrays["indptr"][q + 1])
            scores = self.postings.scores(arrays["indices"][span], arrays["values"][span])
            rows = np.flatnonzero(scores)
            rows = rows[present(rows, mask)]
            best.append(merged(nothing(), rows, scores[rows], k))
        return self._scan(queries, best, k, mask, self.postings.shards)


KINDS = ("sparse",)


def checked_options(options: Mapping[str, Any], dim: int) -> dict[str, Any]:
    """No options. Raises InputError on any."""
    return no_options("postings", options)


def open_index(vectors: VectorStore, store: Store) -> PostingsIndex:
    """The index over stored sparse vectors."""
    return PostingsIndex(vectors, store, postings=Postings.open(vectors.folder))
