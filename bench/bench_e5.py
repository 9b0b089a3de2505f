"""multilingual-e5-small (`anyrank models get e5-small`) beside the shipped MiniLM and BM25.

    python bench/bench_e5.py DATA MODEL … > bench/results/e5.json

DATA is a folder with scifact/, nfcorpus/, dl-candidates/, clir-patapsco/; each MODEL is a name or a folder. Texts are
cut at 256 tokens. BM25's best 20 reranked for 100 queries of SciFact's train and NFCorpus' dev part, on which choices
may be made, and DL19's given BM25 candidates. Chinese news: 300 titles, each to find its own text. Chinese, Russian and
Persian: two queries over 20 translated documents, too few for more than a sign of life.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.io.corpus import read_documents, read_queries
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import read_qrels
from anyrank.io.runs import attach, read_run
from anyrank.judges.similarity import Similarity
from anyrank.retrieve.stages import BM25

TEXTS = 300
"""News that are looked through."""


def reranked(model: Any, data: Dataset, split: str, folder: Path) -> dict[str, Any]:
    """nDCG@10 of BM25's best 20 reranked by cosine, of the first 100 queries, and BM25's own."""
    collection = build(data.documents(), folder)
    queries = [Ranking(q) for q in islice(data.queries(split), 100)]
    starts = BM25(collection, 20).batch(queries)
    judged = data.qrels(split)
    qrels = {r.query.id: judged[r.query.id] for r in starts}
    start = time.perf_counter()
    run = Rerank(Similarity(model)).batch(starts)
    seconds = time.perf_counter() - start
    result = evaluate({"model": run, "bm25": starts}, qrels, ["nDCG@10"])
    return {
        "nDCG@10": round(result.mean("model", "nDCG@10"), 4),
        "of bm25": round(result.mean("bm25", "nDCG@10"), 4),
        "seconds": round(seconds, 1),
    }


def mini(model: Any, folder: Path, language: str) -> dict[str, Any]:
    """Queries in a language over the 20 translated documents of it: mean average precision of two queries, of the model
    and of BM25 with that language's analysis."""
    with gzip.open(folder / f"{language}_mini_docs.jsonl.gz", "rt", encoding="utf-8") as lines:
        docs = [Candidate(r["id"], f"{r['title']} {r['text']}") for r in map(json.loads, lines)]
    queries = []
    for line in (folder / "eng_mini_topics.jsonl").read_text("utf-8").splitlines():
        topic = json.loads(line)
        text = next(t for t in topic["topics"] if t["lang"] == language)
        queries.append(Query(topic["topic_id"], f"{text['topic_title']} {text['topic_description']}"))
    qrels = read_qrels(folder / "eng_mini_qrels")
    with tempfile.TemporaryDirectory() as scratch:
        bm25 = BM25(build(docs, Path(scratch) / "x", language=language), 20).batch([Ranking(q) for q in queries])
    run = Rerank(Similarity(model)).batch([Ranking(q, tuple(docs)) for q in queries])
    result = evaluate({"model": run, "bm25": bm25}, qrels, ["AP"])
    return {"AP": round(result.mean("model", "AP"), 4), "of bm25": round(result.mean("bm25", "AP"), 4)}


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
        rows = [r for r in map(json.loads, lines) if r["title"] and r["text"]][:TEXTS]
    texts = model.encode([r["text"] for r in rows]).vectors.filled()
    titles = model.encode([r["title"] for r in rows], query=True).vectors.filled()
    scores = titles @ texts.T
    ranks = (scores > np.diag(scores)[:, None]).sum(1) + 1
    return {"MRR@10": round(float(np.where(ranks <= 10, 1 / ranks, 0).mean()), 4), "texts": len(rows)}


def main(data: Path, models: list[str]) -> None:
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for n, name in enumerate(models):
            model = open_model(name, max_length=256)
            row = results[name] = {}
            for language in ("zho", "rus", "fas"):
                row[f"clir mini {language}"] = mini(model, data / "clir-patapsco", language)
            row["cc-news-zho"] = news(model, data / "clir-patapsco")
            print(name, row, file=sys.stderr, flush=True)
            for part, split in (("scifact", "train"), ("nfcorpus", "dev")):
                folder = Path(scratch) / f"{part}-{n}"
                row[f"{part} {split}"] = reranked(model, Dataset.open(data / part), split, folder)
                print(name, row, file=sys.stderr, flush=True)
            row["dl19 bm25-top100"] = dl19(model, data / "dl-candidates")
            print(name, row, file=sys.stderr, flush=True)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
