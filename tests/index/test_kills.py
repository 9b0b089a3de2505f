"""Kill -9 of encoding, deleting and overwriting: nothing that was acknowledged is lost, nothing is there twice.
`bench/kill_commands.py` does the same with many more kills of the commands."""

import random
import signal
import subprocess
import sys
import zlib

import numpy as np
import pytest

from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.check import check
from anyrank.index.collection import Collection
from anyrank.index.swap import finish_swap
from anyrank.vectors import Encoded

N = 60
CHILD = """
import sys
sys.path.insert(0, sys.argv[3])
from test_kills import N, Sums, docs
from anyrank.index.build import build
from anyrank.index.collection import Collection
path, what = sys.argv[1:3]
say = lambda n: print(n, flush=True)
if what == "encode":
    Collection.open(path).encode(Sums(), shard=2, on_progress=say)
elif what == "delete":
    collection = Collection.open(path)
    for i in range(0, N, 2):
        collection.delete([f"d{i}"])
        say(i)
else:
    for version in range(1, 30):
        build(docs(version), path, overwrite=True)
        say(version)
"""


class Sums:
    name = "sums"

    def encode(self, contents, *, query=False):
        return Encoded(np.array([[zlib.crc32(c.encode()) % 1000, 1] for c in contents], np.float32))


def docs(version):
    return [Candidate(f"d{i}", f"version {version} of number {i}") for i in range(N)]


def acknowledged(path, what, lines):
    """The last number that a child wrote of those read before it was killed."""
    command = [sys.executable, "-c", CHILD, str(path), what, str(__file__.rpartition("/")[0])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        number = 0
        for _ in range(lines):
            line = child.stdout.readline()
            assert line, child.stderr.read()
            number = int(line)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    return number


@pytest.fixture
def path(tmp_path):
    build(docs(0), tmp_path / "x")
    return tmp_path / "x"


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_encodings_keep_what_they_said_and_go_on(path, seed):
    done = acknowledged(path, "encode", random.Random(seed).randint(1, 20))
    collection = Collection.open(path)
    index = collection.vectors("sums")
    assert len(index.missing()) <= N - done
    assert check(path).problems == []
    collection.encode(Sums())
    rows = [int(r) for s in index.vector_store.shards() for r in s.rows]
    assert sorted(rows) == list(range(N))
    _, vectors = index.vectors([d.id for d in docs(0)])
    assert (vectors.dense() == Sums().encode([d.content for d in docs(0)]).vectors.dense()).all()


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_deletes_keep_what_they_said_and_take_nothing_else(path, seed):
    last = acknowledged(path, "delete", random.Random(seed).randint(1, 20))
    ids = set(Collection.open(path).ids())
    assert ids.isdisjoint(f"d{i}" for i in range(0, last + 1, 2))
    assert {f"d{i}" for i in range(1, N, 2)} <= ids
    assert check(path).problems == []
    Collection.open(path).delete([f"d{i}" for i in range(0, N, 2)])
    assert len(Collection.open(path)) == N // 2


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_overwrites_leave_one_whole_version(path, seed):
    version = acknowledged(path, "overwrite", random.Random(seed).randint(1, 6))
    finish_swap(path)
    present = list(Collection.open(path).documents())
    assert present in [docs(v) for v in (version, version + 1)]
    assert check(path).problems == []
    assert list(build(docs(99), path, overwrite=True).documents()) == docs(99)
