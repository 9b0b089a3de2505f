"""Requests of many clients, answered in one batch: while a model works, what comes in gathers and makes the next batch.

No request waits for others on purpose: an idle model takes what is there. The queue is bounded, so that under a load
that the model can't bear clients are told at once (`Full`) rather than served late. Large requests may fill only half
of it, and since requests take turns each counts as one turn's work at most: so one that is huge neither takes the room
of small ones nor holds them up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")
SHARE = 16
"""The part of the queue that one request takes at most is one of so many, however large it is."""


class Full(Exception):
    """The queue has no room. ``seconds`` says when to try again, by the work that waits."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many requests wait: try again in {seconds:.0f} s")
        self.seconds = seconds


@dataclass(slots=True, eq=False)
class _Job(Generic[T, R]):
    item: T
    size: int
    future: asyncio.Future[R]


@dataclass(slots=True, eq=False)
class Batcher(Generic[T, R]):
    """Items given to ``call`` together, at most ``batch`` units of size at once (one item may be larger), by one
    thread. Requests take turns, one item each; ``fill``: a batch with room left takes further items of the same ones.
    So a request of many items doesn't hold up those that come after it.

    ``call`` gives a result for each item. If it raises, the items are tried one by one, so that only those at fault get
    the error. An item whose caller is gone is left out. ``waiting`` bounds the units in the queue, in which a request
    counts for a share (1/16) at most; requests of a share or more fill one half of it, the other half is for smaller
    ones. ``pending`` counts all units that wait or are under way.
    """

    call: Callable[[Sequence[T]], Sequence[R]]
    batch: int = 32_768
    waiting: int = 1_000_000
    fill: bool = True
    pending: int = 0
    _taken: int = 0  # of ``waiting``, by requests that wait or are under way
    _taken_by_large: int = 0
    _queue: deque[deque[_Job[T, R]]] = field(default_factory=deque)
    _rate: float = 1e5  # units a second, a running mean
    _task: asyncio.Task[None] | None = None
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "model"))

    def __len__(self) -> int:
        """Items that wait."""
        return sum(map(len, self._queue))

    def seconds(self) -> float:
        """About how long the work takes that waits."""
        return self.pending / max(self._rate, 1.0)

    async def run(self, items: Sequence[T], sizes: Sequence[int]) -> list[R]:
        """The results of items, which may be answered in several batches. Raises Full, and what ``call`` raises. If the
        caller is cancelled, items that have not begun are dropped."""
        units = sum(sizes)
        taken = min(units, self._share)
        large = taken if taken == self._share else 0
        crowded = self._taken and self._taken + taken > self.waiting
        if crowded or (large and self._taken_by_large and self._taken_by_large + large > self.waiting // 2):
            raise Full(max(self.seconds(), 1.0))
        loop = asyncio.get_running_loop()
        jobs = [_Job[T, R](item, size, loop.create_future()) for item, size in zip(items, sizes)]
        if jobs:
            self._queue.append(deque(jobs))
        self.pending += units
        self._taken += taken
        self._taken_by_large += large
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        try:
            return list(await asyncio.gather(*(job.future for job in jobs)))
        finally:
            self._taken -= taken
            self._taken_by_large -= large
            for job in jobs:
                job.future.cancel()

    @property
    def _share(self) -> int:
        """The units that a request counts for at most."""
        return max(self.waiting // SHARE, 1)

    async def _work(self) -> None:
        """Batches until the queue is empty."""
        loop = asyncio.get_running_loop()
        while self._queue:
            jobs = self._next()
            if not jobs:
                continue
            units, start = sum(job.size for job in jobs), loop.time()
            results = await loop.run_in_executor(self._pool, self._called, [job.item for job in jobs])
            self._rate = 0.8 * self._rate + 0.2 * units / max(loop.time() - start, 1e-6)
            self.pending -= units
            for job, result in zip(jobs, results):
                if job.future.done():
                    continue
                if isinstance(result, BaseException):
                    job.future.set_exception(result)
                else:
                    job.future.set_result(result)

    def _next(self) -> list[_Job[T, R]]:
        """The jobs of the next batch, taken from the queue: one of each request, in turn."""
        jobs: list[_Job[T, R]] = []
        units, turns = 0, len(self._queue)
        while self._queue and (turns > 0 or self.fill):
            if jobs and units + self._queue[0][0].size > self.batch:
                break
            turns -= 1
            line = self._queue.popleft()
            job = line.popleft()
            if line:
                self._queue.append(line)
            if job.future.cancelled():
                self.pending -= job.size
                continue
            jobs.append(job)
            units += job.size
        return jobs

    def _called(self, items: Sequence[T]) -> list[R | BaseException]:
        """A result or an error for each item."""
        try:
            return self._checked(items)
        except Exception as error:  # whatever a model raises: the items at fault are sought
            if len(items) == 1:
                log.debug("a request failed", exc_info=True)
                return [error]
        out: list[R | BaseException] = []
        for item in items:
            out += self._called([item])
        return out

    def _checked(self, items: Sequence[T]) -> list[R | BaseException]:
        results: list[R | BaseException] = list(self.call(items))
        if len(results) != len(items):
            raise RuntimeError(f"{len(results)} results for {len(items)} requests")
        return results

    async def drain(self) -> None:
        """Waits until what was accepted is answered, and ends the thread."""
        if self._task is not None:
            await self._task
        self._pool.shutdown()
