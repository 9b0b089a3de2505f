"""Search of dense vectors: recall@10 against queries/s of the exact index and of graphs of each precision, beside raw
usearch and raw faiss in the same run; and what building costs from 10^3 to 10^6 documents.

    python bench/bench_ann.py vectors DATA SCRATCH [REAL]   real MiniLM vectors, and others made of them, in SCRATCH
    python bench/bench_ann.py speed SCRATCH N [SECONDS]     searches of N vectors; no new part after SECONDS
    python bench/bench_ann.py threshold SCRATCH             a scan beside the encoding of a query
    python bench/bench_ann.py growth [MOST [KEEP]]          time, memory and disk of a build, and their log-log slopes
    python bench/bench_ann.py matryoshka DATA INDEX …       the first numbers of MiniLM's vectors, nDCG@10

Needs anyrank[ann]; faiss-cpu 1.15.1 too for its rows. Results in bench/results/ann.json, written after each part.
Searches take one thread, and their seconds are the processor's, since the machine may be shared; they are timed in
turns of 20 queries, ours, the raw search and one with scores by hand, each after a first pass over the same queries,
which maps the files' pages. A graph is built with BUILD_THREADS (one) and EXPANSION_ADD (128); PRECISIONS chooses some.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "ann.json"
DIM, K, BATCH = 384, 10, 200
PRECISIONS = os.environ.get("PRECISIONS", "bf16 binary int8 float32").split()
BUILD_THREADS, ADD = os.environ.get("BUILD_THREADS", "1"), int(os.environ.get("EXPANSION_ADD", "128"))
CORPORA = ("nfcorpus", "scifact", "cranfield", "vaswani", "cosqa")
PASSAGES = ("dl-candidates/dl19.passages.jsonl.gz", "dl-candidates/dl22.passages.jsonl.gz")
Array = np.ndarray[Any, Any]


def note(*keys: str, **values: Any) -> None:
    """Adds values to the results."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    row = results
    for key in keys:
        row = row.setdefault(key, {})
    row |= values
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(*keys, values, flush=True)


# ----------------------------------------------------------------------------------------------------- vectors


def vectors(data: Path, scratch: Path, real: int) -> None:
    """``real.npy``: of the texts of corpora; ``queries.npy``: of real queries. Vectors that are there already (of
    texts that were encoded elsewhere) are used as they are."""
    from anyrank.hub.open import open_model

    encoder = open_model("minilm")
    if not (scratch / "real.npy").exists():
        texts = [_text(row) for name in CORPORA for row in _rows(data / name / "corpus.jsonl.gz")]
        texts += [_text(row) for name in PASSAGES for row in _rows(data / name)]
        np.save(scratch / "real.npy", encoder.encode(list(dict.fromkeys(texts))[:real]).vectors.dense())
    if not (scratch / "queries.npy").exists():
        asked = [row["text"] for name in CORPORA[:3] for row in _rows(data / name / "queries.jsonl.gz")]
        np.random.default_rng(1).shuffle(asked)
        np.save(scratch / "queries.npy", encoder.encode(asked[:500], query=True).vectors.dense())


