"""Generative retrieval on a collection of a thousand documents: every method trained here, against BM25 and MiniLM.

    anyrank index demo -o WORK/cranfield.index --encode minilm
    python bench/bench_generative.py train WORK cranfield over_dense   # step0, vanilla, dsi, nci; a variant:
    python bench/bench_generative.py train WORK cranfield over_dense:rate=2e-5,fresh_rate=3e-5
    python bench/bench_generative.py dev WORK cranfield                # every variant on the queries that choose
    python bench/bench_generative.py report WORK cranfield OUT.json    # the best of each method, once, on the others
    python bench/bench_generative.py pair WORK cranfield OUT.json      # over_dense of that report against its step 0

Models are trained on the documents alone (their beginnings, titles, random passages and runs of words; titles and first
sentences as queries), or, where the collection has a part "train", on its queries too. A third of Cranfield's queries
choose among the variants of a method (by MRR@10), the others are reported; of SciFact a fifth of the training claims
choose, and the test claims are reported.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from anyrank.core.content import text_of  # noqa: E402
from anyrank.core.types import Candidate, Ranking  # noqa: E402
from anyrank.evaluate.evaluation import evaluate  # noqa: E402
from anyrank.index.collection import Collection  # noqa: E402
from anyrank.io.dataset import Dataset  # noqa: E402
from anyrank.pipeline.parser import Settings, parse  # noqa: E402

DATA = Path(os.environ.get("ANYRANK_DATA", ROOT.parent / "shared" / "data"))
MEASURES = ("RR@10", "R@1", "R@10", "R@100", "nDCG@10")
SMALL: dict[str, Any] = {"max_length": 48, "words": 32, "bf16": True}
"""Settings of every training here, so that one takes at most ten minutes of a core."""
FEW = {"document_passes": 1, "query_passes": 2, "ngrams": 2}
MANY = {"document_passes": 6, "query_passes": 6, "ngrams": 2, "rate": 2e-4}
METHODS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "step0": ("dynamic_retriever", "minilm", {"rows": "vectors"}),
    "over_dense": ("dynamic_retriever", "minilm", {"rows": "vectors", **FEW}),
    "vanilla": ("dynamic_retriever", "splade-tiny-fp32", {"rows": "random", **MANY}),
    "dsi": ("dsi", "splade-tiny-fp32", MANY),
    "nci": ("nci", "splade-tiny-fp32", MANY),
}
"""The paper of each method, the encoder that it starts from (MiniLM, or one of BERT-tiny's shape, which learns much
faster), and its settings. Clusters are those of MiniLM's vectors."""


def parts(name: str) -> tuple[list[Any], list[Any], list[Any], Any]:
    """Queries to train on, to choose by and to report, and the judgements of all."""
    data = Dataset.open("demo" if name == "cranfield" else DATA / name)
    if name == "cranfield":
        queries = data.queries("test")
        return [], queries[::3], [q for i, q in enumerate(queries) if i % 3], data.qrels("test")
    train, test = data.queries("train"), data.queries("test")
    qrels = {**data.qrels("train"), **data.qrels("test")}
    return [q for i, q in enumerate(train) if i % 5], train[::5], test, qrels


def train(work: Path, name: str, spec: str) -> None:
    """One variant of a method, trained into a folder named after it."""
    from anyrank.models.generative.folder import save
    from anyrank.papers import load
    from anyrank.train.generative import train, untrained

    method, _, text = spec.partition(":")
    paper, model, settings = METHODS[method]
    changed = {k: json.loads(v) for k, v in (pair.split("=") for pair in text.split(",") if pair)}
    plan = load(paper).plan(**{**settings, **SMALL, **changed})
    collection, out = Collection.open(work / f"{name}.index"), work / f"{name}-{spec.replace(':', '-')}"
    learnt, _, _, qrels = parts(name)
    queries = {text_of(q.content): [d for d, grade in qrels[q.id].items() if grade > 0] for q in learnt}
    start, spent = time.perf_counter(), time.process_time()
    if method == "step0":
        save(untrained(plan, collection, model), out)
    else:
        train(plan, collection, model, out, vectors="minilm", queries=queries, overwrite=True)
    times = {"seconds": round(time.perf_counter() - start), "cpu": round(time.process_time() - spent)}
    (out / "bench.json").write_text(json.dumps({"method": method, "start": model, "plan": asdict(plan), **times}))
    print(out, times, flush=True)


