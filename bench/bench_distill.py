"""The cost of ``anyrank distill --corpus``: encodings with and without remembered vectors.

    python bench/bench_distill.py COLLECTION [--queries N]

COLLECTION is a BEIR folder or "demo". Candidates are BM25's best 50, the teacher is splade + minilm. Prints, as a line
of JSON, the candidates, how many of them are distinct, and for the first N queries the CPU seconds of both ways.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time

from anyrank.core.types import Ranking
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.io.dataset import Dataset
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse

BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("collection")
    parser.add_argument("--queries", type=int, default=0, help="queries that are timed (0: none)")
    parser.add_argument("--split", default=None)
    options = parser.parse_args()
    dataset = Dataset.open(options.collection)
    split = dataset.chosen(options.split) if dataset.splits() else None
    rankings = [Ranking(q) for q in dataset.queries(split)]
    with tempfile.TemporaryDirectory() as folder:
        build(dataset.documents(), f"{folder}/index")
        collection = Collection.open(f"{folder}/index")
        found = parse("bm25 % 50", Settings(collection)).batch(rankings)
        ids = [c.id for r in found for c in r]
        row = {"collection": dataset.name, "documents": len(collection), "queries": len(found)}
        row |= {"candidates": len(ids), "distinct": len(set(ids))}
        for name, remember in (("anew", False), ("remembered", True)) if options.queries else ():
            teacher = parse("splade + minilm", Settings(collection, remember=remember), starts=False)
            teacher.batch(found[:1])  # the models are opened
            start = time.process_time()
            for at in range(0, options.queries, BATCH):
                teacher.batch(found[at : at + BATCH])
            row[f"cpu_s_{name}"] = round(time.process_time() - start, 1)
    print(json.dumps(row))


if __name__ == "__main__":
    main()
