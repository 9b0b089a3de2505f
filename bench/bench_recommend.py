"""Recommendation on MovieLens 100k: Recall@20 and nDCG@20 of warm and cold items, three seeds of split and training.

    python bench/bench_recommend.py ../shared/data/ml-100k RUNS bench/results/recommend.json [SEED …]

All of a user's interactions (ratings of any value count) but the held-out fifth are trained on; a tenth of the items is
cold, ranked among each other. The results file is added to seed by seed; means are over the seeds it has.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.domains.recommend.interactions import ITEM, read_attributes, read_interactions
from anyrank.domains.recommend.lightgcn import LightGCN, Shape
from anyrank.domains.recommend.measures import full_ranking
from anyrank.domains.recommend.profiles import item_profiles, user_profiles
from anyrank.domains.recommend.rankers import bm25, encoded, popularity
from anyrank.domains.recommend.split import split
from anyrank.domains.recommend.training import Drawn, train
from anyrank.hub.open import open_model
from anyrank.papers.easyrec import recipe

STARTS = {"easyrec, from BERT-tiny": ("splade-tiny-fp32", 20), "easyrec, from MiniLM": ("all-minilm-l6-v2", 2)}
"""Starts and epochs, which fit the machine and not the paper's 25."""


def run(folder: Path, runs: Path, seed: int, starts: dict[str, Any]) -> dict[str, Any]:
    items = read_attributes(folder / "u.item", ITEM)
    users = read_attributes(folder / "u.user", ("user_id",))
    data = read_interactions(folder / "u.data.gz", items=items)
    parts = split(data, seed=seed)
    texts = item_profiles(data, items)
    versions = [user_profiles(parts.train, texts, users, version) for version in range(3)]
    rows: dict[str, Any] = {}

    def measure(name: str, scores: Any, start: float) -> None:
        warm = full_ranking(scores, parts.train, parts.warm, among=~parts.cold_items)
        cold = full_ranking(scores, parts.train, parts.cold, among=parts.cold_items)
        rows[name] = {
            "warm Recall@20": warm.recall, "warm nDCG@20": warm.ndcg, "warm users": warm.users,
            "cold Recall@20": cold.recall, "cold nDCG@20": cold.ndcg, "cold users": cold.users,
            "CPU seconds": round(time.process_time() - start, 1),
        }  # fmt: skip
        print(seed, name, rows[name], flush=True)

    rng = np.random.default_rng(seed)
    measure("random", lambda us: rng.random((len(us), len(data.items))), time.process_time())
    measure("popularity", popularity(parts.train), time.process_time())
    start = time.process_time()
    measure("BM25 on profiles", bm25(versions[0], texts), start)
    start = time.process_time()
    minilm = open_model("minilm")
    measure("MiniLM on profiles, not trained", encoded(minilm, versions[0], texts), start)
    vectors = [minilm.encode(x).vectors.arrays()["dense"] for x in (versions[0], texts)]
    start = time.process_time()
    measure("LightGCN", LightGCN(parts.train, Shape(weight=0.0), seed=seed).fit().scores, start)
    start = time.process_time()
    measure("LightGCN with texts", LightGCN(parts.train, Shape(), *vectors, seed=seed).fit().scores, start)
    for name, (model, epochs) in starts.items():
        start = time.process_time()
        out = runs / f"{model}-{seed}"
        plan = replace(recipe(str(out), (), start=model, pooling="mean"), seed=seed)
        plan = replace(plan, optimiser=replace(plan.optimiser, epochs=epochs, batch=64, rate=1e-4))
        train(plan, Drawn(parts.train, versions, [texts], seed))
        measure(name, encoded(open_model(out), versions[0], texts), start)
    return rows


def main() -> None:
    folder, runs, path = map(Path, sys.argv[1:4])
    known: dict[str, Any] = json.loads(path.read_text())["seeds"] if path.is_file() else {}
    for seed in map(int, sys.argv[4:] or ("0", "1", "2")):
        starts = STARTS if seed == 0 else {n: s for n, s in STARTS.items() if "tiny" in n}
        known[str(seed)] = run(folder, runs, seed, starts)
        names = dict.fromkeys(name for rows in known.values() for name in rows)
        means = {
            name: {
                key: round(float(np.mean([rows[name][key] for rows in known.values() if name in rows])), 4)
                for key in ("warm Recall@20", "warm nDCG@20", "cold Recall@20", "cold nDCG@20", "CPU seconds")
            }
            | {"seeds": sum(name in rows for rows in known.values())}
            for name in names
        }
        path.write_text(json.dumps({"means": means, "seeds": known}, indent=1) + "\n")


if __name__ == "__main__":
    main()
