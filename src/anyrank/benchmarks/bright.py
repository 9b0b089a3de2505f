"""BRIGHT: queries that take reasoning to find the documents which help with them, in twelve sets.

Su et al., "BRIGHT: A Realistic and Challenging Benchmark for Reasoning-Intensive Retrieval", 2024, arXiv 2407.12883.
nDCG@10; the documents that a query excludes are left out. Its published table here has InsertRank's row (arXiv
2506.14086) and those of the benchmark's board.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core.types import Candidate
from ..io.records import json_lines
from .base import Benchmark, Task, find, text, unranked


def load(folder: Path) -> Iterator[Task]:
    """A task for every set whose examples are there."""
    for path in sorted((folder / "examples").glob("*.jsonl*")):
        name = path.name.split(".jsonl")[0]
        rankings, grades, excluded = [], {}, {}
        for _, row in json_lines(path):
            id = text(row, "id")
            rankings.append(unranked(id, text(row, "query")))
            grades[id] = dict.fromkeys(map(str, row["gold_ids"]), 1)
            excluded[id] = frozenset(str(d) for d in row.get("excluded_ids") or () if d != "N/A")
        corpus = find(folder / "documents", f"{name}.jsonl")

        def documents(corpus: Path = corpus) -> Iterator[Candidate]:
            for _, row in json_lines(corpus):
                yield Candidate(text(row, "id"), text(row, "content", "text"))

        yield Task(name, tuple(rankings), grades, ("nDCG@10",), documents=documents, excluded=excluded)


BENCHMARK = Benchmark(
    name="bright",
    title="BRIGHT: A Realistic and Challenging Benchmark for Reasoning-Intensive Retrieval",
    arxiv="2407.12883",
    summary="twelve sets of queries that take reasoning",
    data="the sets of huggingface.co/datasets/xlang-ai/BRIGHT as JSON lines: "
    "load_dataset('xlang-ai/BRIGHT', 'examples')['biology'].to_json('examples/biology.jsonl'), and so "
    "documents/biology.jsonl",
    load=load,
)
