"""Shards on Ray's actors (extra ``ray``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..core.errors import InputError, MissingExtra
from .processes import TRIES, lost
from .shards import Shard


@contextmanager
def cluster(address: str = "local", count: int = 0) -> Iterator[Any]:
    """Ray, connected to the cluster at ``address`` ("local": a new one of ``count`` processors, which ends with the
    block; 0: all); a connection that is there already is used and stays, so that ``with scale.ray(): …`` serves several
    runs. Its usage statistics are off, and so are its
    dashboard and its copies of the workers' output."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # workers see GPUs, as one process does
    try:
        import ray
    except ImportError:
        raise MissingExtra("Ray", "ray") from None
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        options |= {"num_cpus": count or None, "include_dashboard": False}
    try:
        ray.init(**options)
    except Exception as error:  # a plain one, if a node doesn't start within half a minute
        token = "" if address == "local" else "; if it asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
        raise InputError(f"no cluster of Ray at {address} ({' '.join(str(error).split())[:200]}){token}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


class Worker:
    """An actor: one process that does shards in turn, and keeps the models that they load."""

    def do(self, work: Callable[[Shard], Any], shard: Shard) -> Any:
        return work(shard)


def run(work: Callable[[Shard], Any], shards: Sequence[Shard], address: str, count: int) -> Iterator[tuple[Shard, Any]]:
    """The result of every shard, as they end, on ``count`` actors (0: one for each processor of the cluster). A lost
    actor is started again by Ray, and its shard given to it again."""
    with cluster(address, count) as ray:
        count = min(count or int(ray.cluster_resources().get("CPU", 1)), len(shards))
        actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=TRIES - 1)(Worker)
        idle = [actor.remote() for _ in range(count)]
        running: dict[Any, tuple[Any, Shard]] = {}
        waiting = list(reversed(shards))
        while waiting or running:
            while waiting and idle:
                worker, shard = idle.pop(), waiting.pop()
                running[worker.do.remote(work, shard)] = worker, shard
            try:
                done, _ = ray.wait(list(running), num_returns=1)
                worker, shard = running.pop(done[0])
                result = ray.get(done[0])
            except ray.exceptions.RayActorError:
                raise lost(shard) from None
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except (ConnectionError, ray.exceptions.RayError) as error:
                reason = " ".join(str(error).split())[:200]
                raise InputError(
                    f"the cluster of Ray is gone ({reason}): start it again; the same command with --resume goes on "
                    "from the shards that are done"
                ) from None
            idle.append(worker)
            yield shard, result
