"""multilingual-e5-small (`anyrank models get e5-small`) beside the shipped MiniLM and BM25.

    python bench/bench_e5.py DATA MODEL … > bench/results/e5.json

DATA is a folder with scifact/, nfcorpus/, dl-candidates/, clir-patapsco/; each MODEL is a name or a folder. Parts on
which choices may be made alone: SciFact's train part, NFCorpus' dev part; DL19's given BM25 candidates reranked. Chinese
news: titles as queries, each of which should find its own text (998 texts without titles).
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.hub.open import open_model
from anyrank.io.corpus import read_documents, read_queries
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import read_qrels
from anyrank.io.runs import attach, read_run
from anyrank.judges.similarity import Similarity


def whole(model: Any, data: Dataset, split: str) -> dict[str, Any]:
    """nDCG@10 of a whole collection ranked by cosine, and texts a second."""
    docs = list(data.documents())
    start = time.perf_counter()
    vectors = model.encode(
        [d.content if d.meta.get("title") is None else f"{d.meta['title']} {d.content}" for d in docs]
    )
    speed = len(docs) / (time.perf_counter() - start)
    queries = list(data.queries(split))
    asked = model.encode([q.content for q in queries], query=True).vectors.filled()
    scores = asked @ vectors.vectors.filled().T
    run = [_ranking(q, docs, row) for q, row in zip(queries, scores)]
    result = evaluate({"model": run}, data.qrels(split), ["nDCG@10", "R@100"])
    return {
        "nDCG@10": round(result.mean("model", "nDCG@10"), 4),
        "R@100": round(result.mean("model", "R@100"), 4),
        "texts/s": round(speed, 1),
    }


def _ranking(query: Any, docs: Any, scores: Any) -> Ranking:
    best = np.argsort(-scores, kind="stable")[:100]
    return Ranking(query, tuple(Candidate(docs[i].id, None, float(scores[i])) for i in best))


def dl19(model: Any, folder: Path) -> dict[str, Any]:
    starts = attach(
        read_run(folder / "runs/dl19.BM25.top100.trec"),
        read_queries(folder / "dl19.queries.tsv"),
        read_documents(folder / "dl19.passages.jsonl.gz"),
    )
    start = time.perf_counter()
    run = Rerank(Similarity(model)).batch(starts)
    seconds = time.perf_counter() - start
    result = evaluate({"model": run}, read_qrels(folder / "qrels/dl19-passage.qrels"), ["nDCG@10"])
    return {"nDCG@10": round(result.mean("model", "nDCG@10"), 4), "seconds": round(seconds, 1)}


def news(model: Any, folder: Path) -> dict[str, Any]:
    """Titles of Chinese news, each to find its own text: MRR@10."""
    with gzip.open(folder / "cc-news-zho-1000.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [r for r in map(json.loads, lines) if r["title"] and r["text"]]
    texts = model.encode([r["text"] for r in rows]).vectors.filled()
    titles = model.encode([r["title"] for r in rows], query=True).vectors.filled()
    scores = titles @ texts.T
    ranks = (scores > np.diag(scores)[:, None]).sum(1) + 1
    return {"MRR@10": round(float(np.where(ranks <= 10, 1 / ranks, 0).mean()), 4), "texts": len(rows)}


def main(data: Path, models: list[str]) -> None:
    results: dict[str, Any] = {}
    for name in models:
        model = open_model(name, max_length=256)
        results[name] = {"dl19 bm25-top100": dl19(model, data / "dl-candidates")}
        print(name, results[name], file=sys.stderr, flush=True)
        results[name]["scifact train"] = whole(model, Dataset.open(data / "scifact"), "train")
        print(name, results[name], file=sys.stderr, flush=True)
        results[name]["nfcorpus dev"] = whole(model, Dataset.open(data / "nfcorpus"), "dev")
        results[name]["cc-news-zho"] = news(model, data / "clir-patapsco")
        print(name, results[name], file=sys.stderr, flush=True)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
