"""Pseudo-relevance feedback over whole collections, in the rows of the papers' tables: MAP, nDCG@10, nDCG@100, R@100,
R@1000 and MRR@10, every pipeline against the one of its family without feedback.

    anyrank index DATA/cranfield -o INDEXES/cranfield.index --encode minilm
    anyrank index INDEXES/cranfield.index --encode splade
    python bench/bench_prf.py DATA INDEXES OUT.json cranfield:test [FAMILY …]

Families: terms, dense, sparse, mixed, text, rerank; and choices-terms, choices-dense, choices-sparse: grids for a
part of the data that no row is reported on. OUT.json is added to: a family that a part has already is not run again.
Values of p are of paired t-tests; "corrected" by Holm's method for the pipelines of a family.
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

MEASURES = ("AP", "nDCG@10", "nDCG@100", "R@100", "R@1000", "RR@10")
BATCH = 64
GRID = [f"rocchio(alpha={a}, beta={round(1 - a, 1)})" for a in (0.4, 0.6, 0.8, 0.9)]
FAMILIES: dict[str, list[str]] = {
    "terms": [
        "bm25",
        "bm25 % 10 >> rm3 >> bm25",
        "bm25 % 3 >> rm3 >> bm25",
        "bm25 % 3 >> rm3(weight=0.8) >> bm25",
        "bm25 % 3 >> bo1 >> bm25",
        "bm25 % 10 >> bo1 >> bm25",
    ],
    "dense": [
        "minilm",
        "minilm % 3 >> average_prf >> minilm",
        "minilm % 5 >> average_prf >> minilm",
        "minilm % 3 >> rocchio >> minilm",
        "minilm % 5 >> rocchio >> minilm",
        "minilm % 3 >> rocchio(alpha=0.8, beta=0.2) >> minilm",
        "minilm % 3 >> rocchio(alpha=0.8, beta=0.2) >> minilm % 3 >> rocchio(alpha=0.8, beta=0.2) >> minilm",
    ],
    "sparse": [
        "splade",
        "splade % 3 >> average_prf >> splade",
        "splade % 3 >> rocchio >> splade",
        "splade % 5 >> rocchio >> splade",
        "splade % 3 >> rocchio(alpha=0.8, beta=0.2) >> splade",
    ],
    "mixed": [
        "bm25 + minilm",
        "(bm25 + minilm) % 3 >> rm3 >> bm25 + minilm",
        "(bm25 + minilm) % 3 >> rocchio(alpha=0.8, beta=0.2) >> bm25 + minilm",
        "(bm25 + minilm) % 3 >> rm3 >> rocchio(alpha=0.8, beta=0.2) >> bm25 + minilm",
    ],
    "text": [
        "minilm",
        "minilm % 3 >> text_feedback >> minilm",
        'minilm % 3 >> text_feedback(how="aggregate") >> minilm',
        'minilm % 3 >> text_feedback(how="aggregate", merge="borda") >> minilm',
        'minilm % 3 >> text_feedback(how="sliding", merge="max") >> minilm',
    ],
    "rerank": [
        "bm25 % 100 >> mini",
        'bm25 % 100 >> mini >> text_prf("mini", k=3)',
        'bm25 % 100 >> mini >> text_prf("mini", k=3, how="aggregate")',
        'bm25 % 100 >> mini >> text_prf("mini", k=3, how="aggregate", merge="max")',
        'bm25 % 100 >> mini >> text_prf("mini", k=3, how="aggregate", merge="borda")',
    ],
    "choices-terms": [
        "bm25",
        *[f"bm25 % {k} >> rm3(weight={w}) >> bm25" for k in (3, 10) for w in (0.5, 0.7, 0.9)],
        *[f"bm25 % 3 >> bo1(fb_terms={n}) >> bm25" for n in (5, 10)],
    ],
    "choices-dense": [
        "minilm",
        *[f"minilm % {k} >> {rule} >> minilm" for k in (3, 5) for rule in GRID],
    ],
    "choices-sparse": [
        "splade",
        *[f"splade % 3 >> {rule} >> splade" for rule in GRID],
    ],
}


def run(pipeline: str, collection: Collection, queries: list[Any]) -> tuple[list[Ranking], float]:
    """The best 1,000 without their texts, and milliseconds a query."""
    stage, start = parse(pipeline, Settings(collection, remember=True)) % 1000, time.perf_counter()
    rankings = []
    for at in range(0, len(queries), BATCH):
        for r in stage.run(queries[at : at + BATCH]):
            bare = tuple(Candidate(i, None, s) for i, s in zip(r.ids, r.scores))
            rankings.append(Ranking(replace(r.query, meta={}), bare))
    return rankings, (time.perf_counter() - start) / len(queries) * 1000


def rows(pipelines: list[str], collection: Collection, queries: list[Any], qrels: Any) -> dict[str, Any]:
    """A row for each pipeline: means, and the difference to the first with its p."""
    runs, ms = {}, {}
    for pipeline in pipelines:
        runs[pipeline], ms[pipeline] = run(pipeline, collection, queries)
    result = evaluate(runs, qrels, MEASURES, baseline=pipelines[0], correction="holm", samples=200)
    print(result.table(), flush=True)
    out: dict[str, Any] = {}
    for pipeline in runs:
        row: dict[str, Any] = {"queries": len(result.queries), "ms_a_query": round(ms[pipeline], 1)}
        for m in MEASURES:
            row[m] = {"mean": round(result.summaries[pipeline][m].mean, 4)}
            if (against := result.compared(pipeline, m)) is not None:
                row[m] |= {
                    "difference": round(against.difference, 4),
                    "p": float(f"{against.p:.2g}"),
                    "corrected": float(f"{against.corrected:.2g}"),
                }
        out[pipeline] = row
    return out


def main(data: str, indexes: str, out: str, part: str, *families: str) -> None:
    file = Path(out)
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    name, split = part.split(":")
    dataset, collection = Dataset.open(Path(data) / name), Collection.open(Path(indexes) / f"{name}.index")
    queries, qrels = list(dataset.queries(split)), dataset.qrels(split)
    known = results.setdefault(part, {})
    for family in families or [f for f in FAMILIES if not f.startswith("choices")]:
        if family not in known:
            print(f"{part} {family}", flush=True)
            known[family] = rows(FAMILIES[family], collection, queries, qrels)
            file.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
