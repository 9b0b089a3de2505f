"""How an index in a folder grows: build time, memory, disk, searches, updates while searching, compaction and copies,
from 1,000 to 1,000,000 documents; slopes of the logarithms over the sizes.

python bench/bench_growth.py PART [SIZES]        # the optional data in $ANYRANK_DATA

PART: words (BM25), dense, sparse or tokens (vectors by an index of their own). SIZES: 1000,10000,100000,1000000.
Documents have real lengths: each is the first half of one abstract and the second half of another of Cranfield,
NFCorpus, SciFact and Vaswani (22,000). Vectors are random numbers of the shapes of the shipped models' (384 dense; 120
of 30,522 terms; 180 states of 128), since encoding a million texts is out of reach here: what is measured is storing,
searching, updating and compacting them. Each size runs in a process of its own; results are written after each step, in
bench/results/growth.json. Seconds are the processor's, of all threads, unless a name says ``wall``.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.index.rewrite import rewrite
from anyrank.index.snapshot import snapshot
from anyrank.vectors import Encoded, Sparse, Tokens

RESULTS = Path(__file__).parent / "results" / "growth.json"
DATA = Path(os.environ.get("ANYRANK_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
NAMES = ("cranfield", "nfcorpus", "scifact", "vaswani")
DIM, TERMS, VOCABULARY, STATES, STATE = 384, 120, 30_522, 180, 128
QUERIES = 200


def lines(name: str, file: str) -> list[dict[str, Any]]:
    with gzip.open(DATA / name / f"{file}.jsonl.gz", "rt", encoding="utf-8") as source:
        return [json.loads(line) for line in source]


def documents(n: int) -> Iterator[Candidate]:
    """Documents of real lengths and words; of 22,000 texts a million pairs."""
    texts = [f"{d.get('title', '')} {d['text']}".split() for name in NAMES for d in lines(name, "corpus")]
    rng = random.Random(0)
    for i in range(n):
        a, b = rng.choice(texts), rng.choice(texts)
        yield Candidate(f"d{i}", " ".join(a[: len(a) // 2] + b[len(b) // 2 :]), meta={"year": 1950 + i % 70})


class Noise:
    """Random vectors of one kind."""

    def __init__(self, kind: str) -> None:
        self.name = kind
        self.rng = np.random.default_rng(0)
        self.words = np.minimum(self.rng.zipf(1.2, 1 << 20), VOCABULARY) - 1  # terms as frequent as words are

    def encode(self, contents: Any, *, query: bool = False) -> Encoded:
        n, rng = len(contents), self.rng
        if self.name == "dense":
            array = rng.standard_normal((n, DIM), dtype=np.float32)
            return Encoded(array / np.linalg.norm(array, axis=1, keepdims=True))
        if self.name == "sparse":
            rows = [
                np.unique(self.words[(s := int(rng.integers(len(self.words) - TERMS))) : s + TERMS]) for _ in range(n)
            ]
            indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
            indices = np.concatenate(rows).astype(np.int32)
            return Encoded(Sparse(indptr, indices, rng.random(len(indices), dtype=np.float32) * 2 + 0.1, VOCABULARY))
        states = 32 if query else STATES
        array = rng.standard_normal((n * states, STATE), dtype=np.float32)
        array /= np.linalg.norm(array, axis=1, keepdims=True)
        return Encoded(Tokens(np.arange(0, n * states + 1, states), array))


def size_of(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def peak() -> int:
    """Bytes of memory that this process took at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write(part: str, n: int, values: dict[str, Any]) -> None:
    """The values of one size, into the file of results with those that are there; and the slopes over all sizes."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows = results.setdefault(part, {}).setdefault("sizes", {})
    rows[str(n)] = {
        **rows.get(str(n), {}),
        **{k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()},
    }
    results[part]["slopes"] = slopes(rows)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def slopes(rows: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Of each measure the slope of its logarithm over that of the size, by least squares."""
    out = {}
    for name in dict.fromkeys(itertools.chain.from_iterable(rows.values())):
        pairs = [
            (int(n), row[name]) for n, row in rows.items() if isinstance(row.get(name), int | float) and row[name] > 0
        ]
        if len(pairs) > 2:
            out[name] = round(float(np.polyfit(*np.log(np.array(pairs, dtype=float).T), 1)[0]), 3)
    return out


