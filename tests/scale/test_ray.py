"""Shards on a real cluster of Ray, of two processors of this machine (needs the extra `ray`)."""

import os
import signal

import pytest

from anyrank import scale
from anyrank.core.errors import InputError
from anyrank.index.build import build
from anyrank.scale.shards import Shard, every
from anyrank.scale.workers import Workers

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


@pytest.fixture(scope="module")
def cluster():
    with scale.ray(count=2) as ray:
        yield ray


def test_rankings_are_those_of_one_process(cluster, tmp_path, make):
    collection = build(make(80), tmp_path / "ix")
    queries = ["wing lift", "shock heat", "drag"] * 20
    results = scale.run("bm25 % 7", queries, tmp_path / "ix", on="ray:2", k=5)
    assert [list(zip(r.ids, r.scores)) for r in results] == [list(m) for m in collection.lexical.search(queries, 5)]
    assert cluster.is_initialized()  # the connection stays


def test_the_shard_of_a_killed_worker_is_done_again(cluster, tmp_path):
    def work(shard):  # sent by value, since workers don't see this file
        mark = tmp_path / "died"
        if shard.number == 2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return shard.number, os.getpid()

    done = dict(Workers.parse("ray:2").run(work, every(6)))
    assert {shard: number for shard, (number, _) in done.items()} == {Shard(n, 6): n for n in range(1, 7)}
    assert (tmp_path / "died").exists()
    assert len({pid for _, pid in done.values()}) in (1, 2, 3)  # a worker does several shards


def test_errors_of_the_work_arrive_as_they_were(cluster):
    def work(shard):
        raise InputError(f"shard {shard} is unlucky", path="x")

    with pytest.raises(InputError, match="is unlucky"):
        list(Workers.parse("ray:1").run(work, every(2)))
