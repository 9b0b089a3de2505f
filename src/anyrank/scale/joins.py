"""Joins the shards of one job: files of lines by interleaving; an index by `indexes`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from ..core.errors import InputError
from ..core.types import Query, Ranking
from ..io.candidates import step_from_dict
from ..io.files import atomic, texts
from ..io.records import write_jsonl
from ..io.traces import trace_path, write_traces
from ..synth.job import query_key
from .bench import bench_record, bench_text, measure_shards
from .indexes import Shards, join_indexes
from .manifest import complete
from .shards import in_order


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
