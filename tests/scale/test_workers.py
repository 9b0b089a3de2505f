"""Workers: processes of this machine, one of which is killed, and Ray by a fake of its calls."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

import anyrank
from anyrank import scale
from anyrank.core.errors import InputError, MissingExtra
from anyrank.core.types import Candidate, Query
from anyrank.index.build import build
from anyrank.scale import ray_workers
from anyrank.scale.processes import TRIES, run_processes
from anyrank.scale.shards import Shard, every
from anyrank.scale.workers import Workers


@pytest.mark.parametrize(
    "text", ["", "process:2", "processes:0", "processes:-1", "ray:x", "ray://", "spark", "ray://h#workers=0"]
)
def test_unknown_workers_are_refused(text):
    with pytest.raises(InputError, match="--on"):
        Workers.parse(text)


def test_addresses_and_counts():
    assert Workers.parse("ray:3") == Workers("ray", "local", 3)
    assert Workers.parse("ray") == Workers("ray", "local", 0)
    assert Workers.parse("ray@head:6379#workers=2") == Workers("ray", "head:6379", 2)
    assert Workers.parse("ray://head:10001") == Workers("ray", "ray://head:10001", 0)
    assert Workers.parse("processes:3").shards() == 12


def die_once(folder, shard):
    """A worker that is killed at its first try of the first shard."""
    mark = os.path.join(folder, "died")
    if shard.number == 1 and not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return shard.number * 10


def die(shard):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def quick_pools(monkeypatch):
    """Pools of forked processes, which begin at once."""
    import multiprocessing

    fork = multiprocessing.get_context("fork")
    monkeypatch.setattr("anyrank.scale.processes.multiprocessing.get_context", lambda name: fork)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_shard_of_a_killed_process_is_done_again(tmp_path, quick_pools):
    done = dict(run_processes(partial(die_once, str(tmp_path)), every(4), 2))
    assert done == {Shard(n, 4): n * 10 for n in range(1, 5)}
    assert (tmp_path / "died").exists()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_shard_that_kills_every_worker_is_an_error(quick_pools):
    with pytest.raises(InputError, match=r"shard 1/1: its worker was lost 4 times.*--resume"):
        list(run_processes(die, every(1), 1))


WATCHED = """
import os, sys, time
from functools import partial
from pathlib import Path
from anyrank.scale.processes import run_processes
from anyrank.scale.shards import every

def work(folder, shard):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    list(run_processes(partial(work, sys.argv[1]), every(8), 2))
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(condition):
    """Waits for a condition, for at most a minute."""
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it doesn't come about")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the state of processes in /proc")
def test_workers_end_with_their_caller_however_it_ends(tmp_path):
    script, pids = tmp_path / "watched.py", tmp_path / "pids"
    script.write_text(WATCHED)
    pids.mkdir()
    source = str(Path(anyrank.__file__).parents[1])
    with subprocess.Popen([sys.executable, str(script), str(pids)], env={**os.environ, "PYTHONPATH": source}) as caller:
        until(lambda: len(list(pids.iterdir())) == 2)
        workers = [int(p.name) for p in pids.iterdir()]
        assert all(map(alive, workers))
        caller.kill()
    until(lambda: not any(map(alive, workers)))


