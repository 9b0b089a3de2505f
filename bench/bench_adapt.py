"""What `anyrank adapt` gains over the shipped default, without labels, and whether it does harm.

    python bench/bench_adapt.py DATA WORK [--collections scifact,…] [--seeds 0,1,2] [--minutes 4] [--queries 100]
        [--groups N --lists N]      # in place of what the minutes allow, which depends on what else the machine does
        [--model llamacpp:smollm2-135m-instruct [--least-found .6]]

DATA holds collections as BEIR folders, WORK keeps indexes and adaptations between runs. Queries are written by rules,
or by a language model; the collections' judgements are read only to measure the result, on at most so many test
queries, over BM25's best 50. Each collection, seed and model is a row of bench/results/adapt.json, and is not measured
again while it is there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anyrank.cli.adapt import adapt
from anyrank.core.types import Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.index.collection import Collection
from anyrank.io.dataset import Dataset
from anyrank.pipeline.parser import Settings, parse
from anyrank.synth.harm import difference
from anyrank.synth.lists import part_of

RESULTS = Path(__file__).parent / "results" / "adapt.json"
COLLECTIONS = ("cranfield", "vaswani", "cosqa", "scifact", "nfcorpus")
DEPTH = 50


def indexed(data: Path, work: Path, name: str) -> Path:
    folder = work / f"{name}.index"
    if not (folder / "manifest.json").is_file():
        subprocess.run(
            [sys.executable, "-m", "anyrank", "index", str(data / name), "-o", str(folder), "--overwrite"], check=True
        )
    return folder


def measured(index: Path, dataset: Dataset, pipelines: dict[str, str], most: int) -> dict[str, list[float]]:
    """nDCG@10 of pipelines by query, over the same queries."""
    split = "dev" if "test" not in dataset.splits() else "test"
    qrels = dataset.qrels(split)
    queries = sorted(dataset.queries(split), key=lambda q: part_of(q.id))[:most]
    settings = Settings(Collection.open(index), remember=True)
    runs = {name: parse(p, settings).batch([Ranking(q) for q in queries]) for name, p in pipelines.items()}
    result = evaluate(runs, {q.id: qrels[q.id] for q in queries}, ["nDCG@10"], test="none")
    return {name: list(result.values[name]["nDCG@10"]) for name in pipelines}


def row(data: Path, work: Path, name: str, seed: int, most: int, **plan: Any) -> dict[str, Any]:
    index, out = indexed(data, work, name), work / "-".join([name, str(seed), *(["model"] if "model" in plan else [])])
    begin = time.process_time()
    outcome = adapt(index, out, seed=seed, resume=True, **plan)
    seconds = time.process_time() - begin
    found = f"bm25 % {DEPTH}"
    pipelines = {"bm25": found, "start": f"{found} >> mini"}
    pipelines["result"] = outcome.pipeline.replace("bm25 % 100", found)
    values = measured(index, Dataset.open(data / name), pipelines, most)
    gain = difference(values["start"], values["result"])
    means = {n: round(sum(v) / len(v), 4) for n, v in values.items()}
    shown = {n: f"{d}" for n, d in outcome.differences.items()}
    return {
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "pipeline": outcome.pipeline.replace(str(work), "WORK"),
        "weights": dict(outcome.weights),
        "share": outcome.share,
        "counts": dict(outcome.counts),
        "held out": shown,
        "nDCG@10": means,
        "difference": {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(gain).items()},
        "cpu_s": round(seconds),
        "plan": plan,
        "depth": DEPTH,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--collections", default=",".join(COLLECTIONS))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--groups", type=int)
    parser.add_argument("--lists", type=int)
    parser.add_argument("--model")
    parser.add_argument("--least-found", type=float)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    plan = {"minutes": args.minutes, "groups": args.groups, "lists": args.lists}
    if args.model:
        plan["model"] = args.model
    if args.least_found is not None:
        plan["least_found"] = args.least_found
    for seed in map(int, args.seeds.split(",")):
        for name in args.collections.split(","):
            results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            key = f"{name}, seed {seed}" + (f", {args.model}" if args.model else "")
            if key in results:
                continue
            results[key] = row(args.data, args.work, name, seed, args.queries, **plan)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
            print(key, json.dumps(results[key]), flush=True)


if __name__ == "__main__":
    main()
