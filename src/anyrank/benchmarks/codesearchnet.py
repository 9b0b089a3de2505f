"""CodeSearchNet and AdvTest: functions found by their documentation, as CoRNStack measures them.

Husain et al., "CodeSearchNet Challenge", 2019, arXiv 1909.09436; protocol and table: CoRNStack, arXiv 2412.01007.
MRR@100, a task a language.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .base import Benchmark, Task, beir_folders


def load(folder: Path) -> Iterator[Task]:
    """A task for every language."""
    return beir_folders(folder, ("RR@100",), depth=100)


BENCHMARK = Benchmark(
    name="codesearchnet",
    title="CodeSearchNet Challenge: Evaluating the State of Semantic Code Search",
    arxiv="1909.09436",
    summary="functions of six languages found by their documentation; AdvTest",
    data="a folder for each language (python, java, javascript, php, go, ruby, advtest) in BEIR's layout: queries are "
    "the documentation of the test functions, documents the functions of the language",
    load=load,
)
