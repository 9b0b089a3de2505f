"""What checksums cost: reading rows, opening an index, and the first search over vectors, with and without them.

python bench/bench_checksums.py [DOCUMENTS]     default 100,000; results in bench/results/checksums.json
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np

from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.check import check
from anyrank.index.collection import Collection
from anyrank.vectors import Encoded

RESULTS = Path(__file__).parent / "results" / "checksums.json"
DIM = 384
rng = random.Random(0)


class Noise:
    name = "noise"

    def encode(self, contents: list[str], *, query: bool = False) -> Encoded:
        return Encoded(np.random.default_rng(len(contents)).standard_normal((len(contents), DIM), dtype=np.float32))


def best(work: Callable[[], object], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def main(n: int) -> None:
    words = [f"w{i}" for i in range(20_000)]
    out: dict[str, float] = {"documents": n, "dimensions": DIM}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "x"
        begin = time.perf_counter()
        build((Candidate(f"d{i}", " ".join(rng.choices(words, k=60))) for i in range(n)), path)
        out["build_s"] = time.perf_counter() - begin
        Collection.open(path).encode(Noise())
        size = sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
        out["bytes"] = size
        out["bytes_of_checksums"] = sum(p.stat().st_size for n in ("rows.crc", "checksums.json") for p in path.rglob(n))
        rows = rng.sample(range(n), 10_000)
        queries = Noise().encode(["a"]).vectors

        def search() -> object:
            return Collection.open(path).vectors("noise").search(queries, 10)

        def ids() -> object:
            return snapshot.ids(rows)

        def documents() -> object:
            return snapshot.documents(rows)

        snapshot = Collection.open(path).store.rows.of(rows)
        for name, work in (("ids_10000", ids), ("documents_10000", documents)):
            out[f"{name}_s"] = best(work)
            with patch("anyrank.store.rows.Sums.of", lambda self, rows, column, folder: [None] * len(rows)):
                out[f"{name}_without_s"] = best(work)
        out["open_s"] = best(lambda: Collection.open(path))
        with patch("anyrank.store.store.check_engine", lambda *_: None):
            out["open_without_s"] = best(lambda: Collection.open(path))
        out["open_and_first_vector_search_s"] = best(search)
        with (
            patch("anyrank.index.vector_store.array_problems", lambda *a, **k: []),
            patch("anyrank.store.store.check_engine", lambda *_: None),
        ):
            out["open_and_first_vector_search_without_s"] = best(search)
        out["check_s"] = best(lambda: check(path), 1)
    RESULTS.write_text(json.dumps({k: round(v, 5) for k, v in out.items()}, indent=1) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
