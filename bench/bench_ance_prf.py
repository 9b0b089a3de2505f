"""ANCE-PRF's query encoder, trained here from MiniLM against an index's vectors, small and short.

    anyrank index DATA/scifact -o INDEXES/scifact.index --encode minilm
    python bench/bench_ance_prf.py train DATA INDEXES WORK      # SciFact's training claims, four fifths of them
    python bench/bench_ance_prf.py report DATA INDEXES WORK     # the other fifth; then the test claims, once

The encoder reads a claim with its first abstract, and learns by the softmax over the relevant abstract, some drawn of
MiniLM's first 100 and the texts of the batch's other groups. Rows: MiniLM, Rocchio, the encoder at its start (MiniLM
itself reads the longer text) and trained. Results: bench/results/prf.json, under "ance_prf".
"""

from __future__ import annotations

import json
import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from anyrank.core.types import Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.index.collection import Collection
from anyrank.io.dataset import Dataset
from anyrank.papers import ance_prf
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse
from anyrank.train.negatives import Draw
from anyrank.train.recipe import Data, Optimiser
from anyrank.train.run import train

RESULTS = Path(__file__).parent / "results" / "prf.json"
START = "all-minilm-l6-v2"
K, NEGATIVES, GROUPS, LENGTH, BATCH = 1, 2, 160, 160, 8
MEASURES = ("nDCG@10", "RR@10", "R@100")


def parts(data: Path) -> tuple[Dataset, list[Any], list[Any]]:
    """SciFact, and its training claims to learn and to choose by."""
    dataset = Dataset.open(data / "scifact")
    queries = dataset.queries("train")
    return dataset, [q for i, q in enumerate(queries) if i % 5], queries[::5]


def trained(data: Path, indexes: Path, work: Path) -> None:
    dataset, queries, _ = parts(data)
    collection = Collection.open(indexes / "scifact.index")
    queries = random.Random(0).sample(queries, GROUPS)
    run = parse("minilm % 100", Settings(collection)).run(queries)
    groups = list(ance_prf.groups(run, dataset.qrels("train"), collection, k=K))
    recipe = ance_prf.recipe(str(work / "ance-prf"), (), start=START)
    alike = 1e6  # a temperature at which all negatives are drawn alike
    recipe = replace(
        recipe,
        model=replace(recipe.model, max_length=LENGTH, options={**recipe.model.options, "in_batch": True}),
        data=Data(draw=Draw(negatives=NEGATIVES, start=alike, end=alike), about="SciFact, training claims"),
        optimiser=Optimiser(rate=3e-5, batch=BATCH),
        threads=1,
    )
    start = time.process_time()
    done = train(recipe, train=groups)
    about: dict[str, Any] = {"groups": len(groups), "negatives": NEGATIVES, "batch": BATCH, "max_length": LENGTH}
    about["cpu"] = round(time.process_time() - start)
    about |= {"losses": [round(entry["loss"], 3) for entry in done.log if "loss" in entry]}
    (work / "ance-prf" / "bench.json").write_text(json.dumps(about))
    print(about)


def report(data: Path, indexes: Path, work: Path) -> None:
    dataset, _, choose = parts(data)
    collection = Collection.open(indexes / "scifact.index")
    folder = work / "ance-prf"
    pipelines = {
        "minilm": "minilm % 100",
        "rocchio": f"minilm % {K} >> rocchio(alpha=0.8, beta=0.2) >> minilm % 100",
        "ance_prf at its start": f'minilm % {K} >> ance_prf("minilm") >> minilm % 100',
        "ance_prf": f'minilm % {K} >> ance_prf("{folder}") >> minilm % 100',
    }
    results: dict[str, Any] = {"training": json.loads((folder / "bench.json").read_text())}
    for part, split, queries in (("dev", "train", choose), ("test", "test", dataset.queries("test"))):
        qrels = {q.id: dataset.qrels(split)[q.id] for q in queries if q.id in dataset.qrels(split)}
        runs = {}
        for name, text in pipelines.items():
            rankings = parse(text, Settings(collection)).run([q for q in queries if q.id in qrels])
            runs[name] = [Ranking(replace(r.query, meta={}), r.candidates) for r in rankings]
        result = evaluate(runs, qrels, MEASURES, baseline="minilm")
        print(result.table(), flush=True)
        rows = {name: {m: round(result.mean(name, m), 4) for m in MEASURES} for name in runs}
        for c in result.comparisons:
            rows[c.run][f"{c.measure} p"] = round(c.p, 4)
        results[part] = {"queries": len(qrels), "rows": rows}
    everything = json.loads(RESULTS.read_text())
    everything["ance_prf"] = results
    RESULTS.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    {"train": trained, "report": report}[sys.argv[1]](*map(Path, sys.argv[2:5]))
