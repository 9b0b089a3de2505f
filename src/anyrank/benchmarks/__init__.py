"""Benchmarks of the field, one file each: a loader, the protocol, and the published table beside them (``tables/``).

The folder is the registry: a file with ``BENCHMARK = Benchmark(…)`` is a new benchmark.

>>> "rarb" in names() and load("rarb").arxiv
'2404.06347'
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

from ..core.errors import InputError
from .base import Benchmark, MissingData, Published, Task

__all__ = ["Benchmark", "MissingData", "Published", "Task", "load", "names"]


@cache
def names() -> tuple[str, ...]:
    """The names of all benchmarks, in the order of the alphabet."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple(p.stem for p in files if "\nBENCHMARK = " in p.read_text(encoding="utf-8"))


def load(name: str) -> Benchmark:
    """The benchmark of a name. Raises InputError for an unknown one."""
    if name not in names():
        raise InputError(f"no benchmark {name!r}: choose one of {', '.join(names())}")
    benchmark = import_module(f".{name}", __package__).BENCHMARK
    assert isinstance(benchmark, Benchmark)
    return benchmark
