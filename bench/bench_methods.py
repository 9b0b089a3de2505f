"""Every language-model method over TREC DL19's BM25 top-k with one small model: quality, calls, tokens, seconds.

    python bench/bench_methods.py DATA [--model smollm2-135m-instruct] [--depth 20] [--queries 10] [--only "first;icr"]

DATA is a folder with dl-candidates/. Needs the extras torch and eval. The table names how many queries each row stands
for; results are added to bench/results/methods.json, so that rows can be made one by one. BM25's order and the mean of
20 random orders stand beside them.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import time
from pathlib import Path

from anyrank.core.types import Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.io.corpus import read_documents, read_queries
from anyrank.io.qrels import Qrels, read_qrels
from anyrank.io.runs import attach, read_run
from anyrank.papers import load
from anyrank.pipeline.methods import language_model

OUT = Path(__file__).parent / "results" / "methods.json"
METHODS: dict[str, tuple[str, dict[str, object]]] = {
    "rankgpt": ("rankgpt", {}),
    "lrl": ("lrl", {}),
    "first": ("first", {}),
    "early_first": ("early_first", {}),
    "fullrank": ("fullrank", {}),
    "insertrank": ("insertrank", {}),
    "icr": ("icr", {}),
    "setwise heap, generation": ("setwise", {"mode": "generation"}),
    "setwise heap, likelihood": ("setwise", {"mode": "likelihood"}),
    "setwise bubble, likelihood": ("setwise", {"mode": "likelihood", "sort": "bubble"}),
    "prp sliding-10, scoring": ("prp", {"mode": "scoring", "sort": "sliding"}),
    "prp heap sort, scoring": ("prp", {"mode": "scoring", "sort": "heap"}),
    "prp allpair, scoring": ("prp", {"mode": "scoring", "sort": "allpair"}),
    "prp sliding-10, generation": ("prp", {"mode": "generation", "sort": "sliding"}),
    "rank_r1, 64 tokens": ("rank_r1", {"max_tokens": 64}),
    "prorank": ("prorank", {}),
    "upr": ("upr", {}),
    "query_likelihood": ("query_likelihood", {}),
    "tournament": ("tournament", {}),
    "self_consistency": ("self_consistency", {}),
}


def starts(folder: Path, depth: int, queries: int) -> tuple[list[Ranking], Qrels]:
    found = read_run(folder / "runs/dl19.BM25.top100.trec")
    asked = read_queries(folder / "dl19.queries.tsv")
    chosen = random.Random(0).sample(sorted(found), len(found))[:queries]
    run = {q: found[q][:depth] for q in chosen}
    qrels = read_qrels(folder / "qrels/dl19-passage.qrels")
    documents = read_documents(folder / "dl19.passages.jsonl.gz")
    return attach(run, [q for q in asked if q.id in run], documents), {q: qrels[q] for q in chosen}


def ndcg(rankings: list[Ranking], qrels: Qrels) -> float:
    result = evaluate({"run": rankings}, qrels, ["nDCG@10"], test="none", samples=100)
    return result.mean("run", "nDCG@10")


def shuffled(rankings: list[Ranking], seed: int) -> list[Ranking]:
    rng = random.Random(seed)
    return [r.ordered(rng.sample(range(len(r)), len(r))) for r in rankings]


def cpu() -> str:
    """The processor's name, since seconds of different ones can't be compared."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--label", help="the model's name in the results, where --model is a path")
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--queries", type=int, default=10)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    rankings, qrels = starts(args.data / "dl-candidates", args.depth, args.queries)
    rows = json.loads(OUT.read_text()) if OUT.exists() else []
    setting = {"model": args.label or args.model, "depth": args.depth, "queries": len(rankings)}

    def keep(name: str, **row: object) -> None:
        full = {"method": name, **setting, **row}
        same = ("method", *setting)
        rows[:] = [r for r in rows if any(r[k] != full[k] for k in same)] + [full]
        OUT.write_text(json.dumps(rows, indent=1) + "\n")
        print(json.dumps(full), flush=True)

    orders = [ndcg(shuffled(rankings, seed), qrels) for seed in range(20)]
    keep("(BM25's order)", nDCG10=round(ndcg(rankings, qrels), 4))
    keep("(random order)", nDCG10=round(sum(orders) / len(orders), 4))
    backend = language_model(args.model)
    backend.generate(["warm up"], max_tokens=1)
    only = [n for n in args.only.split(";") if n]
    for name, (paper, options) in METHODS.items():
        if only and name not in only and paper not in only:
            continue
        stage = load(paper).build(backend, **options)
        begin = time.perf_counter()
        after = stage.batch(rankings)
        seconds = time.perf_counter() - begin
        costs = [r.cost.usage for r in after]
        n = len(after)
        keep(
            name,
            nDCG10=round(ndcg(after, qrels), 4),
            calls=round(sum(u.calls for u in costs) / n, 1),
            prompt_tokens=round(sum(u.prompt_tokens for u in costs) / n),
            completion_tokens=round(sum(u.completion_tokens for u in costs) / n, 1),
            repaired=sum(u.repaired for u in costs),
            fallback=sum(u.fallback for u in costs),
            truncated=sum(u.truncated for u in costs),
            seconds_per_query=round(seconds / n, 2),
            machine=cpu(),
        )


if __name__ == "__main__":
    main()
