"""Joins the shards of an index: into one index, or into a folder that names them and is searched as one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from ..core.errors import InputError, listed
from ..core.types import Candidate
from ..disk import whole_file
from ..index.build import build
from ..index.collection import Collection
from ..index.rewrite import copy_vectors
from ..index.swap import CARRIED, replacement
from ..index.vector_store import VectorStore
from ..index.writers import writers_out
from ..store.linked import SHARDS
from ..store.manifest import NAME
from ..store.vector_names import encode_command, model_of
from .manifest import NAMES, Manifest, complete
from .shards import in_order

Shards = Sequence[tuple[Path, Manifest]]


def join_indexes(shards: Shards, out: Path, overwrite: bool = False) -> Collection:
    """One index of the documents of all shards, in the order of the whole corpus, with their vectors. The words are
    indexed anew, so that BM25 has the statistics of all documents; vectors are copied.

    It is built in a folder of its own and then takes its place in one step, so that a killed merge leaves nothing half
    done but that folder (``OUT.….merging``)."""
    if out.exists() and not overwrite:
        raise InputError("is there already: use --overwrite to replace it, or another name", path=out)
    if out.exists() and not (out / NAME).is_file():
        raise InputError("holds other files: give another name", path=out)
    collections = [Collection.open(path) for path, _ in shards]
    names = _vectors_of_all([c for c in collections if len(c)])
    live = [[row for rows in c.store.live() for row in rows] for c in collections]
    order = list(in_order([len(rows) for rows in live], shards[0][1].block))

    def documents() -> Iterator[Candidate]:
        for shard, span in order:
            rows = live[shard][span.start : span.stop]
            yield from collections[shard].store.rows.of(rows).candidates(rows)

    manifest = next((c for c in collections if len(c)), collections[0]).store.manifest
    options: dict[str, Any] = {"language": manifest.language, "stop_words": manifest.stop_words}

    def fill(folder: Path) -> None:
        merged = build(documents(), folder, **options, lexical=manifest.lexical)
        numbers = new_rows(live, order)
        for name in names:
            parts = [(_stored(c, name), n) for c, n in zip(collections, numbers) if len(c)]
            copy_vectors(parts, folder / CARRIED / name)
            merged.vectors(name).update()

    if out.exists():
        with writers_out(out), replacement(out) as new:
            fill(new)
    else:
        new = Path(f"{out}.{uuid4().hex[:8]}.merging")
        try:
            fill(new)
            new.rename(out)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return Collection.open(out)


def new_rows(live: Sequence[Sequence[int]], order: Sequence[tuple[int, range]]) -> list[np.ndarray]:
    """For each shard's row its row in the whole, -1 if its document is no longer there."""
    out = [np.full(max(rows, default=-1) + 1, -1, dtype=np.int64) for rows in live]
    start = 0
    for shard, span in order:
        out[shard][np.asarray(live[shard][span.start : span.stop], dtype=np.int64)] = np.arange(
            start, start + len(span)
        )
        start += len(span)
    return out


def _vectors_of_all(collections: Sequence[Collection]) -> list[str]:
    """The names of vectors that all shards with documents have. Raises InputError if one has others, lacks those of
    some documents, or has compressed them in its own way."""
    names = collections[0].encoded if collections else []
    for collection in collections:
        if collection.encoded != names:
            mine, theirs = (listed(map(model_of, n)) for n in (collection.encoded, names))
            what = f"has vectors of {mine}, {collections[0].path} of {theirs}: give both the same with --encode"
            raise InputError(what, path=collection.path)
        for name in names:
            if missing := len(collection.vectors(name).missing()):
                command = encode_command(collection.path, model_of(name))
                raise InputError(f"{missing} documents have no vectors yet: `{command}`", path=collection.path)
            ours, first = _stored(collection, name).common(), _stored(collections[0], name).common()
            if any(not np.array_equal(ours[n], first[n]) for n in first):
                raise InputError(
                    f"its vectors of {model_of(name)} are compressed by what its own documents taught, and can't stand "
                    "beside those of other shards: merge with --link, or encode the shards without --vector-index, and "
                    "the merged index with it",
                    path=collection.path,
                )
    return names


def _stored(collection: Collection, name: str) -> VectorStore:
    return VectorStore.open(collection.path / CARRIED / name)


def link(paths: Sequence[Path], out: Path, overwrite: bool = False) -> None:
    """Makes the folder ``out`` a linked index of these shards, which stay where they are. Raises InputError on shards
    that don't make up one job (`complete`), or if ``out`` is there already."""
    shards = complete(paths)
    if shards[0][1].kind != "index":
        raise InputError(f"--link is for indexes: these are shards of {NAMES[shards[0][1].kind]}", path=paths[0])
    if out.exists() and not (overwrite and out.is_dir() and set(os.listdir(out)) <= {SHARDS}):
        raise InputError("is there already: use --overwrite to replace it, or another name", path=out)
    out.mkdir(parents=True, exist_ok=True)
    with whole_file(out / SHARDS) as file:
        names = [os.path.relpath(path.resolve(), out.resolve()) for path, _ in shards]
        file.write((json.dumps({"format": 1, "shards": names}, indent=1) + "\n").encode())
