"""T2Ranking: Chinese passages for the queries of a search engine, on four levels.

Xie et al., "T2Ranking: A large-scale Chinese Benchmark for Passage Ranking", 2023, arXiv 2304.03679. *retrieval* takes
the binary judgements (MRR@10, and recall over all queries' relevant passages together), *reranking* the graded ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core.types import Candidate, Query, Ranking
from ..io.qrels import read_qrels
from ..io.records import Fields, records
from .base import Benchmark, Task, find, text
from .measures import micro_recall

FIELDS = Fields(("pid", "qid"), ("passage", "text", "query"))


def load(folder: Path) -> Iterator[Task]:
    """Both tasks of the development set."""
    collection = find(folder, "collection.tsv")

    def documents() -> Iterator[Candidate]:
        for _, row in records(collection, FIELDS, format="tsv", header=True):
            yield Candidate(text(row, "pid"), text(row, "passage", "text"))

    rows = records(find(folder, "queries.dev.tsv"), FIELDS, format="tsv", header=True)
    queries = {text(row, "qid"): Query(text(row, "qid"), text(row, "query", "text")) for _, row in rows}
    binary: dict[str, dict[str, int]] = {}
    for _, row in records(find(folder, "qrels.retrieval.dev.tsv"), Fields(("qid",), ("pid",)), "tsv", header=True):
        binary.setdefault(text(row, "qid"), {})[text(row, "pid")] = 1
    yield Task(
        "retrieval",
        tuple(Ranking(q) for i, q in queries.items() if i in binary),
        binary,
        ("RR@10",),
        {f"micro R@{k}": micro_recall(k) for k in (1, 50, 1000)},
        documents=documents,
        language="chinese",
    )
    graded = read_qrels(find(folder, "qrels.dev.tsv"))
    yield Task(
        "reranking",
        tuple(Ranking(q) for i, q in queries.items() if i in graded),
        graded,
        ("RR(rel=2)@10", "nDCG@5", "nDCG@20", "nDCG@100"),
        documents=documents,
        language="chinese",
    )


BENCHMARK = Benchmark(
    name="t2ranking",
    title="T2Ranking: A large-scale Chinese Benchmark for Passage Ranking",
    arxiv="2304.03679",
    summary="Chinese passages, 2.3 million, graded 0 to 3",
    data="from huggingface.co/datasets/THUIR/T2Ranking: collection.tsv, queries.dev.tsv, qrels.retrieval.dev.tsv and "
    "qrels.dev.tsv",
    load=load,
)
