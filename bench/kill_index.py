"""Kill -9 while a collection is built, encoded and updated in many small commits: run again, it ends with exactly the
corpus and one vector a document.

    python bench/kill_index.py [KILLS]     default 50
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHILD = """
import sys, zlib
from pathlib import Path
import numpy as np
from anyrank.core.types import Candidate
from anyrank.vectors import Encoded
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.store.manifest import Manifest

class Sums:
    name = "sums"
    def encode(self, contents, *, query=False):
        return Encoded(np.array([[zlib.crc32(c.encode()) % 1000, 1] for c in contents], np.float32))

path, n = Path(sys.argv[1]), int(sys.argv[2])
print("begun", flush=True)
text = lambda i, v: Candidate(f"d{i}", f"version{v} word{i % 97} number {i}", meta={"n": i})
if not (path / "manifest.json").exists() or not Manifest.read(path).complete:
    build((text(i, 1) for i in range(n)), path, batch=200)
collection = Collection.open(path)
collection.encode(Sums(), shard=200, dtype="float32")
for start in range(0, n // 2, 500):
    collection.update((text(i, 2) for i in range(start, start + 500)), {"sums": Sums()})
"""


def check(path: Path, n: int) -> None:
    from anyrank.index.collection import Collection

    collection = Collection.open(path)
    docs = {d.id: d for d in collection.documents()}
    assert len(docs) == len(collection) == n, f"{len(collection)} documents, {len(docs)} different, of {n}"
    for i in range(n):
        version = 2 if i < n // 2 else 1
        assert docs[f"d{i}"].content == f"version{version} word{i % 97} number {i}", docs[f"d{i}"]
    assert len(collection.lexical.search(["version1"], n)[0]) == n - n // 2
    assert len(collection.lexical.search(["version2"], n)[0]) == n // 2
    places, vectors = collection.vectors("sums").vectors(list(docs))
    assert len(places) == n, f"{n - len(places)} documents have no vector"
    assert vectors is not None
    assert len(vectors) == n


def main(wanted: int, n: int = 10_000) -> tuple[int, int]:
    rng, kills, rounds = random.Random(0), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", CHILD, f"{scratch}/whole", str(n)], check=True, capture_output=True)
        seconds = time.perf_counter() - begin
        while kills < wanted:
            path, rounds = Path(scratch) / str(rounds), rounds + 1
            for left in (3, 2, 1, 0):
                child = subprocess.Popen(
                    [sys.executable, "-c", CHILD, str(path), str(n)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                if left and child.stdout:
                    child.stdout.readline()
                    time.sleep(rng.random() * seconds)
                    child.send_signal(signal.SIGKILL)
                _, said = child.communicate()
                assert child.returncode in (0, -signal.SIGKILL), said
                kills += child.returncode < 0
            check(path, n)
    return kills, rounds


if __name__ == "__main__":
    kills, rounds = main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
    print(f"{kills} kills over {rounds} collections: nothing lost, nothing doubled")
