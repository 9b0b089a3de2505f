"""Index and search speed and memory of the lexical index, beside its engine called directly and bm25s (numba).

    PYTHONPATH=src python bench/bench_lexical.py [--sizes 1000,100000,1000000] [--rounds 3]

Documents are made of the words of real collections, drawn anew by their real frequencies, with real lengths of
passages; queries are real ones (at most 8 words). Every system indexes and searches in a process of its own, in turn,
``--rounds`` times; medians are given. Every search gives the ids of the best 100 for 1,000 queries, one thread.

    anyrank          the whole index: document store, ids, fields, checks of repeated ids, durable commits
    anyrank x2       the same, searched by two threads
    engine           tantivy called directly: text indexed by the same analyser and stored, ids indexed; row numbers
                     as results, queries built by its parser
    engine, ids      the same engine; text ids as results, from its own document store
    bm25s            static arrays in memory, numba; stems by PyStemmer; row numbers as results
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("ANYRANK_DATA", Path(__file__).parents[2] / "shared" / "data"))
RESULTS = Path(__file__).parent / "results"
K, QUERIES = 100, 1000
BUILDS = ("anyrank", "engine", "bm25s")
SEARCHES = {
    "anyrank": "anyrank",
    "anyrank x2": "anyrank",
    "engine": "engine",
    "engine, ids": "engine",
    "bm25s": "bm25s",
}


def lines(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def make(folder: Path, n: int, seed: int = 0) -> None:
    """``docs.tsv`` and ``queries.txt``."""
    import numpy as np

    words: Counter[str] = Counter()
    for name in ("scifact", "nfcorpus", "cranfield", "vaswani"):
        for doc in lines(DATA / name / "corpus.jsonl.gz"):
            words.update(f"{doc['title']} {doc['text']}".split())
    vocabulary = np.array(list(words))
    share = np.array(list(words.values()), dtype=float)
    share /= share.sum()
    rng = np.random.default_rng(seed)
    lengths = np.array([len(p["text"].split()) for p in lines(DATA / "dl-candidates" / "dl19.passages.jsonl.gz")])
    with open(folder / "docs.tsv", "w", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        for start in range(0, n, 10_000):
            sizes = rng.choice(lengths, min(10_000, n - start))
            drawn = vocabulary[rng.choice(len(vocabulary), sizes.sum(), p=share)]
            for i, part in enumerate(np.split(drawn, np.cumsum(sizes)[:-1])):
                writer.writerow([f"doc{start + i}", " ".join(part)])
    asked = [q["text"] for name in ("scifact", "nfcorpus") for q in lines(DATA / name / "queries.jsonl.gz")]
    picked = random.Random(seed).sample(sorted(set(asked)), QUERIES)
    (folder / "queries.txt").write_text("\n".join(" ".join(q.split()[:8]) for q in picked), encoding="utf-8")


def docs(folder: Path) -> Iterator[list[str]]:
    csv.field_size_limit(1 << 30)
    with open(folder / "docs.tsv", encoding="utf-8", newline="") as file:
        yield from csv.reader(file, delimiter="\t")


def build_anyrank(folder: Path) -> None:
    from anyrank.core.types import Candidate
    from anyrank.index.build import build

    build((Candidate(i, t) for i, t in docs(folder)), folder / "anyrank")


def build_engine(folder: Path) -> None:
    import tantivy

    from anyrank.index.analysis import analyser

    schema = (
        tantivy.SchemaBuilder()
        .add_unsigned_field("row", indexed=True, fast=True)
        .add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
        .add_text_field("body", stored=True, tokenizer_name="body", index_option="freq")
        .build()
    )
    (folder / "engine").mkdir()
    index = tantivy.Index(schema, str(folder / "engine"))
    index.register_tokenizer("body", analyser())
    writer = index.writer(128 << 20, 1)
    for row, (i, text) in enumerate(docs(folder)):
        doc = tantivy.Document()
        doc.add_unsigned("row", row)
        doc.add_text("id", i)
        doc.add_text("body", text)
        writer.add_document(doc)
    writer.commit()
    writer.wait_merging_threads()


def build_bm25s(folder: Path) -> None:
    import bm25s
    import Stemmer

    texts = [t for _, t in docs(folder)]
    tokens = bm25s.tokenize(texts, stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False)
    index = bm25s.BM25(k1=1.2, b=0.75, backend="numba")
    index.index(tokens, show_progress=False)
    index.save(str(folder / "bm25s"), show_progress=False)


def search_anyrank(folder: Path, threads: int = 1) -> Any:
    from anyrank.index.collection import Collection

    lexical = Collection.open(folder / "anyrank").lexical
    lexical.threads = threads
    return lambda texts: [list(matches) for matches in lexical.search(texts, K)]


def search_engine(folder: Path, stored: bool = False) -> Any:
    import tantivy

    from anyrank.index.analysis import analyser

    index = tantivy.Index.open(str(folder / "engine"))
    index.register_tokenizer("body", analyser())
    searcher = index.searcher()

    def search(texts: list[str]) -> list[Any]:
        out = []
        for text in texts:
            plain = "".join(c if c.isalnum() else " " for c in text).lower()
            hits = searcher.search(index.parse_query(plain, ["body"]), K, count=False).hits
            at = [a for _, a in hits]
            ids = [searcher.doc(a)["id"][0] for a in at] if stored else searcher.fast_field_values("row", at)
            out.append(list(zip(ids, [s for s, _ in hits])))
        return out

    return search


def search_bm25s(folder: Path) -> Any:
    import bm25s
    import Stemmer

    index, stemmer = bm25s.BM25.load(str(folder / "bm25s")), Stemmer.Stemmer("english")

    def search(texts: list[str]) -> Any:
        tokens = bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False)
        return index.retrieve(tokens, k=K, show_progress=False, n_threads=1)

    return search


def child(verb: str, name: str, folder: Path) -> dict[str, float]:
    """One measurement in this process: seconds (and, of a search, of opening), peak memory in MiB, size on disk."""
    began = time.perf_counter()
    out: dict[str, float] = {}
    if verb == "build":
        {"anyrank": build_anyrank, "engine": build_engine, "bm25s": build_bm25s}[name](folder)
        out["seconds"] = time.perf_counter() - began
        out["disk"] = sum(p.stat().st_size for p in (folder / name).rglob("*") if p.is_file()) / 2**20
    else:
        search = {
            "anyrank": lambda: search_anyrank(folder),
            "anyrank x2": lambda: search_anyrank(folder, 2),
            "engine": lambda: search_engine(folder),
            "engine, ids": lambda: search_engine(folder, stored=True),
            "bm25s": lambda: search_bm25s(folder),
        }[name]()
        out["open"] = time.perf_counter() - began
        texts = (folder / "queries.txt").read_text("utf-8").split("\n")
        search(texts)  # caches and compilers warmed
        began = time.perf_counter()
        search(texts)
        out["seconds"] = time.perf_counter() - began
    status = dict(x.split(":", 1) for x in Path("/proc/self/status").read_text().splitlines())
    out["memory"] = int(status["VmHWM"].split()[0]) / 1024
    return out


def measured(verb: str, name: str, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--child", verb, name, str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{verb} {name}: {done.stderr[-2000:]}")
    out: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return out


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {k: statistics.median(r[k] for r in rows) for k in rows[0]}


def measure(n: int, rounds: int) -> dict[str, Any]:
    builds: dict[str, list[dict[str, float]]] = {b: [] for b in BUILDS}
    searches: dict[str, list[dict[str, float]]] = {s: [] for s in SEARCHES}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make(folder, n)
        for round in range(rounds):
            for name in BUILDS:
                subprocess.run(["rm", "-rf", str(folder / name)], check=True)
                builds[name].append(measured("build", name, folder))
            for name in SEARCHES:
                searches[name].append(measured("search", name, folder))
            print(f"{n:,} documents: round {round + 1} of {rounds}", file=sys.stderr)
    return {
        "documents": n,
        "rounds": rounds,
        "build": {name: medians(rows) for name, rows in builds.items()},
        "search": {name: medians(rows) for name, rows in searches.items()},
    }


def table(results: list[dict[str, Any]]) -> str:
    rows = [
        "| documents | system | docs/s | of engine | build MiB | disk MiB | queries/s | of engine | open ms | MiB |",
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for r in results:
        raw_build, raw_search = r["build"]["engine"]["seconds"], r["search"]["engine"]["seconds"]
        for name, source in SEARCHES.items():
            b, s = r["build"][source], r["search"][name]
            speed, share = r["documents"] / b["seconds"], raw_build / b["seconds"]
            made = [f"{speed:,.0f}", f"{share:.2f}", f"{b['memory']:.0f}", f"{b['disk']:.0f}"]
            found = [f"{QUERIES / s['seconds']:,.0f}", f"{raw_search / s['seconds']:.2f}"]
            found += [f"{1000 * s['open']:.0f}", f"{s['memory']:.0f}"]
            cells = [f"{r['documents']:,}", name, *(made if name == source else [""] * 4), *found]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=3, metavar=("VERB", "SYSTEM", "FOLDER"))
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(child(asked.child[0], asked.child[1], Path(asked.child[2]))))
        return
    results = [measure(int(n), asked.rounds) for n in asked.sizes.split(",")]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "lexical.json").write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "lexical.md").write_text(table(results) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