class FakeRay:
    """Ray's calls that are used, in this process. ``actors`` counts actors, ``lost`` are tries that end in the loss of
    the actor, ``gone`` says that the cluster is."""

    def __init__(self):
        self.started = self.ended = self.actors = 0
        self.options, self.lost, self.gone, self.connected = {}, 0, False, False
        names = ("RayActorError", "RayTaskError", "RaySystemError")
        base = type("RayError", (Exception,), {})
        self.exceptions = SimpleNamespace(RayError=base, **{n: type(n, (base,), {}) for n in names})

    def is_initialized(self):
        return self.connected

    def init(self, **options):
        if options["address"] == "nowhere:1":
            raise ConnectionError("no answer")
        self.started, self.options, self.connected = self.started + 1, options, True

    def shutdown(self):
        self.ended, self.connected = self.ended + 1, False

    def cluster_resources(self):
        return {"CPU": 3.0}

    def remote(self, **options):
        assert (options["max_restarts"], options["max_task_retries"]) == (-1, TRIES - 1)

        def actor(kind):
            def create():
                self.actors += 1
                worker = kind()
                return SimpleNamespace(do=SimpleNamespace(remote=lambda *args: (worker, *args)))

            return SimpleNamespace(remote=create)

        return actor

    def wait(self, running, num_returns):
        return running[-1:], running[:-1]

    def get(self, call):
        worker, work, shard = call
        if self.gone:
            raise self.exceptions.RaySystemError("no head")
        if self.lost:
            raise self.exceptions.RayActorError
        try:
            return worker.do(work, shard)
        except InputError as error:
            wrapped = self.exceptions.RayTaskError(str(error))
            wrapped.cause = error
            raise wrapped from None


@pytest.fixture
def ray(monkeypatch):
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    return fake


def ten(shard):
    if shard.number == 13:
        raise InputError("unlucky")
    return shard.number * 10


def test_shards_run_on_actors(ray):
    done = dict(Workers.parse("ray:2").run(ten, every(5)))
    assert done == {Shard(n, 5): n * 10 for n in range(1, 6)}
    assert (ray.actors, ray.started, ray.ended) == (2, 1, 1)
    assert (ray.options["address"], ray.options["num_cpus"], ray.options["include_dashboard"]) == ("local", 2, False)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_cluster_gives_a_worker_for_each_processor_but_not_more_than_shards(ray):
    list(Workers.parse("ray://head:10001").run(ten, every(9)))
    assert ray.actors == 3
    list(Workers.parse("ray://head:10001#workers=8").run(ten, every(2)))
    assert ray.actors == 5
    assert "num_cpus" not in ray.options


def test_a_connection_that_is_there_is_used_and_stays(ray):
    with scale.ray():
        list(Workers.parse("ray:1").run(ten, every(2)))
        list(Workers.parse("ray:1").run(ten, every(2)))
        assert (ray.started, ray.ended) == (1, 0)
    assert ray.ended == 1


def test_errors_of_ray_say_how_the_job_goes_on(ray):
    with pytest.raises(InputError, match="unlucky"):
        list(Workers.parse("ray:2").run(ten, every(20)))
    assert ray.ended == 1
    ray.lost = 1
    with pytest.raises(InputError, match=r"shard 1/2: its worker was lost.*--resume"):
        list(Workers.parse("ray:1").run(ten, every(2)))
    ray.gone = True
    with pytest.raises(InputError, match=r"the cluster of Ray is gone \(no head\).*--resume"):
        list(Workers.parse("ray:2").run(ten, every(2)))
    with pytest.raises(InputError, match=r"no cluster of Ray at nowhere:1 \(no answer\); .* set RAY_AUTH_MODE=token"):
        list(Workers.parse("ray@nowhere:1").run(ten, every(2)))


def test_without_ray_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"anyrank\[ray\]"):
        list(ray_workers.run(ten, every(1), "local", 1))


def test_a_pipeline_from_python_ranks_as_one_process(tmp_path, make, ray):
    collection = build(make(60), tmp_path / "ix")
    queries = [*("wing lift", "shock"), Query("mine", "heat"), *["flow drag"] * 40]
    done = scale.run("bm25 % 7", queries, tmp_path / "ix", on="ray:2", k=5)
    assert [r.query.id for r in done[:4]] == ["q1", "q2", "mine", "q4"]
    assert len(done) == 43
    for ranking, query in zip(done, queries):
        text = query if isinstance(query, str) else query.content
        assert list(zip(ranking.ids, ranking.scores)) == list(collection.lexical.search([text], 5)[0])
    assert isinstance(done[0][0], Candidate)
    assert done[0][0].content
