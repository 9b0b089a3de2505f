"""Do cut-offs keep their promises on queries that were never seen, and how much do they keep? 300 splits a collection.

    python bench/bench_cutoffs.py pools DATA WORK [NAME …]   # bm25 % 100 >> mini (or tiny), once, into WORK
    python bench/bench_cutoffs.py splits WORK OUT.json       # the measurements, of what WORK holds

Every split draws 100 calibration queries (half of them where there are fewer than 200) with a relevant document among
the candidates; the others are judged. "rank" keeps the best k for all queries alike, k chosen by the same conformal
risk control; "score" and "within" go by the raw score and by the score within the pool alone; "joint" is what
`keep(recall=…)` does. Missed: the mean share of a query's relevant candidates that are cut.

SciFact's claims put to Vaswani (electronics) have no answer there: the share that `keep(any=…)` answers all the same.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.cutoffs.calibration import Calibration
from anyrank.cutoffs.features import features
from anyrank.cutoffs.risk import Pool, curve
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.io.dataset import Dataset
from anyrank.pipeline.parser import Settings, parse

MINI, TINY = "bm25 % 100 >> mini", "bm25 % 100 >> tiny"
POOLS = {
    "cranfield": (MINI, "demo", "demo", ["test"]),
    "nfcorpus": (TINY, "nfcorpus", "nfcorpus", ["dev"]),
    "scifact": (TINY, "scifact", "scifact", ["train", "test"]),
    "scifact-on-vaswani": (TINY, "vaswani", "scifact", ["test"]),
}
"""Name: the pipeline, the collection that is searched, that of the queries, and the parts of the queries."""
SPLITS, ALPHA, JUDGED = 300, 0.1, 150
"""Splits, the loss that is promised, and the unseen queries that are judged in each split at most."""


def pools(data: Path, work: Path, names: Sequence[str]) -> None:
    """The scores of the pipeline for every query, and the judgements, as JSON."""
    work.mkdir(parents=True, exist_ok=True)
    for name in names or POOLS:
        pipeline, searched, asked, parts = POOLS[name]
        out = work / f"{name}.json"
        if out.exists():
            continue
        start = time.process_time()
        corpus, topics = (Dataset.open(n if n == "demo" else data / n) for n in (searched, asked))
        folder = work / f"{searched}.index"
        collection = Collection.open(folder) if folder.exists() else build(corpus.documents(), str(folder))
        stage = parse(pipeline, Settings(collection))
        queries = {q.id: q for part in parts for q in topics.queries(part)}
        rankings = stage.batch([Ranking(q) for q in queries.values()])
        qrels = {id: grades for part in parts for id, grades in topics.qrels(part).items()}
        rows = [
            {
                "query": r.query.id,
                "ids": r.ids,
                "scores": r.scores,
                "relevant": [id for id, grade in qrels[r.query.id].items() if grade > 0],
                "part": next(part for part in parts if r.query.id in topics.qrels(part)),
            }
            for r in rankings
        ]
        out.write_text(json.dumps(rows))
        print(name, len(rows), "queries", round(time.process_time() - start), "CPU seconds", flush=True)


def read(work: Path, name: str) -> tuple[list[Ranking], dict[str, dict[str, int]], dict[str, str]]:
    rows = json.loads((work / f"{name}.json").read_text())
    rankings = [
        Ranking(Query(r["query"]), tuple(Candidate(i, "", s) for i, s in zip(r["ids"], r["scores"]))) for r in rows
    ]
    return rankings, {r["query"]: dict.fromkeys(r["relevant"], 1) for r in rows}, {r["query"]: r["part"] for r in rows}


Value = Callable[[Ranking], Any]
SINGLE: Mapping[str, Value] = {
    "rank": lambda r: features(r.scores)[:, 2],
    "score": lambda r: features(r.scores)[:, 0],
    "within": lambda r: features(r.scores)[:, 1],
}


def kept_and_missed(values: Any, threshold: float, relevant: Any) -> tuple[float, float]:
    kept = values >= threshold
    return float(kept.sum()), 1 - float(relevant[kept].sum() / relevant.sum())


def recall_splits(rankings: Sequence[Ranking], qrels: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    marks = {r.query.id: np.array([float(i in qrels[r.query.id]) for i in r.ids]) for r in rankings}
    useful = [r for r in rankings if marks[r.query.id].any()]
    single = {name: {r.query.id: value(r) for r in useful} for name, value in SINGLE.items()}
    draw, n = np.random.default_rng(0), min(100, len(useful) // 2)
    out: dict[str, list[tuple[float, float]]] = {name: [] for name in (*SINGLE, "joint")}
    for _ in range(SPLITS):
        order = draw.permutation(len(useful))
        seen, unseen = [useful[i] for i in order[:n]], [useful[i] for i in order[n : n + JUDGED]]
        for name, known in single.items():
            losses = curve("recall", [Pool(known[r.query.id], marks[r.query.id]) for r in seen], steps=2_000)
            threshold = losses.controlled(ALPHA)
            least = -math.inf if threshold is None else threshold
            pairs = [kept_and_missed(known[r.query.id], least, marks[r.query.id]) for r in unseen]
            out[name].append(tuple(np.mean(pairs, axis=0).tolist()))
        made = Calibration.of(seen, qrels, MINI, "", alpha=ALPHA)
        threshold = made.threshold("recall", 1 - ALPHA)
        pairs = [kept_and_missed(made.probabilities(r.scores), threshold, marks[r.query.id]) for r in unseen]
        out["joint"].append(tuple(np.mean(pairs, axis=0).tolist()))
    rows = {name: summary(values) for name, values in out.items()}
    return {"queries": len(useful), "calibration": n, "pool": mean_size(useful), **rows}


def summary(values: Sequence[tuple[float, float]]) -> dict[str, float]:
    kept, missed = np.array(values).T
    error = float(missed.std(ddof=1) / math.sqrt(len(missed)))
    return {
        "kept": round(float(kept.mean()), 2),
        "missed": round(float(missed.mean()), 4),
        "standard error of missed": round(error, 5),
        "share of splits above 0.13": round(float((missed > 0.13).mean()), 3),
    }


def mean_size(rankings: Sequence[Ranking]) -> float:
    return round(float(np.mean([len(r) for r in rankings])), 1)


def other_promises(rankings: Sequence[Ranking], qrels: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Precision .5 and any .9 over 30 splits: what was promised and what came."""
    draw, out = np.random.default_rng(1), {}
    useful = [r for r in rankings if set(r.ids) & set(qrels[r.query.id])]
    n = min(100, len(useful) // 2)
    for kind, level in (("any", 0.9), ("precision", 0.5)):
        losses, kept, refused = [], [], 0
        for _ in range(30):
            order = draw.permutation(len(useful))
            made = Calibration.of([useful[i] for i in order[:n]], qrels, MINI, "")
            try:
                threshold = made.threshold(kind, level)  # type: ignore[arg-type]
            except InputError:
                refused += 1
                continue
            mine, sizes = [], []
            for i in order[n : n + JUDGED]:
                values = made.values(kind, useful[i].scores)  # type: ignore[arg-type]
                ids = [d for d, v in zip(useful[i].ids, values) if v >= threshold]
                hits = sum(d in qrels[useful[i].query.id] for d in ids)
                mine.append((1 - hits / len(ids) if ids else 0.0) if kind == "precision" else float(not hits))
                sizes.append(len(ids))
            losses.append(float(np.mean(mine)))
            kept.append(float(np.mean(sizes)))
        held = {} if not losses else {"loss": round(float(np.mean(losses)), 4), "kept": round(float(np.mean(kept)), 2)}
        out[f"{kind}={level}"] = {"promised loss": round(1 - level, 3), "refused splits of 30": refused, **held}
    return out


def nothing(work: Path) -> dict[str, Any]:
    """SciFact's test claims: their own collection, and Vaswani. Calibrated on train claims."""
    rankings, qrels, parts = read(work, "scifact")
    foreign, _, _ = read(work, "scifact-on-vaswani")
    train = [r for r in rankings if parts[r.query.id] == "train"]
    test = [r for r in rankings if parts[r.query.id] == "test" and set(r.ids) & set(qrels[r.query.id])]
    made = Calibration.of(train, qrels, MINI, "")
    out: dict[str, Any] = {"calibration": made.queries, "own claims": len(test), "foreign claims": len(foreign)}
    for level in (0.95, 0.9, 0.85):
        threshold = made.threshold("any", level)

        def kept(r: Ranking, threshold: float = threshold) -> set[str]:
            return {i for i, v in zip(r.ids, made.values("any", r.scores)) if v >= threshold}

        out[f"any={level}"] = {
            "own claims with a relevant document kept": round(
                float(np.mean([bool(kept(r) & set(qrels[r.query.id])) for r in test])), 4
            ),
            "foreign claims answered": round(float(np.mean([bool(kept(r)) for r in foreign])), 4),
        }
    return out


def calibration_errors(rankings: Sequence[Ranking], qrels: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """ECE by method on queries unseen by the regression."""
    return {
        method: round(Calibration.of(rankings, qrels, MINI, "", method=method).reliability.ece, 5)  # type: ignore[arg-type]
        for method in ("platt", "temperature", "isotonic")
    }


def splits(work: Path, out: Path) -> None:
    results: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
    for name in ("cranfield", "nfcorpus", "scifact"):
        if not (work / f"{name}.json").exists() or name in results:
            continue
        start = time.process_time()
        rankings, qrels, _ = read(work, name)
        results[name] = {
            "pipeline": POOLS[name][0],
            "alpha": ALPHA,
            "splits": SPLITS,
            "recall": recall_splits(rankings, qrels),
            "others": other_promises(rankings, qrels),
            "cpu seconds": round(time.process_time() - start),
        }
        out.write_text(json.dumps(results, indent=1) + "\n")
        print(name, json.dumps(results[name]), flush=True)
    for name in results.keys() & {"cranfield", "nfcorpus", "scifact"}:
        rankings, qrels, _ = read(work, name)
        results[name]["ece"] = calibration_errors(rankings, qrels)
    if all((work / f"{name}.json").exists() for name in ("scifact", "scifact-on-vaswani")):
        results["nothing relevant"] = nothing(work)
        print(json.dumps(results["nothing relevant"]), flush=True)
    out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "pools":
        pools(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
    else:
        splits(Path(sys.argv[2]), Path(sys.argv[3]))
