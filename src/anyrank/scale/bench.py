"""Benchmarks in shards: rankings of each task's queries, which are measured when all are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..benchmarks import load
from ..benchmarks.base import Benchmark
from ..benchmarks.run import Result, measured, report
from ..core.errors import InputError, quoted
from ..core.types import Candidate, Ranking
from .manifest import content_hash

BATCH = 64
"""Queries that a benchmark hands to a pipeline at once, which a shard keeps together."""


def ranking_record(task: str, ranking: Ranking) -> dict[str, Any]:
    """A ranking as a shard's line: ids and scores."""
    ranked = [[c, score] for c, score in zip(ranking.ids, ranking.scores)]
    return {"task": task, "query": ranking.query.id, "ranking": ranked}


def bench_record(benchmark: Benchmark, results: Sequence[Result]) -> dict[str, Any]:
    """The figures of a benchmark, JSON-ready, beside the published ones."""
    rows = [asdict(row) for row in benchmark.published()]
    return {"benchmark": benchmark.name, "ours": [r.as_dict() for r in results], "paper": rows}


def bench_text(benchmark: Benchmark, results: Sequence[Result]) -> str:
    """The figures of a benchmark as lines of text."""
    title = f"{benchmark.title}" + (f", arXiv {benchmark.arxiv}" if benchmark.arxiv else "")
    return f"{title}\n{report(results, benchmark.published())}"


def measure_shards(settings: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> tuple[Benchmark, list[Result]]:
    """The figures of the rankings of all shards, by the settings that these share. Raises InputError if the data has a
    query that no shard has ranked."""
    rankings: dict[str, dict[str, list[Any]]] = {}
    for record in records:
        rankings.setdefault(record["task"], {})[record["query"]] = record["ranking"]
    benchmark, data = load(settings["benchmark"]), Path(settings["data"])
    if not data.is_dir():
        raise InputError("the data of the benchmark is gone: put it back there", path=data)
    if content_hash(data) not in {content for _, content in settings.get("files", ())}:
        raise InputError("the data has changed since the shards were made: put it back, or make them again", path=data)
    results = []
    for task in benchmark.tasks(data):
        ranked = rankings.get(task.name)
        if ranked is None:
            continue
        task = task.first(settings["limit"])
        after = []
        for ranking in task.rankings:
            query = ranking.query
            if query.id not in ranked:
                raise InputError(f"query {quoted(query.id)} of {task.name} is in no shard: the data has changed")
            after.append(Ranking(query, tuple(Candidate(i, None, score) for i, score in ranked[query.id])))
        results.append(measured(task, after, settings["pipeline"]))
    return benchmark, results
