"""BEIR: search over many collections without training on them.

Thakur et al., "BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of Information Retrieval Models", 2021, arXiv
2104.08663. nDCG@10 and R@100, a task a folder in BEIR's layout; NanoBEIR's folders too. `anyrank bench mteb` runs the
tasks of MTEB's own package.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .base import Benchmark, Task, beir_folders

MEASURES = ("nDCG@10", "R@100")


def load(folder: Path) -> Iterator[Task]:
    """A task for every collection."""
    return beir_folders(folder, MEASURES)


BENCHMARK = Benchmark(
    name="beir",
    title="BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of Information Retrieval Models",
    arxiv="2104.08663",
    summary="collections in BEIR's layout, NanoBEIR's too",
    data="a folder for each collection (corpus.jsonl, queries.jsonl, qrels/test.tsv), as BEIR's zip files hold them",
    load=load,
)
