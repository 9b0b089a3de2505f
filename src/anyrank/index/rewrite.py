"""Writes a collection anew without what was deleted: its documents, words and vectors, so that their space is free
again, many small shards are few, and, if that is asked for, with the text analysis of today (format 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..store.engine import HEAP
from ..vectors import Vectors, join
from .analysis import EDITION
from .build import build_in
from .collection import Collection
from .swap import CARRIED, replacement
from .vector_store import WEIGHTS, VectorStore
from .writers import writers_out

_BATCH = 100_000  # documents a commit
_SHARD = 8192  # documents of a shard
_NUMBERS = 1 << 24  # numbers of a shard, 64 MB in single precision
Ints = NDArray[np.int64]


def rewrite(folder: Path, *, migrate: bool = False, on_progress: Callable[[int], None] | None = None) -> Collection:
    """The collection of a folder, written anew in its place; ``on_progress`` gets the number of documents written.

    What is there is searched until the new one takes its place, in one step; no process can write meanwhile, and one
    that has it open is told to open it again. A kill leaves the old one, or the new one. It takes as much free space
    as the new one needs. ``migrate``: words are analysed as a new index does it, which makes format 2 of format 1;
    otherwise as they were.

    Raises InputError if another process writes, or a file is damaged.
    """
    collection = Collection.open(folder)
    collection.store.check_writable()
    before = collection.store.manifest
    analysis = EDITION if migrate else before.analysis
    with writers_out(folder), replacement(folder) as new:
        collection.reload()  # nothing is written from here on
        fresh = replace(before, complete=False, documents=0, rows=0, last="", build=uuid4().hex, analysis=analysis)
        build_in(collection.documents(), new, fresh, _BATCH, HEAP, on_progress)
        mask = collection.store.mask()
        numbers = np.where(mask, np.cumsum(mask) - 1, -1)
        (new / CARRIED).mkdir()
        for name in collection.encoded:
            copy_vectors([(VectorStore.open(folder / CARRIED / name), numbers)], new / CARRIED / name)
        copied = Collection.open(new)
        for name in copied.encoded:
            copied.vectors(name).update()
        if copied.encoded != collection.encoded:
            lost = sorted(set(collection.encoded) - set(copied.encoded))
            raise InputError(f"the vectors of {', '.join(lost)} could not be copied", path=folder)
    return Collection.open(folder)


def copy_vectors(sources: Iterable[tuple[VectorStore, Ints]], folder: Path) -> None:
    """Stored vectors of one name, copied into a new store in shards of good size. Each source comes with the number in
    the new collection of each of its rows, -1 of those that are left out; all of them share what they are compressed
    with (`VectorStore.common`). The first one says how numbers are stored, and the index."""
    waiting: list[tuple[Ints, Vectors, NDArray[np.bool_]]] = []
    documents = size = 0
    like: VectorStore | None = None

    def write() -> None:
        assert like is not None
        vectors = join([v for _, v, _ in waiting])
        meta = like.meta
        choice = meta.get("index"), meta.get("options")
        copy = VectorStore.create(folder, vectors, meta["dtype"], *choice, weights=meta.get(WEIGHTS, ""))
        if len(vectors):
            copy.append(
                np.concatenate([rows for rows, _, _ in waiting]).tolist(),
                vectors,
                np.concatenate([blank for _, _, blank in waiting]).tolist(),
            )
        waiting.clear()

    for source, numbers in sources:
        like = like or source
        for rows, vectors, blank in _kept(source, numbers):
            waiting.append((rows, vectors, blank))
            documents, size = documents + len(rows), size + int(vectors.sizes.sum())
            if documents >= _SHARD or size >= _NUMBERS:
                write()
                documents = size = 0
    if waiting:
        write()


def _kept(store: VectorStore, numbers: Ints) -> Iterator[tuple[Ints, Vectors, NDArray[np.bool_]]]:
    """Of each shard the new numbers of rows that are kept, their vectors, and which of them have no content; some at a
    time. Where several shards hold a row, the last one counts."""
    shards = store.shards()
    owner = np.full(len(numbers), -1)
    for n, part in enumerate(shards):
        owner[part.rows[part.rows < len(numbers)]] = n
    owner[numbers < 0] = -1
    for n, part in enumerate(shards):
        inside = part.rows < len(numbers)
        keep = np.flatnonzero(inside)[owner[part.rows[inside]] == n]
        blank = np.zeros(len(part), dtype=bool)
        if part.searched is not None:
            blank[:] = True
            blank[part.searched] = False
        part.checked()
        for start in range(0, max(len(keep), 1), _SHARD // 8):
            at = keep[start : start + _SHARD // 8]
            yield numbers[part.rows[at]], part.vectors.take(at), blank[at]
