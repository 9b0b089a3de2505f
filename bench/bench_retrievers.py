"""Quality of retrievers over whole collections: nDCG@10 and R@100 with 95 % intervals, each against BM25.

    anyrank index DATA/cranfield -o INDEXES/cranfield.index --encode minilm
    python bench/bench_retrievers.py DATA INDEXES OUT.json cranfield:test -- minilm "bm25 + minilm"

DATA is a folder of collections in BEIR's layout, INDEXES one of their indexes, which hold what the pipelines need.
Each part of a collection is named SET:SPLIT. OUT.json is added to: a pipeline that it has already is not run again
unless BM25's own row is missing. p-values are of paired t-tests, one each, without a correction.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from anyrank.core.types import Candidate, Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.index.collection import Collection
from anyrank.io.dataset import Dataset
from anyrank.pipeline.parser import Settings, parse

MEASURES = ("nDCG@10", "R@100")
BATCH = 64


def run(pipeline: str, collection: Collection, queries: list[Any]) -> tuple[list[Ranking], float]:
    """The best 100 without their texts, so that many runs fit in memory, and milliseconds a query."""
    stage, start = parse(pipeline, Settings(collection)) % 100, time.perf_counter()
    rankings = [r for at in range(0, len(queries), BATCH) for r in stage.run(queries[at : at + BATCH])]
    spent = (time.perf_counter() - start) / len(queries) * 1000
    return [replace(r, candidates=tuple(Candidate(c.id, None, c.score) for c in r)) for r in rankings], spent


def measure(data: Path, indexes: Path, part: str, pipelines: list[str]) -> dict[str, Any]:
    """A row for each pipeline that the index can run."""
    name, split = part.split(":")
    dataset, collection = Dataset.open(data / name), Collection.open(indexes / f"{name}.index")
    queries, qrels = list(dataset.queries(split)), dataset.qrels(split)
    runs, ms = {}, {}
    for pipeline in ["bm25", *pipelines]:
        runs[pipeline], ms[pipeline] = run(pipeline, collection, queries)
        print(f"{part} {pipeline}: {ms[pipeline]:.0f} ms a query", flush=True)
    result = evaluate(runs, qrels, MEASURES, baseline="bm25", correction="none")
    print(result.table(), flush=True)
    rows: dict[str, Any] = {}
    for pipeline in runs:
        rows[pipeline] = {"queries": len(result.queries), "ms_a_query": round(ms[pipeline], 1)}
        for m in MEASURES:
            summary, against = result.summaries[pipeline][m], result.compared(pipeline, m)
            rows[pipeline][m] = {
                "mean": round(summary.mean, 4),
                "interval": [round(summary.low, 4), round(summary.high, 4)],
            }
            if against is not None:
                rows[pipeline][m] |= {"difference": round(against.difference, 4), "p": float(f"{against.p:.2g}")}
    return rows


def main(data: str, indexes: str, out: str, *rest: str) -> None:
    at = rest.index("--")
    file = Path(out)
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for part in rest[:at]:
        known = results.setdefault(part, {})
        if new := [p for p in rest[at + 1 :] if p not in known]:
            known.update(measure(Path(data), Path(indexes), part, new))
            file.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    if "--" not in sys.argv or len(sys.argv) < 7:
        sys.exit(__doc__)
    main(*sys.argv[1:])
