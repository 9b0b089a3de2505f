"""What search costs with 1,000 results a query: raw index calls that return ids and scores, the stages over them, their
fusion, and bm25s; this code against an older checkout, interleaved, CPU milliseconds a query.

    python bench/bench_search.py [--before ../old-checkout/src] [--bm25s a-venv/bin/python] [--rounds 5]

``cranfield`` is the bundled collection, ``100k`` 100,000 made-up documents of bench_lexical's words; vectors are random
with 384 numbers, as of minilm. Query vectors are computed before the clock starts, so that the encoder, which both
codes share, hides no difference. Each measurement is a process of its own on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "search.json"
K, QUERIES, DIM = 1000, 30, 384


def opened(folder: Path) -> tuple[Any, Any, list[Any], Any]:
    """Collection, vector index, queries (as rankings) and an encoder that gives prepared vectors."""
    import numpy as np

    from anyrank.core.types import Query, Ranking

    try:
        from anyrank.index.collection import Collection
        from anyrank.vectors import Encoded
    except ImportError:  # the code before the rooms were moved
        from anyrank.core.vectors import Encoded
        from anyrank.retrieve.collection import Collection

    texts = (folder / "queries.txt").read_text("utf-8").split("\n")[:QUERIES]
    vectors = np.load(folder / "queries.npy")[: len(texts)]

    class Prepared:
        name = "prepared"

        def encode(self, contents: Any, *, query: bool = False) -> Any:
            return Encoded(vectors[[int(i) for i in (rows[c] for c in contents)]])

    rows = {text: n for n, text in enumerate(texts)}
    collection = Collection.open(folder / "index")
    return collection, collection.vectors("v"), [Ranking(Query(f"q{n}", t)) for n, t in enumerate(texts)], Prepared()


def measure(what: str, folder: Path) -> float:
    """CPU milliseconds a query of one kind of search; the best of three passes over all queries, one at a time."""
    if what == "bm25s":
        import bm25s
        import numpy as np
        import Stemmer

        index, stemmer = bm25s.BM25.load(str(folder / "bm25s")), Stemmer.Stemmer("english")
        ids = np.array(json.loads((folder / "ids.json").read_text()))
        texts = (folder / "queries.txt").read_text("utf-8").split("\n")[:QUERIES]

        def bm25s_one(text: str) -> Any:
            tokens = bm25s.tokenize([text], stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False)
            found, scores = index.retrieve(tokens, k=min(K, len(ids)), show_progress=False, n_threads=1)
            return ids[found[0]].tolist(), scores[0].tolist()

        calls = [lambda t=t: bm25s_one(t) for t in texts]
    else:
        collection, vectors, rankings, encoder = opened(folder)
        import numpy as np

        from anyrank.retrieve.stages import BM25, VectorSearch

        prepared = np.load(folder / "queries.npy")
        lexical, near = BM25(collection, K), VectorSearch(vectors, encoder, collection, K)
        if what == "raw bm25":
            calls = [lambda r=r: list(collection.lexical.search([r.query.content], K)[0]) for r in rankings]
        elif what == "raw vectors":
            calls = [lambda n=n: list(vectors.search(prepared[n : n + 1], K)[0]) for n in range(len(rankings))]
        else:
            stage = {"bm25": lexical, "bm25 % 10": lexical % 10, "vectors": near, "bm25 + vectors": lexical + near}[
                what.removesuffix(", texts")
            ]
            if what.endswith(", texts"):
                calls = [lambda r=r: [(c.id, c.score, c.content) for c in stage(r)] for r in rankings]
            else:
                calls = [lambda r=r: list(zip((x := stage(r)).ids, x.scores)) for r in rankings]
    best = float("inf")
    for _ in range(4):  # the first pass warms caches and compilers, and never is the best
        began = time.process_time()
        for call in calls:
            call()
        best = min(best, time.process_time() - began)
    return 1000 * best / len(calls)


def build(name: str, folder: Path) -> None:
    """The collection, its vectors, the queries and theirs."""
    import numpy as np

    from anyrank.index.build import build as build_collection
    from anyrank.io.dataset import Dataset
    from anyrank.vectors import Encoded

    if name == "cranfield":
        data = Dataset.open("demo")
        documents, texts = data.documents(), [q.content for q in data.queries()]
    else:
        sys.path.insert(0, str(HERE))
        import bench_lexical

        from anyrank.core.types import Candidate

        bench_lexical.make(folder, 100_000)
        documents = (Candidate(i, t) for i, t in bench_lexical.docs(folder))
        texts = (folder / "queries.txt").read_text("utf-8").split("\n")
    rng = np.random.default_rng(0)

    class Random:
        name = "random"

        def encode(self, contents: Any, *, query: bool = False) -> Any:
            rows = rng.standard_normal((len(contents), DIM), dtype=np.float32)
            return Encoded(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    encoder, queries = Random(), np.asarray(Random().encode(texts[:QUERIES]).vectors)
    collection = build_collection(documents, folder / "index")
    collection.encode(encoder, "v")
    np.save(folder / "queries.npy", queries)
    (folder / "queries.txt").write_text("\n".join(" ".join(t.split()) for t in texts), encoding="utf-8")
    (folder / "ids.json").write_text(json.dumps(list(collection.ids())))
    (folder / "texts.json").write_text(json.dumps([d.content for d in collection.documents()]))


def build_bm25s(folder: Path) -> None:
    import bm25s
    import Stemmer

    texts = json.loads((folder / "texts.json").read_text())
    tokens = bm25s.tokenize(texts, stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False)
    index = bm25s.BM25(k1=1.2, b=0.75, backend="numba")
    index.index(tokens, show_progress=False)
    index.save(str(folder / "bm25s"), show_progress=False)


WHATS = ("raw bm25", "raw vectors", "bm25", "bm25 % 10", "vectors", "bm25 + vectors", "bm25 + vectors, texts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", help="the src folder of an older checkout")
    parser.add_argument("--bm25s", help="a Python that has bm25s, numba and PyStemmer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", default="cranfield,100k")
    parser.add_argument("--child", nargs=2, metavar=("WHAT", "FOLDER"))
    options = parser.parse_args()
    if options.child:
        what, folder = options.child[0], Path(options.child[1])
        if what.startswith("build"):
            build_bm25s(folder) if what == "build bm25s" else build(what.split()[1], folder)
        else:
            print(json.dumps(measure(what, folder)))
        return
    now = str(HERE.parent / "src")
    systems = {"now": (sys.executable, now)}
    if options.before:
        systems["before"] = (sys.executable, options.before)

    def child(python: str, source: str, what: str, folder: Path) -> str:
        threads = {f"{n}_NUM_THREADS": "1" for n in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
        env = {**os.environ, **threads, "PYTHONPATH": source}
        command = [python, __file__, "--child", what, str(folder)]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    results: dict[str, Any] = {}
    for name in options.sizes.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            child(sys.executable, now, f"build {name}", folder)
            runs = [(what, system) for what in WHATS for system in systems]
            if options.bm25s:
                child(options.bm25s, "", "build bm25s", folder)
                runs.append(("bm25s", "bm25s"))
                systems["bm25s"] = (options.bm25s, "")
            times: dict[tuple[str, str], list[float]] = {run: [] for run in runs}
            for _ in range(options.rounds):
                for what, system in runs:
                    times[what, system].append(float(child(*systems[system], what, folder)))
            medians = {run: statistics.median(values) for run, values in times.items()}
        rows: dict[str, Any] = {}
        for (what, system), value in medians.items():
            rows.setdefault(what, {})[system] = round(value, 3)
        raw = medians["raw bm25", "now"] + medians["raw vectors", "now"]
        rows["hybrid over the sum of its raw searches"] = round(medians["bm25 + vectors", "now"] / raw, 2)
        results[name] = rows
        head = {"unit": "CPU ms a query", "k": K, "rounds": options.rounds}
        RESULTS.write_text(json.dumps({**head, **results}, indent=1) + "\n")
        print(json.dumps({name: rows}, indent=1))


if __name__ == "__main__":
    main()