def _rows(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rt") as file:
        yield from map(json.loads, file)


def _text(row: Any) -> str:
    return f"{row.get('title') or ''} {row['text']}".strip()


def blocks(scratch: Path, n: int) -> Iterator[Array]:
    """``n`` vectors, 8192 at once: the real ones, then made ones, each a real one moved by 0.4 of the difference of two
    others (so by noise that varies as real vectors do)."""
    real, rng = np.load(scratch / "real.npy")[:n], np.random.default_rng(0)
    for start in range(0, n, 8192):
        size = min(8192, n - start)
        block = real[start : start + size]
        if len(block) < size:
            one, two, three = rng.integers(0, len(real), (3, size - len(block)))
            made = real[one] + 0.4 * (real[two] - real[three])
            block = np.concatenate([block, made / np.linalg.norm(made, axis=1, keepdims=True)])
        yield block.astype(np.float32)


# ------------------------------------------------------------------------------------------------------- speed


class Named:
    """An encoder that is never asked: all vectors are there."""

    name = "v"

    def encode(self, contents: Any, *, query: bool = False) -> Any:
        raise NotImplementedError


def store(path: Path, n: int, parts: Iterator[Array]) -> Any:
    """A collection of ``n`` short documents, and vectors for them."""
    from anyrank.core.types import Candidate
    from anyrank.index.build import build
    from anyrank.index.collection import Collection
    from anyrank.index.vector_store import VectorStore
    from anyrank.vectors import Dense

    if path.exists():
        collection = Collection.open(path)
        if collection.encoded:
            return collection
    else:
        collection = build((Candidate(f"d{i}", f"word{i % 997}", meta={"n": i % 100}) for i in range(n)), path)
    start = 0
    for block in parts:
        held = VectorStore.create(path / "vectors" / "v", Dense(block), "float32")
        held.append(range(start, start + len(block)), Dense(block))
        start += len(block)
    return collection


def alternately(calls: dict[str, Callable[[int], Any]], times: int, each: int = 1) -> dict[str, float]:
    """The median seconds of the processor for each call, made for the numbers 0 … times - 1, ``each`` of them in a row
    before the next call has its turn."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call(0)  # the first touches the files
    for start in range(0, times, each):
        for name, call in calls.items():
            begin = time.process_time()
            for i in range(start, start + each):
                call(i)
            seconds[name].append((time.process_time() - begin) / each)
    return {name: float(np.median(s)) for name, s in seconds.items()}


def recall(results: Any, truth: Array) -> float:
    return float(np.mean([len(set(map(int, r)) & set(t.tolist())) / K for r, t in zip(results, truth)]))


def speed(scratch: Path, n: int, limit: float) -> None:
    from anyrank.index import approximate
    from anyrank.index.quantise import OVERSAMPLING, Quantiser, usearch

    begin, key = time.perf_counter(), str(n)
    queries = np.load(scratch / "queries.npy")
    real = min(len(np.load(scratch / "real.npy", mmap_mode="r")), n)
    collection = store(scratch / f"index-{n}", n, blocks(scratch, n))
    exact = collection.vectors("v", exact=True)
    truth = np.array([[int(i[1:]) for i in r.ids] for r in exact.search(queries[:BATCH], K)])
    note("speed", key, queries=BATCH)
    exact_rows(scratch, n, queries, exact)
    array = np.concatenate(list(blocks(scratch, n)))
    for precision in PRECISIONS:  # the default first, if time ends
        if time.perf_counter() - begin > limit:
            return
        approximate.SCANNED = approximate._RATIO = 0  # the graph, whatever the size
        os.environ["OMP_NUM_THREADS"] = BUILD_THREADS
        start, cpu = time.perf_counter(), time.process_time()
        collection.encode(Named(), index="approximate", options={"precision": precision, "expansion_add": ADD})
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        os.environ["OMP_NUM_THREADS"] = "1"
        index = collection.vectors("v")
        folder = index.vector_store.folder / approximate.NAME
        size = sum(f.stat().st_size for f in folder.iterdir())
        if seconds > 2:  # else it was there already
            note("speed", key, precision, build_s=round(seconds, 1), build_cpu_s=round(cpu, 1))
        note("speed", key, precision, bytes_a_vector=round(size / n, 1), expansion_add=ADD, real_vectors=real)
        raw = usearch().Index.restore(str(folder / approximate.NODES), view=True)
        quantiser = Quantiser.from_dict(json.loads((folder / approximate.COVERS).read_text())["quantiser"])
        nodes, count = quantiser.queries(queries), round(K * OVERSAMPLING[precision])
        for expansion in (32, 64, 128, 256):
            raw.expansion_search = index.graph().index.expansion_search = expansion
            note(
                "speed",
                key,
                precision,
                f"expansion {expansion}",
                **graph_row(index, raw, queries, nodes, count, truth, array),
            )
    if time.perf_counter() - begin < limit:
        faiss_rows(scratch, n, queries, truth, limit)


def exact_rows(scratch: Path, n: int, queries: Array, exact: Any) -> None:
    """Exact search, ours beside faiss's flat index if that is installed."""
    one: dict[str, Callable[[int], Any]] = {"ours": lambda i: exact.search(queries[i : i + 1], K)}
    batch = BATCH if n <= 200_000 else BATCH // 5
    many: dict[str, Callable[[int], Any]] = {"ours": lambda i: exact.search(queries[:batch], K)}
    try:
        import faiss
    except ImportError:
        pass
    else:
        faiss.omp_set_num_threads(1)
        flat = faiss.IndexFlatIP(DIM)
        for block in blocks(scratch, n):
            flat.add(block)
        one["faiss"] = lambda i: flat.search(queries[i : i + 1], K)
        many["faiss"] = lambda i: flat.search(queries[:batch], K)
    a, b = alternately(one, 30), alternately(many, 3)
    row = {f"{name}_one_per_s": round(1 / s, 1) for name, s in a.items()}
    row |= {f"{name}_batch_per_s": round(batch / s, 1) for name, s in b.items()}
    note("speed", str(n), "exact", recall=1.0, **row)


def by_hand(keys: Array, query: Array, array: Array) -> Array:
    """The best of a graph's results by their exact scores, as one would write it over one array in memory."""
    scores = array[keys.astype(np.int64)] @ query
    return keys[np.argsort(-scores)[:K]]


def graph_row(
    index: Any, raw: Any, queries: Array, nodes: Array, count: int, truth: Array, array: Array
) -> dict[str, Any]:
    """Searches of a graph, ours beside usearch's own of the same file for as many results as ours scores again. One at
    a time each is of another query, since the second of the same would find the graph's nodes in the cache."""
    from anyrank.vectors import Dense

    single = [Dense(queries[i : i + 1]) for i in range(BATCH)]  # as an encoder gives them

    def other(i: int) -> int:
        return (i + BATCH // 3) % BATCH

    def third(i: int) -> int:
        return (i + 2 * BATCH // 3) % BATCH

    one: dict[str, Callable[[int], Any]] = {
        "ours": lambda i: index.search(single[i], K),
        "raw": lambda i: raw.search(nodes[other(i)], count, threads=1),
        "by hand": lambda i: by_hand(raw.search(nodes[third(i)], count, threads=1).keys, queries[third(i)], array),
    }
    many: dict[str, Callable[[int], Any]] = {
        "ours": lambda i: index.search(queries[:BATCH], K),
        "raw": lambda i: raw.search(nodes[:BATCH], count, threads=1),
        "by hand": lambda i: [
            by_hand(keys, query, array)
            for keys, query in zip(raw.search(nodes[:BATCH], count, threads=1).keys, queries[:BATCH])
        ],
    }
    faults = [page_faults(call) for call in one.values()]  # this maps the pages of files that the queries read
    a, b = alternately(one, BATCH, 20), alternately(many, 5)
    return {
        "recall": recall([[i[1:] for i in r.ids] for r in index.search(queries[:BATCH], K)], truth),
        "raw_recall": recall(raw.search(nodes[:BATCH], count, threads=1).keys[:, :K], truth),
        "first_page_faults": dict(zip(one, faults)),
        "ours_one_per_s": round(1 / a["ours"], 1),
        "raw_one_per_s": round(1 / a["raw"], 1),
        "one_over_raw": round(a["ours"] / a["raw"] - 1, 3),
        "one_over_by_hand": round(a["ours"] / a["by hand"] - 1, 3),
        "ours_batch_per_s": round(BATCH / b["ours"], 1),
        "raw_batch_per_s": round(BATCH / b["raw"], 1),
        "batch_over_raw": round(b["ours"] / b["raw"] - 1, 3),
        "batch_over_by_hand": round(b["ours"] / b["by hand"] - 1, 3),
    }


def page_faults(call: Callable[[int], Any]) -> float:
    """Page faults a query, where each of the queries is searched for the first time."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for i in range(BATCH):
        call(i)
    return round((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / BATCH, 1)


def faiss_rows(scratch: Path, n: int, queries: Array, truth: Array, limit: float) -> None:
    """faiss's HNSW graph of float32, with the same links and expansion; left out if it isn't installed."""
    try:
        import faiss
    except ImportError:
        return
    graph = faiss.IndexHNSWFlat(DIM, 16, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = 128
    faiss.omp_set_num_threads(int(BUILD_THREADS))
    start, cpu, name = time.perf_counter(), time.process_time(), "faiss HNSW float32"
    for block in blocks(scratch, n):
        graph.add(block)
        if (seconds := time.perf_counter() - start) > limit:
            note("speed", str(n), name, stopped_at=graph.ntotal, after_s=round(seconds))
            return
    seconds, cpu = round(time.perf_counter() - start, 1), round(time.process_time() - cpu, 1)
    note("speed", str(n), name, build_s=seconds, build_cpu_s=cpu)
    faiss.omp_set_num_threads(1)
    for expansion in (32, 64, 128, 256):
        graph.hnsw.efSearch = expansion
        a = alternately({"raw": lambda i: graph.search(queries[i : i + 1], K)}, BATCH, 20)
        b = alternately({"raw": lambda i: graph.search(queries[:BATCH], K)}, 5)
        row = {"raw_one_per_s": round(1 / a["raw"], 1), "raw_batch_per_s": round(BATCH / b["raw"], 1)}
        found = recall(graph.search(queries[:BATCH], K)[1], truth)
        note("speed", str(n), name, f"expansion {expansion}", recall=found, **row)


def threshold(scratch: Path) -> None:
    """Milliseconds of a scan for one query, beside those of encoding the query, by the number of documents."""
    from anyrank.hub.open import open_model

    encoder, queries = open_model("minilm"), np.load(scratch / "queries.npy")
    text = "which documents are about the lift of a slender wing at high speed"
    for n in (5000, 10_000, 20_000, 50_000):
        exact = store(scratch / f"index-{n}", n, blocks(scratch, n)).vectors("v", exact=True)
        calls: dict[str, Callable[[int], Any]] = {
            "scan": lambda i, index=exact: index.search(queries[i : i + 1], K),
            "encode": lambda i: encoder.encode([f"{text} {i}"], query=True),
        }
        note("threshold", str(n), **{f"{name}_ms": round(1000 * s, 2) for name, s in alternately(calls, 60).items()})


# ------------------------------------------------------------------------------------------------------ growth


def growth(most: int, keep: str) -> None:
    """Each size in a process of its own, for its peak of memory. ``keep``: a folder that the documents of the largest
    stay in, for `speed`."""
    sizes = [n for n in (1000, 10_000, 100_000, 1_000_000) if n <= most]
    rows = []
    for n in sizes:
        command = [sys.executable, __file__, "grow", str(n), *([keep] if keep and n == most else [])]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(answer.stdout.splitlines()[-1]))
        note("growth", str(n), **rows[-1])
    logs = np.log([[max(r[name], 1e-9) for r in rows] for name in rows[0]])
    for name, values in zip(rows[0], logs):
        slopes = np.diff(values) / np.diff(np.log(sizes))
        note("growth", "slope", **{name: [round(float(s), 2) for s in slopes]})


def grow(n: int, keep: str) -> None:
    """Seconds, peak of memory and disk of a build of ``n`` short documents, and of 384 random numbers for each."""
    from anyrank.core.types import Candidate
    from anyrank.index.build import build
    from anyrank.index.vector_store import VectorStore
    from anyrank.vectors import Dense

    rng = np.random.default_rng(0)
    ranks = rng.zipf(1.3, size=n * 12) % 50_000

    def documents() -> Iterator[Any]:
        for i in range(n):
            yield Candidate(f"d{i}", " ".join(f"w{r}" for r in ranks[i * 12 : i * 12 + 12]), meta={"n": i % 100})

    base = _peak()
    with tempfile.TemporaryDirectory() as folder:
        path, wall, cpu = Path(keep or f"{folder}/x"), time.perf_counter(), time.process_time()
        build(documents(), path)
        row: dict[str, float] = {"documents_s": round(time.perf_counter() - wall, 3)}
        row |= {"documents_cpu_s": round(time.process_time() - cpu, 3), "documents_peak_mb": _peak()}
        row["documents_mb"] = _megabytes(path)
        wall, cpu = time.perf_counter(), time.process_time()
        for first in range(0, n, 8192):
            block = Dense(rng.normal(size=(min(8192, n - first), DIM)).astype(np.float32))
            held = VectorStore.create(path / "vectors" / "v", block, "float32")
            held.append(range(first, first + len(block)), block)
        row["vectors_s"], row["vectors_cpu_s"] = (
            round(time.perf_counter() - wall, 3),
            round(time.process_time() - cpu, 3),
        )
        row["vectors_mb"] = _megabytes(path / "vectors")
        row["peak_mb"] = _peak()
        shutil.rmtree(path / "vectors")
    print(json.dumps({**row, "peak_before_mb": base}))


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _megabytes(path: Path) -> float:
    return round(sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) / 1e6, 3)


# -------------------------------------------------------------------------------------------------- matryoshka


def matryoshka(data: Path, indexes: list[Path]) -> None:
    """nDCG@10 of the first numbers of MiniLM's vectors, which weren't trained for it, over indexes that hold them."""
    from anyrank.hub.open import open_model
    from anyrank.hub.truncated import first
    from anyrank.index.collection import Collection

    encoder = open_model("minilm")
    for path in indexes:
        name, collection = path.name.partition(".")[0], Collection.open(path)
        everything = list(collection.ids())
        positions, stored = collection.vectors("minilm").vectors(everything)
        ids, docs = [everything[p] for p in positions], stored.dense()  # type: ignore[union-attr]
        qrels: dict[str, dict[str, int]] = {}
        split = "dev" if (data / name / "qrels" / "dev.tsv").exists() else "test"
        for line in (data / name / "qrels" / f"{split}.tsv").open():
            query, doc, gain = line.split("\t")[:3]
            if gain.strip().lstrip("-").isdigit():
                qrels.setdefault(query, {})[doc] = max(int(gain), 0)
        asked = [row for row in _rows(data / name / "queries.jsonl.gz") if row["_id"] in qrels]
        vectors = encoder.encode([row["text"] for row in asked], query=True).vectors.dense()
        note("matryoshka", name, split=split, queries=len(asked))
        for dim in (384, 256, 192, 128, 64, 32):
            scores = first(vectors, dim) @ first(docs, dim).T
            values = [_ndcg([ids[i] for i in np.argsort(-s)[:10]], qrels[row["_id"]]) for s, row in zip(scores, asked)]
            note("matryoshka", name, **{str(dim): round(float(np.mean(values)), 4)})


def _ndcg(ranked: list[str], gains: dict[str, int]) -> float:
    discounts = 1 / np.log2(np.arange(2, 12))
    best = sorted(gains.values(), reverse=True)[:10]
    ideal = float(np.dot(best, discounts[: len(best)]))
    return float(np.dot([gains.get(i, 0) for i in ranked], discounts[: len(ranked)])) / ideal if ideal else 0.0


def main(what: str, *args: str) -> None:
    if what == "vectors":
        vectors(Path(args[0]), Path(args[1]), int(args[2]) if len(args) > 2 else 20_000)
    elif what == "speed":
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        speed(Path(args[0]), int(args[1]), float(args[2]) if len(args) > 2 else 1e9)
    elif what == "threshold":
        threshold(Path(args[0]))
    elif what == "growth":
        growth(int(args[0]) if args else 1_000_000, args[1] if len(args) > 1 else "")
    elif what == "grow":
        grow(int(args[0]), args[1] if len(args) > 1 else "")
    elif what == "matryoshka":
        matryoshka(Path(args[0]), [Path(path) for path in args[1:]])


if __name__ == "__main__":
    main(*sys.argv[1:])
