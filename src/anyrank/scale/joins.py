"""Joins the shards of one job: files of lines by interleaving, indexes into one index."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from ..core.errors import InputError
from ..core.types import Candidate, Query, Ranking
from ..disk import whole_file
from ..index.build import build
from ..index.collection import Collection
from ..index.swap import replacement
from ..index.vector_store import VectorStore
from ..index.writers import writers_out
from ..io.candidates import step_from_dict
from ..io.files import atomic, texts
from ..io.records import write_jsonl
from ..io.traces import trace_path, write_traces
from ..store.linked import SHARDS
from ..store.manifest import NAME
from ..store.vector_names import encode_command, model_of
from ..synth.job import query_key
from .bench import bench_record, bench_text, measure_shards
from .manifest import Manifest, complete
from .shards import in_order

Shards = Sequence[tuple[Path, Manifest]]


def merge(paths: Sequence[Path], out: Path, overwrite: bool = False) -> str:
    """Writes the output of a whole job, joined from its shards, byte for byte that of one process; returns what there
    is to show of it, a benchmark's figures. Raises InputError on shards that don't make up one job (`complete`), and
    if ``out`` is there already."""
    shards = complete(paths)
    first = shards[0][1]
    if any(out.resolve() == path.resolve() for path, _ in shards):
        raise InputError("is one of the shards: give another --out", path=out)
    if first.kind == "index":
        join_indexes(shards, out, overwrite)
        return ""
    if out.is_dir():
        raise InputError("is a folder: give the name of a file", path=out)
    if out.exists() and not overwrite:
        raise InputError("is there already: use --overwrite to replace it, or another name", path=out)
    if first.kind == "bench":
        records = (json.loads(line) for path, _ in shards for _, line in texts(path))
        benchmark, results = measure_shards(first.settings, records)
        write_jsonl(out, [bench_record(benchmark, results)])
        return bench_text(benchmark, results)
    if first.kind == "run":
        check_traces(shards)
    rows = lines_in_order(shards)
    if first.settings.get("distinct"):
        rows = distinct(rows)
    with atomic(out) as file:
        for line in rows:
            file.write(line)
    if first.kind == "run":
        write_traces(out, traces_in_order(shards))
    return ""


def lines_in_order(shards: Shards) -> Iterator[str]:
    """The lines of all shards' files in the order in which one process writes them."""
    block = shards[0][1].block
    with ExitStack() as stack:
        files = [stack.enter_context(open(path, encoding="utf-8", newline="\n")) for path, _ in shards]
        for shard, rows in in_order([m.rows for _, m in shards], block):
            count = sum(shards[shard][1].lines[rows.start : rows.stop])
            yield from islice(files[shard], count)
        for (path, manifest), file in zip(shards, files):
            if sum(manifest.lines) != manifest.lines_of(path) or next(file, None) is not None:
                raise InputError(f"its manifest counts other lines than it has: {manifest.again()}", path=path)


def distinct(lines: Iterator[str]) -> Iterator[str]:
    """Groups without those whose query came before in another shard."""
    seen: set[str] = set()
    for line in lines:
        key = query_key(json.loads(line)["query"])
        if key not in seen:
            seen.add(key)
            yield line


def check_traces(shards: Shards) -> None:
    """Raises InputError if a shard's trace is gone, or has other queries than its manifest counts."""
    for path, manifest in shards:
        trace = trace_path(path)
        if not trace.is_file():
            raise InputError(f"the trace of shard {manifest.shard} is gone: {manifest.again()}", path=trace)
        if (lines := manifest.lines_of(trace)) != manifest.rows + 1:  # the first has the run's checksum
            raise InputError(f"has {lines - 1} of {manifest.rows} queries: {manifest.again()}", path=trace)


def traces_in_order(shards: Shards) -> Iterator[Ranking]:
    """The traces of all queries of runs, as rankings without candidates."""
    with ExitStack() as stack:
        files = [stack.enter_context(open(trace_path(path), encoding="utf-8", newline="\n")) for path, _ in shards]
        for file in files:
            next(file)  # the run's checksum
        for shard, rows in in_order([m.rows for _, m in shards], shards[0][1].block):
            for line in islice(files[shard], len(rows)):
                record = json.loads(line)
                yield Ranking(Query(record["query"]), (), tuple(map(step_from_dict, record["trace"])))


