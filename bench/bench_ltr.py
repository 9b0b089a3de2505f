"""Learning to rank on LightGBM's lambdarank example: nDCG@10 on rank.test by the example's own settings and by ours.

    python bench/bench_ltr.py DATA/ltr-lightgbm bench/results/ltr.json

"LightGBM's example" is trained by LightGBM itself on the files, with train.conf's settings; the next row by
`LambdaMart.fit` with the same settings. "ours" are the defaults of `anyrank ltr train`: a tenth of the training queries
held out to stop in time. nDCG@10 is ir_measures' (gains are grades); beside it the form with gains 2^grade - 1.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from anyrank.core.groupings import Whole
from anyrank.core.rerank import Rerank
from anyrank.core.types import Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.io.libsvm import FEATURES, read_libsvm
from anyrank.judges.lambdamart import LambdaMart

EXAMPLE = {
    "objective": "lambdarank", "learning_rate": 0.1, "num_leaves": 31, "feature_fraction": 1.0, "bagging_freq": 1,
    "bagging_fraction": 0.9, "min_data_in_leaf": 50, "min_sum_hessian_in_leaf": 5.0, "lambda_l2": 0.0, "max_bin": 255,
}  # fmt: skip
"""Those of train.conf; 100 trees."""
MEASURES = ("nDCG@10", 'nDCG(dcg="exp-log2")@10')


def main() -> None:
    folder, path = Path(sys.argv[1]), Path(sys.argv[2])
    train, grades = read_libsvm(folder / "rank.train.gz", 301)
    test, truth = read_libsvm(folder / "rank.test.gz", 301)
    qrels = {r.query.id: dict(zip(r.ids, values)) for r, values in zip(test, truth)}
    runs: dict[str, list[Ranking]] = {"as given": test}
    facts: dict[str, dict[str, Any]] = {}

    def add(name: str, make: Any) -> None:
        start = time.process_time()
        model = make()
        facts[name] = {"trees": model.facts["trees"], "CPU seconds": round(time.process_time() - start, 1)}
        runs[name] = Rerank(model, Whole()).batch(test)

    def rows(rankings: list[Ranking]) -> Any:
        return np.array([c.meta[FEATURES] for r in rankings for c in r])

    data = lightgbm.Dataset(rows(train), [g for v in grades for g in v], group=list(map(len, train)))
    booster = lightgbm.train({**EXAMPLE, "num_threads": 1, "verbosity": -1}, data, 100)
    scores = np.split(booster.predict(rows(test)), np.cumsum(list(map(len, test)))[:-1])
    runs["LightGBM's example"] = [r.scored(s.tolist()) for r, s in zip(test, scores)]
    facts["LightGBM's example"] = {"trees": 100}
    same = {**EXAMPLE, "force_row_wise": False}
    add("its settings here", lambda: LambdaMart.fit(train, grades, rounds=100, settings=same))
    for seed in range(3):
        held = [zlib.crc32(f"{seed}/{r.query.id}".encode()) % 10_000 < 1_000 for r in train]
        parts = [([r for r, h in zip(train, held) if h is x], [g for g, h in zip(grades, held) if h is x])
                 for x in (False, True)]  # fmt: skip
        add(f"ours, seed {seed}", lambda p=parts, s=seed: LambdaMart.fit(*p[0], None, p[1], seed=s))
    result = evaluate(runs, qrels, MEASURES, baseline="LightGBM's example", test="t")
    out = {
        name: {m: round(result.summaries[name][m].mean, 4) for m in result.measures} | facts.get(name, {})
        for name in result.runs
    }
    compared = [
        {"run": c.run, "measure": c.measure, "difference": round(c.difference, 4), "p": round(c.p, 4)}
        for c in result.comparisons
    ]
    path.write_text(json.dumps({"queries": len(test), "runs": out, "against the example": compared}, indent=1) + "\n")
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
