"""Sparse vectors turned over: for each term the rows that hold it and their weights, memory-mapped (columns of a
compressed sparse matrix)."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ..disk import sync_folder
from ..store.manifest import write_json
from ..vectors import Sparse
from .vector_store import VectorStore

NAME = "inverted"
_BLOCK = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Inverted:
    """Postings of term t: ``rows[starts[t]:starts[t+1]]`` with ``weights`` beside them; all rows are below ``end``,
    ``shards`` names what is covered."""

    starts: NDArray[np.int64]
    rows: NDArray[Any]
    weights: NDArray[Any]
    shards: frozenset[str]
    end: int

    @classmethod
    def open(cls, folder: Path) -> Inverted | None:
        """None where the postings were not made yet."""
        path = folder / NAME
        if not path.is_dir():
            return None
        starts, rows, weights = (np.load(path / f"{n}.npy", mmap_mode="r") for n in ("starts", "rows", "weights"))
        covers = json.loads((path / "covers.json").read_text("utf-8"))
        return cls(np.asarray(starts), rows, weights, frozenset(covers["shards"]), covers["end"])

    @classmethod
    def make(cls, store: VectorStore) -> Inverted:
        """Postings of every present shard, in two passes that hold one block of vectors at a time."""
        shards, dim = store.shards(), int(store.meta["dim"])
        covers = {"shards": [s.name for s in shards], "end": max((int(s.rows[-1]) + 1 for s in shards), default=0)}
        counts = np.zeros(dim + 1, dtype=np.int64)
        for _, block in store.blocks(_BLOCK):
            assert isinstance(block, Sparse)
            counts[1:] += np.bincount(block.indices, minlength=dim)
        starts = np.cumsum(counts)
        fresh = store.folder / f".{NAME}.tmp"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        np.save(fresh / "starts.npy", starts)
        size = (int(starts[-1]),)
        rows = open_memmap(fresh / "rows.npy", "w+", np.dtype(np.int32), size)
        weights = open_memmap(fresh / "weights.npy", "w+", np.dtype(store.meta["dtype"]), size)
        free = starts[:-1].copy()
        for at, block in store.blocks(_BLOCK):
            assert isinstance(block, Sparse)
            order = np.argsort(block.indices, kind="stable")
            terms = block.indices[order]
            held, first, sizes = np.unique(terms, return_index=True, return_counts=True)
            place = np.arange(len(terms)) - np.repeat(first, sizes) + np.repeat(free[held], sizes)
            rows[place] = np.repeat(at, np.diff(block.indptr))[order]
            weights[place] = block.values[order]
            free[held] += sizes
        rows.flush()
        weights.flush()
        write_json(fresh / "covers.json", covers)
        shutil.rmtree(store.folder / NAME, ignore_errors=True)
        fresh.rename(store.folder / NAME)
        sync_folder(store.folder)
        made = cls.open(store.folder)
        assert made is not None
        return made

    def scores(self, indices: NDArray[Any], values: NDArray[Any]) -> NDArray[np.float32]:
        """Dot products of one query with every row below ``end``; 0 where no term is shared."""
        out = np.zeros(self.end, dtype=np.float32)
        for term, value in zip(indices.tolist(), values.tolist()):
            span = slice(self.starts[term], self.starts[term + 1])
            out[self.rows[span]] += np.float32(value) * np.asarray(self.weights[span], dtype=np.float32)
        return out
