"""doc2query with a small model: BM25 before and after, on a hard part of a collection.

    python bench/bench_doc2query.py part DATA/scifact WORK           # 40 test claims: abstracts, and BM25's best others
    anyrank expand WORK/part.jsonl -o WORK/expanded.jsonl --model hf:smollm2-135m-instruct --queries 2 --resume
    python bench/bench_doc2query.py report DATA/scifact WORK

``part``: the relevant texts of the first queries, and for each the three that BM25 ranks best of those that aren't
relevant for any: what an expansion has to tell apart. ``report``: BM25 over the part as it is, and with the queries.
Results: bench/results/doc2query.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from anyrank.evaluate.evaluation import evaluate
from anyrank.index.build import build
from anyrank.io.corpus import read_documents
from anyrank.io.dataset import Dataset
from anyrank.io.records import write_jsonl
from anyrank.pipeline.parser import Settings, parse

RESULTS = Path(__file__).parent / "results" / "doc2query.json"
QUERIES, OTHERS = 40, 3
MEASURES = ("nDCG@10", "RR@10", "R@1")


def part(data: Path, work: Path) -> None:
    """Write the part, as a file of documents."""
    dataset = Dataset.open(data)
    documents = {d.id: d for d in dataset.documents()}
    queries, qrels = dataset.queries("test")[:QUERIES], dataset.qrels("test")
    relevant = {i for q in queries for i, grade in qrels[q.id].items() if grade > 0}
    with tempfile.TemporaryDirectory() as scratch:
        collection = build(documents.values(), Path(scratch) / "index")
        chosen = dict.fromkeys(sorted(relevant))
        for ranking in parse("bm25 % 20", Settings(collection)).run(queries):
            chosen |= dict.fromkeys([i for i in ranking.ids if i not in relevant][:OTHERS])
    write_jsonl(work / "part.jsonl", [{"_id": i, "text": str(documents[i].content)} for i in chosen])
    print(len(chosen), "documents")


def report(data: Path, work: Path) -> None:
    """BM25 over the part before and after."""
    dataset = Dataset.open(data)
    queries, qrels = dataset.queries("test")[:QUERIES], dataset.qrels("test")
    runs = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, file in (("bm25", "part"), ("bm25, expanded", "expanded")):
            collection = build(read_documents(str(work / f"{file}.jsonl")), Path(scratch) / file)
            runs[name] = parse("bm25 % 100", Settings(collection)).run(queries)
    result = evaluate(runs, {q.id: qrels[q.id] for q in queries}, MEASURES, baseline="bm25")
    print(result.table())
    rows = {name: {m: round(result.mean(name, m), 4) for m in MEASURES} for name in runs}
    for c in result.comparisons:
        rows[c.run][f"{c.measure} p"] = round(c.p, 4)
    RESULTS.write_text(json.dumps({"queries": len(queries), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    {"part": part, "report": report}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