class Clock:
    """Processor and wall seconds since it was made."""

    def __init__(self) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def __call__(self) -> tuple[float, float]:
        return time.process_time() - self.cpu, time.perf_counter() - self.wall


def searches(collection: Collection, part: str, queries: list[Any]) -> list[Any]:
    if part == "words":
        return [m for q in queries for m in collection.lexical.search([q], 10)]
    index = collection.vectors(part)
    return [m for q in range(len(queries)) for m in index.search(queries.take([q]), 10)]  # type: ignore[attr-defined]


def measure(part: str, n: int, folder: Path) -> None:
    x = folder / "x"
    clock = Clock()
    made = build(documents(n), x) if part == "words" else build((Candidate(f"d{i}", "x") for i in range(n)), x)
    seconds, wall = clock()
    write(part, n, {"documents": n})
    encoder = Noise(part)
    if part == "words":
        write(part, n, {"build_s": seconds, "build_wall_s": wall, "build_peak_bytes": peak(), "bytes": size_of(x)})
        queries: Any = [q["text"] for name in NAMES for q in lines(name, "queries")][::7][:QUERIES]
    else:
        clock = Clock()
        made.encode(encoder, dtype="float16" if part == "tokens" else None)
        seconds, wall = clock()
        size = size_of(x / "vectors")
        write(part, n, {"store_s": seconds, "store_wall_s": wall, "store_peak_bytes": peak(), "bytes": size})
        most = {"dense": 50, "sparse": QUERIES, "tokens": 5}[part]
        queries = encoder.encode(["q"] * most, query=True).vectors
    made = Collection.open(x)
    first = queries[:1] if part == "words" else queries.take([0])
    searches(made, part, first)
    clock = Clock()
    searches(made, part, queries)
    seconds, wall = clock()
    write(part, n, {"queries_per_cpu_s": len(queries) / seconds, "queries_per_wall_s": len(queries) / wall})
    # Updates while another thread searches: batches of 100 replaced documents, for some seconds.
    stop, found = threading.Event(), [0]

    def search() -> None:
        mine = Collection.open(x)
        while not stop.is_set():
            searches(mine, part, first)
            found[0] += 1

    thread = threading.Thread(target=search)
    thread.start()
    texts = itertools.cycle(documents(2000)) if part == "words" else itertools.cycle([Candidate("d0", "x")])
    clock, updated, batches = Clock(), 0, 0
    while clock()[1] < 20 and batches < 20:
        new = [Candidate(f"d{(7 * (updated + i)) % n}", next(texts).content) for i in range(100)]
        made.update(new, None if part == "words" else {part: encoder})
        updated, batches = updated + 100, batches + 1
    seconds, wall = clock()
    stop.set()
    thread.join()
    write(part, n, {"updates_per_cpu_s_of_both": updated / seconds, "updates_per_wall_s": updated / wall})
    write(part, n, {"searches_meanwhile_per_wall_s": found[0] / wall})
    made = Collection.open(x)
    made.delete([f"d{i}" for i in range(0, n, 2)])
    before = size_of(x)
    clock = Clock()
    made = rewrite(x)
    seconds, wall = clock()
    after = size_of(x)
    write(part, n, {"half_deleted_bytes": before, "compacted_bytes": after, "compacted_part": after / before})
    write(part, n, {"compact_s": seconds, "compact_wall_s": wall, "peak_bytes": peak(), "left": len(made)})
    clock = Clock()
    snapshot(x, folder / "copy")
    seconds, wall = clock()
    write(part, n, {"copy_s": seconds, "copy_wall_s": wall})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["words", "dense", "sparse", "tokens"])
    parser.add_argument("sizes", nargs="?", default="1000,10000,100000")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.part, int(options.one), Path(options.sizes))
        return
    for n in options.sizes.split(","):
        folder = Path(tempfile.mkdtemp(prefix="anyrank-growth-"))
        try:
            command = [sys.executable, __file__, options.part, str(folder), "--one", n]
            subprocess.run(command, check=True)
        finally:
            shutil.rmtree(folder)
        print(options.part, n, flush=True)


if __name__ == "__main__":
    main()
