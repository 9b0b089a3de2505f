"""Runs a pipeline over queries on several workers, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path

from ..core.types import Query, Ranking
from ..pipeline.parser import Settings, parse
from ..stores.address import is_address
from ..stores.open import open_index
from .shards import BLOCK, Shard, every, in_order
from .workers import Workers


def run(
    pipeline: str,
    queries: Iterable[Query | str],
    index: str | PathLike[str],
    on: str = "processes:2",
    k: int = 1000,
    shards: int = 0,
) -> list[Ranking]:
    """The ``k`` best documents of an index for each query by a pipeline, searched by workers (`Workers.parse`): what
    one process returns, with texts. ``index`` is a path, or an address, that all workers see; ``shards`` is the number
    of parts, by default 4 for each worker. A script that uses processes calls it under ``if __name__ == "__main__":``,
    since each of them imports the script.

    ``from anyrank import scale; scale.run("bm25 % 50 >> mini", queries, "my.index", on="ray://head:10001")``
    """
    workers = Workers.parse(on)
    topics = [q if isinstance(q, Query) else Query(f"q{n}", q) for n, q in enumerate(queries, 1)]
    parts = every(shards or workers.shards())
    path = str(index) if is_address(index) else str(Path(index).resolve())
    work = partial(rank_shard, pipeline, path, topics, k)
    done = dict(workers.run(work, [s for s in parts if s.rows(topics)]))
    results = [done.get(shard, []) for shard in parts]
    return [r for part, span in in_order([len(r) for r in results]) for r in results[part][span.start : span.stop]]


def rank_shard(pipeline: str, index: str, queries: Sequence[Query], k: int, shard: Shard) -> list[Ranking]:
    """The rankings of a shard's queries, in the batches of one process."""
    stage = parse(pipeline, Settings(open_index(index))) % k
    own = [Ranking(q) for q in shard.rows(queries)]
    return [r for start in range(0, len(own), BLOCK) for r in stage.batch(own[start : start + BLOCK])]
