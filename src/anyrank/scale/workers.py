"""Runs the shards of a job on several workers: processes of this machine, or Ray's actors on a cluster.

A worker does one shard after the other in one process, so it loads a model once and holds no more than one shard. The
shards themselves are on disk: whatever happens to workers or to the caller, a finished shard stays finished.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..core.errors import InputError
from .processes import run_processes
from .shards import Shard

Result = TypeVar("Result")
Work = Callable[[Shard], Result]
"""Does one shard; it is sent to the workers, so a function of a module, or `functools.partial` of one."""
SHARDS_A_WORKER = 4
"""Shards for each worker: what a lost worker loses, and what the others wait for at the end, is a quarter of its
work."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Where shards run, from a text: "processes:4", "ray" or "ray:4" (a local cluster), "ray://head:10001" or
    "ray://head:10001#workers=8" (one that runs). ``address`` is "" for processes, "local" for a new cluster; ``count``
    is 0 for as many as there are processors.

    >>> Workers.parse("processes:4"), Workers.parse("ray://head:10001#workers=8").count
    (Workers(kind='processes', address='', count=4), 8)
    """

    kind: str
    address: str
    count: int

    @classmethod
    def parse(cls, text: str) -> Workers:
        """Raises InputError on any other text."""
        if match := re.fullmatch(r"(processes|ray)(?::([1-9][0-9]{0,3}))?", text):
            return cls(match[1], "local" if match[1] == "ray" else "", int(match[2] or 0))
        if match := re.fullmatch(r"(ray://[^#/\s]+|ray@[^#/\s]+:[0-9]+)(?:#workers=([1-9][0-9]{0,3}))?", text):
            return cls("ray", match[1].removeprefix("ray@"), int(match[2] or 0))
        raise InputError(
            f"--on {text!r}: expected processes:4, ray, ray:4, ray@HEAD:6379 or ray://HEAD:10001, the last two "
            "perhaps with #workers=8"
        )

    def run(self, work: Work[Result], shards: Sequence[Shard]) -> Iterator[tuple[Shard, Result]]:
        """The result of every shard, as they end. Raises InputError if a shard's worker is lost `TRIES` times;
        an error of the work itself is raised as it is."""
        if self.kind == "ray":
            from .ray_workers import run

            return run(work, shards, self.address, self.count)
        return run_processes(work, shards, self.count or os.cpu_count() or 1)

    def shards(self) -> int:
        """How many shards a job has here, unless its caller says otherwise."""
        return SHARDS_A_WORKER * (self.count or os.cpu_count() or 1)
