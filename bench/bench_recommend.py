"""Recommendation on MovieLens 100k: Recall@20 and nDCG@20 of warm and cold items, three seeds of split and training.

    python bench/bench_recommend.py DATA/ml-100k RUNS bench/results/recommend.json ["METHOD|…" [SEED …]]

All of a user's interactions (ratings of any value count) but the held-out fifth are trained on; a tenth of the items is
cold, ranked among each other. The results file is added to method by method, and what it has is not measured again;
means are over the seeds that it has.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.domains.recommend.interactions import ITEM, read_attributes, read_interactions
from anyrank.domains.recommend.measures import full_ranking
from anyrank.domains.recommend.profiles import item_profiles, user_profiles
from anyrank.domains.recommend.rankers import bm25, encoded, popularity
from anyrank.domains.recommend.split import Split, split
from anyrank.hub.open import open_model

STARTS = {"easyrec, from BERT-tiny": ("splade-tiny-fp32", 20), "easyrec, from MiniLM": ("all-minilm-l6-v2", 2)}
"""Starts and epochs, which fit the machine and not the paper's 25."""


def measured(methods: Mapping[str, Callable[[], Any]], parts: Split, rows: dict[str, Any]) -> Iterator[str]:
    """Measure the methods that ``rows`` lack, one after another; gives each one's name when its row is there."""
    for name, make in methods.items():
        if name in rows:
            continue
        start = time.process_time()
        scores = make()
        warm = full_ranking(scores, parts.train, parts.warm, among=~parts.cold_items)
        cold = full_ranking(scores, parts.train, parts.cold, among=parts.cold_items)
        rows[name] = {
            "warm Recall@20": warm.recall, "warm nDCG@20": warm.ndcg, "warm users": warm.users,
            "cold Recall@20": cold.recall, "cold nDCG@20": cold.ndcg, "cold users": cold.users,
            "CPU seconds": round(time.process_time() - start, 1),
        }  # fmt: skip
        yield name


def methods(folder: Path, runs: Path, seed: int) -> tuple[dict[str, Callable[[], Any]], Split]:
    """What is measured, each as a function that trains it, and the split."""
    items = read_attributes(folder / "u.item", ITEM)
    users = read_attributes(folder / "u.user", ("user_id",))
    data = read_interactions(folder / "u.data.gz", items=items)
    parts = split(data, seed=seed)
    texts = item_profiles(data, items)
    versions = [user_profiles(parts.train, texts, users, version) for version in range(3)]
    rng = np.random.default_rng(seed)

    @cache
    def vectors() -> tuple[Any, Any]:
        minilm = open_model("minilm")
        user_vectors, item_vectors = (minilm.encode(x).vectors.arrays()["dense"] for x in (versions[0], texts))
        return user_vectors, item_vectors

    def nearness(us: Any) -> Any:
        return vectors()[0][list(us)] @ vectors()[1].T

    def lightgcn(texts: bool) -> Any:
        from anyrank.domains.recommend.lightgcn import LightGCN, Shape  # with torch, which the first three don't need

        own = vectors() if texts else ()
        return LightGCN(parts.train, Shape() if texts else Shape(weight=0.0), *own, seed=seed).fit().scores

    def trained(model: str, epochs: int) -> Any:
        from anyrank.domains.recommend.training import Drawn, train
        from anyrank.papers.easyrec import recipe

        out = runs / f"{model}-{seed}"
        plan = replace(recipe(str(out), (), start=model, pooling="mean"), seed=seed)
        plan = replace(plan, optimiser=replace(plan.optimiser, epochs=epochs, batch=64, rate=1e-4))
        train(plan, Drawn(parts.train, versions, [texts], seed))
        return encoded(open_model(out), versions[0], texts)

    every: dict[str, Callable[[], Any]] = {
        "random": lambda: lambda us: rng.random((len(us), len(data.items))),
        "popularity": lambda: popularity(parts.train),
        "BM25 on profiles": lambda: bm25(versions[0], texts),
        "LightGCN": lambda: lightgcn(texts=False),
        "MiniLM on profiles, not trained": lambda: nearness,
        "LightGCN with texts": lambda: lightgcn(texts=True),
    }
    for name, (model, epochs) in STARTS.items():
        if seed == 0 or "tiny" in name:
            every[name] = partial(trained, model, epochs)
    return every, parts


def main() -> None:
    folder, runs, path = map(Path, sys.argv[1:4])
    chosen = sys.argv[4].split("|") if len(sys.argv) > 4 else None
    known: dict[str, Any] = json.loads(path.read_text())["seeds"] if path.is_file() else {}
    for seed in map(int, sys.argv[5:] or ("0", "1", "2")):
        every, parts = methods(folder, runs, seed)
        rows = known.setdefault(str(seed), {})
        some = {name: make for name, make in every.items() if chosen is None or name in chosen}
        for name in measured(some, parts, rows):
            print(seed, name, rows[name], flush=True)
            write(path, known)


def write(path: Path, known: dict[str, Any]) -> None:
    """All seeds' values and their means."""
    names = dict.fromkeys(name for rows in known.values() for name in rows)
    means = {}
    for name in names:
        of = [rows[name] for rows in known.values() if name in rows]
        means[name] = {
            key: round(float(np.mean([row[key] for row in of])), 4)
            for key in ("warm Recall@20", "warm nDCG@20", "cold Recall@20", "cold nDCG@20", "CPU seconds")
        } | {"seeds": len(of)}
    path.write_text(json.dumps({"means": means, "seeds": known}, indent=1) + "\n")


if __name__ == "__main__":
    main()
