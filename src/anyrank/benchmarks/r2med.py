"""R2MED: medical queries that take reasoning, in eight sets.

Li et al., "R2MED: A Benchmark for Reasoning-Driven Medical Retrieval", 2025, arXiv 2505.14558. nDCG@10.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..io.records import json_lines
from .base import Benchmark, Task, documents, find, is_there, text, unranked


def load(folder: Path) -> Iterator[Task]:
    """A task for every folder with a corpus, queries and judgements."""
    for path in sorted(p for p in folder.iterdir() if p.is_dir() and is_there(p, "corpus.jsonl")):
        grades: dict[str, dict[str, int]] = {}
        for _, row in json_lines(find(path, "qrels.jsonl")):
            query, doc = text(row, "q_id", "query-id"), text(row, "p_id", "corpus-id")
            grades.setdefault(query, {})[doc] = int(row.get("score", 1))
        queries = [unranked(text(r, "id", "_id"), text(r, "text")) for _, r in json_lines(find(path, "query.jsonl"))]
        rankings = tuple(r for r in queries if r.query.id in grades)
        yield Task(path.name, rankings, grades, ("nDCG@10",), documents=documents(find(path, "corpus.jsonl")))


BENCHMARK = Benchmark(
    name="r2med",
    title="R2MED: A Benchmark for Reasoning-Driven Medical Retrieval",
    arxiv="2505.14558",
    summary="eight sets of medical queries that take reasoning",
    data="a folder for each set of huggingface.co/R2MED, such as Biology/, with corpus.jsonl, query.jsonl and "
    "qrels.jsonl",
    load=load,
)
