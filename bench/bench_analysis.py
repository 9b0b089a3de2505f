"""Editions of text analysis, measured: quality, speed and size of the lexical index.

    python bench/bench_analysis.py DATA       # writes bench/results/analysis.json

nDCG@10 of BM25 by the first and the present edition; documents a second while building and megabytes of the engine's
files, without and with stop words beside (``common``). Known items, where there are few judgements: titles of 998
Chinese news, each to find its own text; CoSQA's queries to find their function, as English text and as code.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyrank.index.build as builder
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.io.dataset import Dataset
from anyrank.retrieve.stages import BM25

PARTS = (("scifact", "train"), ("scifact", "test"), ("nfcorpus", "dev"), ("cranfield", "test"), ("vaswani", "test"))


def built(docs: list[Candidate], folder: Path, edition: int, **options: Any) -> tuple[Any, dict[str, Any]]:
    builder.EDITION = edition
    start = time.perf_counter()
    collection = builder.build(docs, folder, **options)
    seconds = time.perf_counter() - start
    size = sum(f.stat().st_size for f in (folder / "lexical").iterdir())
    return collection, {"documents/s": round(len(docs) / seconds), "engine MB": round(size / 1e6, 2)}


def quality(collection: Any, queries: list[Query], qrels: Any, measure: str) -> float:
    run = BM25(collection, 100).batch([Ranking(q) for q in queries])
    return round(evaluate({"bm25": run}, qrels, [measure]).mean("bm25", measure), 4)


def main(data: Path) -> None:
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number, (name, split) in enumerate(PARTS):
            dataset = Dataset.open(data / name)
            docs, queries, qrels = list(dataset.documents()), list(dataset.queries(split)), dataset.qrels(split)
            row: dict[str, Any] = {}
            for edition in (1, 2):
                collection, cost = built(docs, Path(scratch) / f"{number}-{edition}", edition)
                row[f"edition {edition}"] = {"nDCG@10": quality(collection, queries, qrels, "nDCG@10"), **cost}
            results[f"{name} {split}"] = row
            print(name, split, row, flush=True)
        with gzip.open(data / "clir-patapsco/cc-news-zho-1000.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = [r for r in map(json.loads, lines) if r["title"] and r["text"]]
        docs = [Candidate(r["id"], r["text"]) for r in rows]
        queries = [Query(r["id"], r["title"]) for r in rows]
        qrels = {r["id"]: {r["id"]: 1} for r in rows}
        news: dict[str, Any] = {}
        for edition, language in ((1, "english"), (1, "chinese"), (2, "english"), (2, "chinese")):
            collection, cost = built(docs, Path(scratch) / f"zh-{edition}-{language}", edition, language=language)
            news[f"{language}, edition {edition}"] = {"RR@10": quality(collection, queries, qrels, "RR@10"), **cost}
        results["cc-news-zho"] = news
        print(news, flush=True)
        dataset = Dataset.open(data / "cosqa")
        docs, queries, qrels = list(dataset.documents()), list(dataset.queries("dev")), dataset.qrels("dev")
        code: dict[str, Any] = {}
        for edition, language in ((1, "english"), (2, "english"), (2, "code")):
            collection, cost = built(docs, Path(scratch) / f"cosqa-{edition}-{language}", edition, language=language)
            code[f"{language}, edition {edition}"] = {"RR@10": quality(collection, queries, qrels, "RR@10"), **cost}
        results["cosqa dev"] = code
        print(code, flush=True)
    out = Path(__file__).parent / "results" / "analysis.json"
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