def join_indexes(shards: Shards, out: Path, overwrite: bool = False) -> Collection:
    """One index of the documents of all shards, in the order of the whole corpus, with their vectors. The words are
    indexed anew, so that BM25 has the statistics of all documents; vectors are copied.

    It is built in a folder of its own and then takes its place in one step, so that a killed merge leaves nothing half
    done but that folder (``OUT.….merging``)."""
    if out.exists() and not (overwrite and (out / NAME).is_file()):
        what = (
            "holds other files: give another name" if overwrite else "is there already: use --overwrite to replace it"
        )
        raise InputError(f"{what}, or another name" if not overwrite else what, path=out)
    collections = [Collection.open(path) for path, _ in shards]
    filled = next((c for c in collections if len(c)), collections[0])
    manifest = filled.store.manifest
    names = [c.encoded for c in collections if len(c)]
    if any(n != names[0] for n in names):
        path, other = next((p, n) for (p, _), n in zip(shards, names) if n != names[0])
        raise InputError(f"has vectors of {other or 'no model'}, shard 1 of {names[0]}: encode it", path=path)
    for (path, found), c in zip(shards, collections):
        for name in c.encoded if len(c) else ():
            if missing := len(c.vectors(name).missing()):
                command = encode_command(path, model_of(name))
                raise InputError(
                    f"shard {found.shard}: {missing} documents have no vectors yet: `{command}`", path=path
                )
    live = [[row for rows in c.store.live() for row in rows] for c in collections]
    order = list(in_order([len(rows) for rows in live], shards[0][1].block))

    def documents() -> Iterator[Candidate]:
        for shard, span in order:
            rows = live[shard][span.start : span.stop]
            yield from collections[shard].store.rows.of(rows).candidates(rows)

    options: dict[str, Any] = {"language": manifest.language, "stop_words": manifest.stop_words}

    def fill(folder: Path) -> None:
        merged = build(documents(), folder, **options, lexical=manifest.lexical)
        for name in names[0] if names else ():
            _copy_vectors(name, collections, live, order, folder)
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


def _copy_vectors(name: str, collections: Sequence[Collection], live: Any, order: Any, out: Path) -> None:
    """The vectors of that name of all shards, appended under the rows of the whole."""
    for collection, rows in zip(collections, new_rows(live, order)):
        if not len(collection):
            continue
        source = VectorStore.open(collection.path / "vectors" / name)
        for part in source.shards():
            blank = np.zeros(len(part), dtype=bool)
            if part.searched is not None:
                blank = np.ones(len(part), dtype=bool)
                blank[part.searched] = False
            known = np.flatnonzero(part.rows < len(rows))
            keep = known[rows[part.rows[known]] >= 0]
            vectors = part.checked().vectors.take(keep)
            dtype = str(source.meta["dtype"])
            store = VectorStore.create(out / "vectors" / name, vectors, dtype, source.meta.get("index"), source.options)
            store.append(rows[part.rows[keep]].tolist(), vectors, blank[keep].tolist())


def link(paths: Sequence[Path], out: Path, overwrite: bool = False) -> None:
    """Makes the folder ``out`` a sharded collection of these shards, which stay where they are. Raises InputError on
    shards that don't make up one job (`complete`), or if ``out`` is there already."""
    shards = complete(paths)
    if shards[0][1].kind != "index":
        raise InputError(f"--link is for indexes: these are shards of a {shards[0][1].kind}", path=paths[0])
    if out.exists() and not (overwrite and set(os.listdir(out)) <= {SHARDS}):
        raise InputError("is there already: use --overwrite to replace it, or another name", path=out)
    out.mkdir(parents=True, exist_ok=True)
    with whole_file(out / SHARDS) as file:
        names = [os.path.relpath(path.resolve(), out.resolve()) for path, _ in shards]
        file.write((json.dumps({"format": 1, "shards": names}, indent=1) + "\n").encode())
