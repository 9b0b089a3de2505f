"""CoIR: search of code, by text and by code.

Li et al., "CoIR: A Comprehensive Benchmark for Code Information Retrieval Models", 2024, arXiv 2407.02883. nDCG@10, a
task a folder in BEIR's layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .base import Benchmark, Task, beir_folders


def load(folder: Path) -> Iterator[Task]:
    """A task for every set."""
    return beir_folders(folder, ("nDCG@10", "RR@10"))


BENCHMARK = Benchmark(
    name="coir",
    title="CoIR: A Comprehensive Benchmark for Code Information Retrieval Models",
    arxiv="2407.02883",
    summary="sets of code search in BEIR's layout (CoSQA, APPS, …)",
    data="a folder for each set of huggingface.co/CoIR-Retrieval in BEIR's layout (corpus.jsonl, queries.jsonl, "
    "qrels/test.tsv)",
    load=load,
)
