"""Few trained weights against all: the same start, data and steps, one training a process on one core.

    taskset -c 1 python bench/bench_adapters.py [tiny|mini] [--steps N]     # extra train, and the optional data
    python bench/bench_adapters.py [tiny|mini] --counts      # only count the trained weights again, without a training

A late-interaction ranker starts from SPLADE-tiny's encoder (4.4M weights) or MiniLM (22.7M). Data: SciFact's training
queries, each with its relevant abstracts and BM25's best others (8 texts); a fifth of the queries, with BM25's best 20,
is held out. Rates are usual ones, multiples of that of all weights, and not tuned; one seed. Quality is nDCG@10 of the
last weights on the held-out part, seconds are CPU seconds of training and validation, memory the process's peak.
Adds to bench/results/adapters.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))
DATA = Path(os.environ.get("ANYRANK_DATA", ROOT.parent / "shared" / "data"))
STARTS = {"tiny": ("splade-tiny-fp32", 200, 5e-4), "mini": ("all-minilm-l6-v2", 40, 5e-5)}
METHODS: dict[str, tuple[dict[str, Any], float]] = {
    "all weights": ({}, 1.0),
    "lora, rank 8": ({"method": "lora", "rank": 8}, 4.0),
    "bottleneck, reduction 16": ({"method": "bottleneck", "reduction": 16}, 4.0),
    "bottleneck, reduction 2": ({"method": "bottleneck", "reduction": 2}, 4.0),
    "sparse, 2% of weights": ({"method": "sparse", "keep": 0.02, "merge": False}, 2.0),
}
"""The adapters of each method, and its rate as a multiple of that of all weights."""


def groups(folder: Path) -> None:
    """Write train.jsonl and valid.jsonl."""
    from anyrank.core.types import Ranking
    from anyrank.index.build import build
    from anyrank.io.dataset import Dataset
    from anyrank.pipeline.parser import Settings, parse
    from anyrank.train.group import Group
    from anyrank.train.groups import write_groups

    data = Dataset.open(str(DATA / "scifact"))
    collection = build(data.documents(), folder / "index")
    qrels, rng = data.qrels("train"), random.Random(0)
    queries = sorted((q for q in data.queries("train") if q.id in qrels), key=lambda q: q.id)
    rng.shuffle(queries)
    rankings = parse("bm25 % 20", Settings(collection)).batch([Ranking(q) for q in queries])
    held = len(queries) // 5
    train, valid = [], []
    for i, ranking in enumerate(rankings):
        good = {d for d, grade in qrels[ranking.query.id].items() if grade > 0}
        members = [c for c in ranking if c.content is not None]
        if i < held:
            valid.append(Group.of(ranking.query, members, [float(c.id in good) for c in members]))
            continue
        known = {c.id: c for c in members} | {c.id: c for c in collection.get(sorted(good))}
        chosen = [known[d] for d in sorted(good)[:2]] + [c for c in members if c.id not in good]
        chosen = chosen[:8]
        train.append(Group.of(ranking.query, chosen, [float(c.id in good) for c in chosen]))
    write_groups(str(folder / "train.jsonl"), train)
    write_groups(str(folder / "valid.jsonl"), [g for g in valid if any(g.labels)])


def trained(size: str, name: str) -> int:
    """The number of weights that a method trains, of the model as a training begins."""
    from anyrank.train.recipe import Adapters, Model, Recipe
    from anyrank.train.setup import adapt, build

    recipe = Recipe(
        out="unused",
        model=Model(kind="late", start=STARTS[size][0], max_length=128),
        adapters=Adapters(**METHODS[name][0]),
    )
    model = build(recipe.model)
    adapt(model, recipe)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def once(size: str, name: str, folder: Path, steps: int) -> None:
    import torch
    from transformers.utils import logging

    from anyrank.train.groups import read_groups
    from anyrank.train.recipe import Adapters, Check, Export, Loss, Model, Optimiser, Recipe
    from anyrank.train.run import train

    logging.set_verbosity_error()
    torch.set_num_threads(1)
    settings, times = METHODS[name]
    start, _, rate = STARTS[size]
    with tempfile.TemporaryDirectory() as out:
        recipe = Recipe(
            out=f"{out}/m",
            model=Model(kind="late", start=start, max_length=128),
            losses=(Loss(name="infonce"),),
            optimiser=Optimiser(rate=rate * times, batch=4, steps=steps),
            check=Check(every=steps),
            export=Export(int8=False),
            adapters=Adapters(**settings),
        )
        train_groups, valid = (list(read_groups(str(folder / f"{part}.jsonl"))) for part in ("train", "valid"))
        before = time.process_time()
        done = train(recipe, train=train_groups, valid=valid)
        seconds = time.process_time() - before
        assert done.effect is not None
        adapter = Path(out) / "m" / "adapter"
        where = adapter if adapter.is_dir() else Path(out) / "m"
        stored = sum(f.stat().st_size for f in where.glob("*.safetensors"))
        row = {
            "before": done.effect.mean("before", "nDCG@10"),
            "after": done.effect.mean("after", "nDCG@10"),
            "trained": trained(size, name),
            "stored_mb": stored / 1e6,
            "cpu_seconds": seconds,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "rate": rate * times,
        }
        if settings.get("method") == "sparse":  # the weights that its mask leaves
            row["trained"] = json.loads((where / "adapter.json").read_text())["changed"]
    print("RESULT", json.dumps(row))


def main() -> None:
    parse = argparse.ArgumentParser()
    parse.add_argument("size", choices=STARTS, nargs="?", default="tiny")
    parse.add_argument("--steps", type=int)
    parse.add_argument("--counts", action="store_true")
    parse.add_argument("--once")
    parse.add_argument("--folder", type=Path)
    given = parse.parse_args()
    steps = given.steps or STARTS[given.size][1]
    if given.once:
        once(given.size, given.once, given.folder, steps)
        return
    path = ROOT / "bench" / "results" / "adapters.json"
    results = json.loads(path.read_text()) if path.is_file() else {}
    if given.counts:
        for name, row in results[given.size]["methods"].items():
            if METHODS[name][0].get("method") != "sparse":  # whose number comes from its mask
                row["trained"] = trained(given.size, name)
        path.write_text(json.dumps(results, indent=2) + "\n")
        return
    rows = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        if not (folder / "valid.jsonl").is_file():
            groups(folder)
        for name in METHODS:
            command = [sys.executable, __file__, given.size, "--once", name, "--folder", str(folder)]
            done = subprocess.run([*command, "--steps", str(steps)], capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr[-3000:])
            rows[name] = json.loads(next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))[7:])
            print(name, {k: round(v, 4) for k, v in rows[name].items()}, flush=True)
    results[given.size] = {"start": STARTS[given.size][0], "steps": steps, "groups_a_step": 4, "methods": rows}
    path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
