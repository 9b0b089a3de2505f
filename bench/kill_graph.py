"""Kill -9 while a graph over stored vectors is built, extended and built anew, more often than not while it is
written. After each kill the index is whole (every file as it was written), each document that was acknowledged is the
first result of its own vector by a scan and a node of the graph, and none that was deleted is a result. The same run
again goes on from there.

    python bench/kill_graph.py [KILLS [SECONDS]]     default 50; results in bench/results/kills.json under "graph"

Needs anyrank[ann].
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from anyrank.core.types import Candidate
from anyrank.index import approximate
from anyrank.index.build import build
from anyrank.index.check import check
from anyrank.index.collection import Collection
from anyrank.store.manifest import Manifest
from anyrank.vectors import Encoded

RESULTS = Path(__file__).parent / "results" / "kills.json"
FIRST, EACH, DELETED, ROUNDS = 2000, 150, 250, 8
approximate.SCANNED, approximate._RATIO, approximate._PENDING = 0, 0, 100  # so that small collections use the graph


class Points:
    """A random vector of length 1 for each text."""

    name = "points"

    def encode(self, contents, *, query=False):  # type: ignore[no-untyped-def]
        rows = np.array([np.random.default_rng(list(text.encode())).normal(size=32) for text in contents])
        return Encoded((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))


def text(i: int) -> Candidate:
    return Candidate(f"d{i}", f"number {i}")


def work(path: Path) -> None:
    """The process that is killed: a number is written when all documents below it are there, the earliest of them
    deleted again so that the graph is at times built anew."""
    print(0, flush=True)
    if not (path / "manifest.json").exists() or not Manifest.read(path).complete:
        build((text(i) for i in range(FIRST)), path)
    collection = Collection.open(path)
    collection.encode(Points(), shard=700, index="approximate")
    print(FIRST, flush=True)
    for n in range(ROUNDS):
        start = FIRST + n * EACH
        collection.update((text(i) for i in range(start, start + EACH)), {"points": Points()})
        collection.delete(f"d{i}" for i in range(n * DELETED, (n + 1) * DELETED))
        collection.encode(Points())
        print(start + EACH, flush=True)


def sound(path: Path, end: int) -> None:
    """The index after a kill, when all documents below ``end`` had been acknowledged."""
    problems = check(path).problems
    assert not problems, problems
    collection = Collection.open(path)
    deleted = max((end - FIRST) // EACH, 0) * DELETED
    rows = random.Random(end).sample(range(deleted, end), 40)
    present = [i for i in rows if f"d{i}" in collection]  # a deletion of the next round may be there already
    assert all(i < deleted + DELETED for i in set(rows) - set(present)), "a document was lost"
    missing = collection.vectors("points").missing()
    without = set(collection.store.rows.of(missing).ids(missing))
    assert len(without) <= EACH, "vectors were lost"  # those replaced last have none yet
    present = [i for i in present if f"d{i}" not in without]
    queries = Points().encode([text(i).content for i in present]).vectors
    gone = {f"d{i}" for i in range(deleted)}
    index, exact = (collection.vectors("points", exact=e) for e in (False, True))
    graph = index.graph()  # type: ignore[attr-defined]
    if graph is not None:
        alive = np.flatnonzero(collection.store.mask()[graph.rows])
        assert graph.index.contains(alive.astype(np.uint64)).all(), "a document is not in the graph that covers it"
    by_graph, by_scan = (i.search(queries, 10) for i in (index, exact))
    assert [r.ids[0] for r in by_scan] == [f"d{i}" for i in present], "a document was lost"
    # A graph may miss a node that it has: that is what makes it approximate.
    assert np.mean([r.ids[0] == f"d{i}" for r, i in zip(by_graph, present)]) > 0.9, "the graph has lost its links"
    for results in (by_graph, by_scan):
        assert not gone & {i for r in results for i in r.ids}, "a deleted document was found"
        assert all(len(r) == 10 for r in results)


def main(wanted: int, limit: float) -> dict[str, int]:
    ends = time.monotonic() + limit
    rng, counts = random.Random(time.time_ns()), {"kills": 0, "collections": 0, "kills while a graph was written": 0}
    command = [sys.executable, __file__, "work"]
    with tempfile.TemporaryDirectory() as scratch:
        begin = time.perf_counter()
        subprocess.run([*command, f"{scratch}/whole"], check=True, capture_output=True)
        seconds = (time.perf_counter() - begin) * 0.7  # without the imports
        sound(Path(scratch) / "whole", FIRST + ROUNDS * EACH)
        while counts["kills"] < wanted and time.monotonic() < ends:
            path, end = Path(scratch) / str(counts["collections"]), 0
            counts["collections"] += 1
            most = counts["kills"] + rng.randint(1, 6)  # so that the first build is killed too
            while True:
                child = subprocess.Popen(
                    [*command, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
                assert child.stdout is not None
                child.stdout.readline()
                if counts["kills"] < min(wanted, most) and time.monotonic() < ends:
                    time.sleep(rng.random() ** 2 * seconds)  # early ones more often: the machine may have sped up
                    if rng.random() < 0.6:
                        while child.poll() is None and not any(path.glob("vectors/points/.graph.tmp")):
                            time.sleep(0.001)
                        time.sleep(rng.random() * 0.1)
                    child.send_signal(signal.SIGKILL)
                written, errors = child.communicate()
                assert child.returncode in (0, -signal.SIGKILL), errors
                end = max([end, *map(int, written.split())])
                if child.returncode == 0:
                    break
                counts["kills"] += 1
                counts["kills while a graph was written"] += any(path.glob("vectors/points/.graph.*"))
                print(counts, end, flush=True)
                if end:
                    sound(path, end)
            sound(path, FIRST + ROUNDS * EACH)
    return counts


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(Path(sys.argv[2]))
    else:
        wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 50
        counts = main(wanted, float(sys.argv[2]) if len(sys.argv) > 2 else 3600)
        results = json.loads(RESULTS.read_text()) | {"graph": counts}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(counts)
