"""Shards on processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from ..core.errors import InputError
from .shards import Shard

Result = TypeVar("Result")
TRIES = 4
"""How often a shard is begun before the loss of its worker is an error."""


def run_processes(
    work: Callable[[Shard], Result], shards: Sequence[Shard], count: int
) -> Iterator[tuple[Shard, Result]]:
    """The result of every shard on ``count`` processes of this machine. When one is killed, the pool ends, and a new
    one does what is left; when this process is, they end too."""
    left = list(shards)
    for attempt in range(TRIES):
        size = min(count, len(left)) or 1
        with ProcessPoolExecutor(size, multiprocessing.get_context("spawn"), initializer=end_with_parent) as pool:
            futures = {pool.submit(work, shard): shard for shard in left}
            try:
                for future in as_completed(futures):
                    result = future.result()
                    left.remove(futures[future])
                    yield futures[future], result
                return
            except BrokenProcessPool:
                if attempt == TRIES - 1:
                    raise lost(left[0]) from None
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def end_with_parent() -> None:
    """From here on this process ends with the one that started it, however that ends. A worker would otherwise go on
    with shards that the next caller begins anew, and then wait for ever."""

    def watch() -> None:
        if parent := multiprocessing.parent_process():
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def lost(shard: Shard) -> InputError:
    """The error of a shard whose workers were lost too often."""
    return InputError(
        f"shard {shard}: its worker was lost {TRIES} times, killed or out of memory: fewer workers need less memory; "
        "the same command with --resume goes on from the shards that are done"
    )
