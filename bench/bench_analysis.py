"""Editions of text analysis, measured: quality, speed and size of the lexical index.

    python bench/bench_analysis.py DATA [PART …]      # all parts, or these; writes bench/results/analysis.json

nDCG@10 of BM25 by the first and the present edition; documents a second of processor time while building, megabytes of
the engine's files and of the whole index: the second edition's has stop words beside (``common``). Known items, where
there are few judgements: titles of 998 Chinese news, each to find its own text; CoSQA's queries to find their function,
as English text and as code.
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
    start = time.process_time()
    collection = builder.build(docs, folder, **options)
    seconds = time.process_time() - start
    size = sum(f.stat().st_size for f in (folder / "lexical").iterdir())
    whole = size + sum(f.stat().st_size for f in folder.iterdir() if f.is_file())
    return collection, {
        "documents/CPU s": round(len(docs) / seconds),
        "engine MB": round(size / 1e6, 2),
        "MB": round(whole / 1e6, 2),
    }


def quality(collection: Any, queries: list[Query], qrels: Any, measure: str) -> float:
    run = BM25(collection, 100).batch([Ranking(q) for q in queries])
    return round(evaluate({"bm25": run}, qrels, [measure]).mean("bm25", measure), 4)


def judged(data: Path, name: str, split: str, scratch: Path) -> dict[str, Any]:
    dataset = Dataset.open(data / name)
    docs, queries, qrels = list(dataset.documents()), list(dataset.queries(split)), dataset.qrels(split)
    row: dict[str, Any] = {}
    for edition in (1, 2):
        collection, cost = built(docs, scratch / f"{name}-{split}-{edition}", edition)
        row[f"edition {edition}"] = {"nDCG@10": quality(collection, queries, qrels, "nDCG@10"), **cost}
    return row


def news(data: Path, scratch: Path) -> dict[str, Any]:
    with gzip.open(data / "clir-patapsco/cc-news-zho-1000.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [r for r in map(json.loads, lines) if r["title"] and r["text"]]
    docs = [Candidate(r["id"], r["text"]) for r in rows]
    queries = [Query(r["id"], r["title"]) for r in rows]
    qrels = {r["id"]: {r["id"]: 1} for r in rows}
    out: dict[str, Any] = {}
    for edition, language in ((1, "english"), (1, "chinese"), (2, "english"), (2, "chinese")):
        collection, cost = built(docs, scratch / f"zh-{edition}-{language}", edition, language=language)
        out[f"{language}, edition {edition}"] = {"RR@10": quality(collection, queries, qrels, "RR@10"), **cost}
    return out


def patapsco(data: Path, scratch: Path) -> dict[str, Any]:
    """Twenty news in three languages, with their own analysis, the English one, and none: two queries that are judged
    (nDCG@10), and the titles, each to find its own text (RR@10)."""
    folder, out = data / "clir-patapsco", dict[str, Any]()
    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "eng_mini_qrels").read_text("utf-8").splitlines():
        query, _, doc, grade = line.split()
        qrels.setdefault(query, {})[doc] = int(grade)
    topics = [json.loads(line) for line in (folder / "eng_mini_topics.jsonl").read_text("utf-8").splitlines()]
    for code, own in (("fas", "persian"), ("rus", "russian"), ("zho", "chinese")):
        with gzip.open(folder / f"{code}_mini_docs.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = list(map(json.loads, lines))
        docs, titles = [Candidate(r["id"], r["text"]) for r in rows], [Query(r["id"], r["title"]) for r in rows]
        queries = [
            Query(t["topic_id"], next(x["topic_title"] for x in t["topics"] if x["lang"] == code)) for t in topics
        ]
        for language in (own, "english", "none"):
            collection, _ = built(docs, scratch / f"{code}-{language}", 2, language=language)
            out[f"{code}, {language}"] = {
                "nDCG@10 of 2 queries": quality(collection, queries, qrels, "nDCG@10"),
                "RR@10 of 20 titles": quality(collection, titles, {r["id"]: {r["id"]: 1} for r in rows}, "RR@10"),
            }
    return out


def code(data: Path, scratch: Path) -> dict[str, Any]:
    dataset = Dataset.open(data / "cosqa")
    docs, queries, qrels = list(dataset.documents()), list(dataset.queries("dev")), dataset.qrels("dev")
    out: dict[str, Any] = {}
    for edition, language in ((1, "english"), (2, "english"), (2, "code")):
        collection, cost = built(docs, scratch / f"cosqa-{edition}-{language}", edition, language=language)
        out[f"{language}, edition {edition}"] = {"RR@10": quality(collection, queries, qrels, "RR@10"), **cost}
    return out


def main(data: Path, parts: list[str]) -> None:
    out = Path(__file__).parent / "results" / "analysis.json"
    results: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, split in PARTS:
            if not parts or name in parts:
                results[f"{name} {split}"] = judged(data, name, split, Path(scratch))
        for name, measure in (("cc-news-zho", news), ("clir-patapsco", patapsco), ("cosqa", code)):
            if not parts or name in parts:
                results[name] = measure(data, Path(scratch))
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