def run(pipeline: str, collection: Collection, queries: list[Any]) -> tuple[list[Ranking], float]:
    """The best 100 without texts, and CPU milliseconds a query."""
    stage, start = parse(pipeline, Settings(collection)) % 100, time.process_time()
    rankings = [r for at in range(0, len(queries), 16) for r in stage.run(queries[at : at + 16])]
    spent = (time.process_time() - start) / len(queries) * 1000
    return [Ranking(r.query, tuple(Candidate(c.id, None, c.score) for c in r), r.trace) for r in rankings], spent


def measure(work: Path, name: str, pipelines: dict[str, str], queries: list[Any], qrels: Any) -> Any:
    collection = Collection.open(work / f"{name}.index")
    runs = {label: run(pipeline, collection, queries) for label, pipeline in pipelines.items()}
    judged = {q.id: qrels[q.id] for q in queries}
    result = evaluate({n: r for n, (r, _) in runs.items()}, judged, MEASURES, baseline="bm25", correction="none")
    print(result.table(), flush=True)
    return result, {label: round(ms, 1) for label, (_, ms) in runs.items()}


def trained(work: Path, name: str) -> dict[str, Any]:
    """The variants that were trained, by folder."""
    return {p.parent.name: json.loads(p.read_text()) for p in sorted(work.glob(f"{name}-*/bench.json"))}


def dev(work: Path, name: str) -> dict[str, float]:
    """MRR@10 of every variant on the queries that choose."""
    _, choose, _, qrels = parts(name)
    pipelines = {"bm25": "bm25", "minilm": "minilm"}
    pipelines |= {folder: f'generative("{work / folder}")' for folder in trained(work, name)}
    result, _ = measure(work, name, pipelines, choose, qrels)
    return {label: result.summaries[label]["RR@10"].mean for label in pipelines}


def report(work: Path, name: str, out: Path) -> None:
    """The best variant of each method on the queries that chose nothing."""
    values, variants = dev(work, name), trained(work, name)
    best: dict[str, str] = {}
    for folder, about in variants.items():
        method = about["method"]
        if method not in best or values[folder] > values[best[method]]:
            best[method] = folder
    _, choose, queries, qrels = parts(name)
    pipelines = {"bm25": "bm25", "minilm": "minilm"}
    pipelines |= {method: f'generative("{work / folder}")' for method, folder in best.items()}
    for method in ("over_dense", "nci"):
        if method in best:
            pipelines[f"bm25 + {method}"] = f'bm25 + generative("{work / best[method]}")'
    result, ms = measure(work, name, pipelines, queries, qrels)
    rows: dict[str, Any] = {}
    for label in pipelines:
        rows[label] = {"cpu_ms_a_query": ms[label]}
        for m in MEASURES:
            summary, against = result.summaries[label][m], result.compared(label, m)
            low, high = round(summary.low, 4), round(summary.high, 4)
            rows[label][m] = {"mean": round(summary.mean, 4), "interval": [low, high]}
            if against is not None:
                rows[label][m] |= {"difference": round(against.difference, 4), "p": float(f"{against.p:.2g}")}
    known = json.loads(out.read_text()) if out.exists() else {}
    known[name] = {
        "documents": len(Collection.open(work / f"{name}.index")),
        "queries": {"choose": len(choose), "report": len(queries)},
        "report": rows,
        "dev_mrr10": {k: round(v, 4) for k, v in values.items()},
        "chosen": best,
        "trainings": variants,
    }
    out.write_text(json.dumps(known, indent=1) + "\n")


def pair(work: Path, name: str, out: Path) -> None:
    """What the training of OverDense added: the reported variant against the model before its first step."""
    known = json.loads(out.read_text())
    _, _, queries, qrels = parts(name)
    collection = Collection.open(work / f"{name}.index")
    folders = {method: work / known[name]["chosen"][method] for method in ("step0", "over_dense")}
    runs = {method: run(f'generative("{folder}")', collection, queries)[0] for method, folder in folders.items()}
    judged = {q.id: qrels[q.id] for q in queries}
    result = evaluate(runs, judged, MEASURES, baseline="step0", correction="none")
    rows = {}
    for m in MEASURES:
        means = {method: round(result.mean(method, m), 4) for method in runs}
        if (against := result.compared("over_dense", m)) is not None:
            rows[m] = means | {"difference": round(against.difference, 4), "p": float(f"{against.p:.2g}")}
    print(json.dumps(rows, indent=1))
    known[name]["over_dense against step 0"] = rows
    out.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(message)s")
    logging.getLogger("anyrank.train").setLevel(logging.INFO)
    task, work, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    if task == "train":
        train(work, name, sys.argv[4])
    elif task == "dev":
        dev(work, name)
    elif task == "pair":
        pair(work, name, Path(sys.argv[4]))
    else:
        report(work, name, Path(sys.argv[4]))
