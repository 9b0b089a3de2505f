"""Stored vectors: append-only shards of memory-mapped arrays, one folder a shard, keyed by row of the document store.

A shard is written beside its place and renamed into it, so that a killed encoding leaves whole shards only. A row is
one version of one document: what is replaced or deleted in the lexical index has no live row, and so its vectors count
no more.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..disk import sync_folder
from ..store.manifest import write_json
from ..vectors import Sparse, Vectors, concat, take

_META = "vectors.json"
Ints = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Shard:
    """Vectors of ascending ``rows``, memory-mapped as they lie on disk (dense: float16 or float32)."""

    name: str
    rows: Ints
    arrays: dict[str, NDArray[Any]]
    dim: int

    @classmethod
    def open(cls, folder: Path, dim: int) -> Shard:
        arrays = {p.stem: np.load(p, mmap_mode="r") for p in sorted(folder.glob("*.npy"))}
        return cls(folder.name, np.asarray(arrays.pop("rows")), arrays, dim)

    def __len__(self) -> int:
        return len(self.rows)

    def block(self, start: int, stop: int) -> Vectors:
        """Vectors ``start`` to ``stop`` of the shard, as float32."""
        if "dense" in self.arrays:
            return np.asarray(self.arrays["dense"][start:stop], dtype=np.float32)
        indptr = np.asarray(self.arrays["indptr"][start : stop + 1], dtype=np.int64)
        a, b = int(indptr[0]), int(indptr[-1])
        indices = np.asarray(self.arrays["indices"][a:b])
        return Sparse(indptr - a, indices, np.asarray(self.arrays["values"][a:b], dtype=np.float32), self.dim)

    def take(self, places: Ints) -> Vectors:
        """The vectors at these places of the shard, as float32."""
        if "dense" in self.arrays:
            return np.asarray(self.arrays["dense"][places], dtype=np.float32)
        indptr, indices, values = (self.arrays[n] for n in ("indptr", "indices", "values"))
        found = Sparse(indptr, indices, values, self.dim).take(places.tolist())
        return Sparse(found.indptr, found.indices, found.values.astype(np.float32), self.dim)


@dataclass(slots=True, eq=False)
class VectorStore:
    """The vectors of one encoder: ``vectors.json`` (kind, dimension, number format) and its shards."""

    folder: Path
    meta: dict[str, Any] = field(default_factory=dict)
    _shards: dict[str, Shard] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, folder: Path) -> VectorStore:
        """Raises InputError where there are none."""
        try:
            meta = json.loads((folder / _META).read_text("utf-8"))
        except FileNotFoundError:
            raise InputError("holds no vectors: encode the collection first", path=folder) from None
        except ValueError as error:
            raise InputError("is damaged: delete the folder and encode again", path=folder / _META) from error
        return cls(folder, meta)

    @classmethod
    def create(cls, folder: Path, like: Vectors, dtype: str) -> VectorStore:
        """A new store for vectors of this kind, or the present one where it holds this kind already."""
        if dtype not in ("float16", "float32"):
            raise InputError(f"dtype={dtype!r}: choose float16 or float32")
        sparse = isinstance(like, Sparse)
        dim = like.dim if isinstance(like, Sparse) else int(like.shape[1])
        meta = {"kind": "sparse" if sparse else "dense", "dim": dim, "dtype": dtype}
        if (folder / _META).exists():
            store = cls.open(folder)
            for name in ("kind", "dim"):
                if store.meta[name] != meta[name]:
                    raise InputError(f"holds vectors of {name} {store.meta[name]}, not {meta[name]}", path=folder)
            return store
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _META, meta)
        return cls(folder, meta)

    @property
    def sparse(self) -> bool:
        return bool(self.meta["kind"] == "sparse")

    def shards(self) -> list[Shard]:
        """The whole shards, oldest first."""
        names = sorted(p.name for p in self.folder.iterdir() if p.name.startswith("shard-"))
        for name in names:
            if name not in self._shards:
                self._shards[name] = Shard.open(self.folder / name, self.meta["dim"])
        return [self._shards[n] for n in names]

    def append(self, rows: Sequence[int], vectors: Vectors) -> None:
        """A new shard, on disk as a whole or not at all. Raises InputError on other vectors than the store's."""
        dim = vectors.dim if isinstance(vectors, Sparse) else vectors.shape[1]
        if isinstance(vectors, Sparse) != self.sparse or dim != self.meta["dim"] or len(rows) != len(vectors):
            kind = "sparse" if isinstance(vectors, Sparse) else "dense"
            raise InputError(
                f"{len(vectors)} {kind} vectors of {dim} dimensions for {len(rows)} documents; "
                f"the store holds {self.meta['kind']} ones of {self.meta['dim']}",
                path=self.folder,
            )
        order = np.argsort(np.asarray(rows, dtype=np.int64), kind="stable")
        vectors = take(vectors, order)  # type: ignore[arg-type]
        arrays: dict[str, NDArray[Any]] = {"rows": np.asarray(rows, dtype=np.int64)[order]}
        if isinstance(vectors, Sparse):
            arrays |= {"indptr": vectors.indptr, "indices": vectors.indices, "values": vectors.values}
        else:
            arrays["dense"] = vectors
        number = max((int(s.name[6:]) for s in self.shards()), default=0) + 1
        save(self.folder / f"shard-{number:06d}", arrays, self.meta["dtype"])

    def locate(self, rows: Sequence[int]) -> tuple[Ints, Ints]:
        """For each row its shard (a place in ``shards()``) and its place in it; -1 where it has no vector."""
        wanted = np.asarray(rows, dtype=np.int64)
        shard, place = np.full(len(wanted), -1), np.full(len(wanted), -1)
        for n, part in enumerate(self.shards()):
            at = np.minimum(np.searchsorted(part.rows, wanted), max(len(part) - 1, 0))
            hit = part.rows[at] == wanted if len(part) else np.zeros(len(wanted), dtype=bool)
            shard[hit], place[hit] = n, at[hit]
        return shard, place

    def take(self, rows: Sequence[int]) -> Vectors:
        """The vectors of rows that all have one, in this order."""
        shard, place = self.locate(rows)
        parts: list[Vectors] = []
        order: list[NDArray[Any]] = []
        for n, part in enumerate(self.shards()):
            here = np.flatnonzero(shard == n)
            if len(here):
                parts.append(part.take(place[here]))
                order.append(here)
        back = np.argsort(np.concatenate(order))
        return take(concat(parts), back)  # type: ignore[arg-type]

    def blocks(self, size: int, skip: frozenset[str] = frozenset()) -> Iterator[tuple[Ints, Vectors]]:
        """Rows and vectors of every shard that isn't in ``skip``, at most ``size`` at once."""
        for part in self.shards():
            for start in range(0, len(part) if part.name not in skip else 0, size):
                stop = min(start + size, len(part))
                yield part.rows[start:stop], part.block(start, stop)


def save(folder: Path, arrays: dict[str, NDArray[Any]], dtype: str) -> None:
    """Arrays as a folder of .npy files that appears at once; floating-point ones in ``dtype``."""
    fresh = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for name, array in arrays.items():
        with open(fresh / f"{name}.npy", "wb") as file:
            np.save(file, array.astype(dtype) if array.dtype.kind == "f" else array)
            file.flush()
            os.fsync(file.fileno())
    os.rename(fresh, folder)
    sync_folder(folder.parent)
