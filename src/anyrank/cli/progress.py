"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import click

from ..core.stage import Stage
from ..core.types import Ranking


@contextmanager
def progress(title: str, total: int | None, unit: str) -> Iterator[Any]:
    """A progress bar on standard error; plain lines, one every half minute, if that is not a terminal."""
    if not sys.stderr.isatty():
        yield PlainProgress(title, total, unit)
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=title, unit=f" {unit}", file=sys.stderr) as bar:
        yield bar


def advance(bar: Any, count: int) -> None:
    """Bring a bar of `progress` to a count."""
    bar.update(count - bar.n)


EVERY = 30.0
"""Seconds between two lines of progress."""


class PlainProgress:
    """Progress as lines on standard error, for logs: a line when ``every`` seconds have passed since the last, so that
    a short job writes none. ``update`` and ``n`` are those of tqdm's bars."""

    def __init__(
        self,
        title: str,
        total: int | None,
        unit: str,
        every: float = EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.every, self.clock = every, clock
        self.n = 0
        self.start = self.last = clock()

    def update(self, count: float = 1) -> None:
        """Count what was done, and write a line if it is time."""
        self.n += int(count)
        now = self.clock()
        if now - self.last < self.every:
            return
        self.last = now
        passed = now - self.start
        of, left = "", ""
        if self.total:
            of = f" of {self.total:,}"
            left = f", about {_duration(passed / self.n * (self.total - self.n))} left" if self.n else ""
        click.echo(f"{self.title}: {self.n:,}{of} {self.unit} in {_duration(passed)}{left}", err=True)


def _duration(seconds: float) -> str:
    """Seconds in words.

    >>> _duration(42.4), _duration(130), _duration(7300)
    ('42 s', '2 min 10 s', '2 h 1 min')
    """
    whole = round(max(seconds, 0))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def batches(stage: Stage, rankings: Sequence[Ranking], title: str, size: int = 16) -> Iterator[Ranking]:
    """The stage's results, a batch of queries at a time, with progress."""
    return chain.from_iterable(batch_results(stage, rankings, title, size))


def batch_results(stage: Stage, rankings: Sequence[Ranking], title: str, size: int = 16) -> Iterator[list[Ranking]]:
    """The stage's results of each batch of queries, with progress."""
    with progress(title, len(rankings), "queries") as bar:
        for start in range(0, len(rankings), size):
            results = stage.batch(rankings[start : start + size])
            bar.update(len(results))
            yield results
