"""Judging against hidden judgements: how often the intervals cover, how many judgements decide, and what a biased judge
does. ``python bench/bench_judge.py DATA WORK [REPLAYS [SECONDS]]``: DATA is the folder of optional test data, WORK one
for runs and replays; writes ``bench/results/judge.json``. Without SECONDS it takes about 10 minutes of CPU.

DL19: the six given runs, all 15 pairs. Cranfield: seven pipelines of ours, all 21 pairs. A label is the grade of the
judgements (0 where there is none), shown one document at a time. Depth pooling judges the same pool by falling rank,
the queries in an order shuffled by the seed; its order of two runs is the sign of the difference by the labels so far.
Constants were chosen on runs of TREC-COVID and TREC News.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.types import Ranking
from anyrank.evaluate.inputs import Judgements, lists
from anyrank.index.collection import Collection
from anyrank.io.dataset import Dataset
from anyrank.io.runs import write_run
from anyrank.judging.pool import Measure, Pool
from anyrank.judging.session import Session
from anyrank.pipeline.parser import Settings, parse

STOPS = (25, 50, 100, 200, 400)
LAST = 1200
"""Judgements after which a session ends without a verdict; it counts as the whole pool then."""
PIPELINES = {
    "bm25": "bm25 % 100",
    "rm3": "bm25 % 100 >> rm3 >> bm25 % 100",
    "minilm": "minilm % 100",
    "hybrid": "(bm25 + minilm) % 100",
    "tiny": "bm25 % 50 >> tiny",
    "mini": "bm25 % 50 >> mini",
    "rescored": "bm25 % 20 >> minilm",
}
RESULTS = Path(__file__).parent / "results"


def runs_of(name: str, data: Path, work: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The runs of a collection by name, and its grades."""
    if name == "dl19":
        folder = data / "dl-candidates"
        files = {p.name.split(".")[1]: p for p in sorted(folder.glob("runs/dl19.*.top100.trec"))}
        grades = Judgements.of(folder / "qrels/dl19-passage.qrels").grades
    else:
        dataset = Dataset.open("demo")
        grades = Judgements.of(dataset.qrels()).grades
        files = {n: work / f"cranfield.{n}.trec" for n in PIPELINES}
        missing = [n for n, f in files.items() if not f.exists()]
        if missing:
            collection = Collection.open(work / "cranfield.index")  # anyrank index demo -o … --encode minilm
        for run in missing:
            stage = parse(PIPELINES[run], Settings(collection))
            write_run(files[run], stage.batch([Ranking(q) for q in dataset.queries()]), run)
    read = {n: {q: d[:10] for q, d in lists(f)[0].items() if q in grades} for n, f in files.items()}
    return read, dict(grades)


def depth_order(pool: Pool, runs: dict[str, Any], seed: int) -> list[int]:
    """The items of a pool by their best rank, queries shuffled."""
    best: dict[tuple[str, str], int] = {}
    for run in runs.values():
        for q, documents in run.items():
            for rank, d in enumerate(documents):
                best[q, d] = min(best.get((q, d), 99), rank)
    shuffled = np.random.default_rng(seed).permutation(len(pool.queries))
    place = {q: int(n) for q, n in zip(pool.queries, shuffled)}
    return sorted(range(len(pool.items)), key=lambda i: (best[pool.items[i]], place[pool.items[i][0]]))


def replay(
    pool: Pool, labels: dict[tuple[str, str], int], seed: int, other: dict[Any, float] | None = None, last: int = LAST
) -> dict[str, Any]:
    """One session over a pool of two runs: past the verdict until the largest stop, and without one until ``last``."""
    gains = np.array([pool.measure.gain(labels[i]) for i in pool.items])
    truth = float(pool.weights[0] @ gains)
    session = Session(pool, seed, labels=other or {})
    out: dict[str, Any] = {"truth": truth, "pool": len(gains), "decided": None, "stops": {}}
    while (item := session.next(after=True)) is not None:
        if len(session.judged) >= (last if out["decided"] is None else min(max(STOPS), last)):
            break
        session.record(labels[item])
        count = len(session.judged)
        if session.decided and out["decided"] is None:
            right = "level" if abs(truth) < 1e-12 else pool.pairs[0][truth < 0]
            out |= {"decided": count, "right": session.verdicts[0] == right}
        if count == 50 and not session.decided:
            out["said"] = session.remaining() + 50
        if count in STOPS:
            (d,) = session.differences()
            out["stops"][count] = {
                "covers": bool(d.low - 1e-9 <= truth <= d.high + 1e-9),
                "width": d.high - d.low,
                "estimate": d.estimate,
                "error": d.error,
            }
    return out


def pooled(pool: Pool, runs: dict[str, Any], labels: dict[tuple[str, str], int], seed: int) -> dict[str, Any]:
    """Depth pooling: whether the order is wrong after each judgement, and when no label could change it any more."""
    gains = np.array([pool.measure.gain(labels[i]) for i in pool.items])
    truth = float(pool.weights[0] @ gains)
    order = depth_order(pool, runs, seed)
    w = pool.weights[0][order]
    so_far = np.cumsum(w * gains[order])
    left_up = np.maximum(w, 0).sum() - np.cumsum(np.maximum(w, 0))
    left_down = np.minimum(w, 0).sum() - np.cumsum(np.minimum(w, 0))
    certain = np.flatnonzero((so_far + left_down > 1e-12) | (so_far + left_up < -1e-12))
    wrong = (np.sign(np.round(so_far, 12)) != np.sign(round(truth, 12))).tolist()
    return {"wrong": wrong, "certain": int(certain[0]) + 1 if len(certain) else len(order)}


def smallest_budget(depth: list[dict[str, Any]], error: float) -> int:
    """The smallest budget from which on depth pooling's order is wrong in at most this share of the replays."""
    longest = max(len(d["wrong"]) for d in depth)
    table = np.array([d["wrong"] + [d["wrong"][-1]] * (longest - len(d["wrong"])) for d in depth])
    bad = np.flatnonzero(table.mean(axis=0) > error)
    return int(bad[-1]) + 2 if len(bad) else 1


def flattered(pool: Pool, runs: dict[str, Any], labels: dict[tuple[str, str], int], run: str) -> dict[Any, float]:
    """The true labels, a grade more for all that one run returns."""
    most = pool.measure.most
    return {(q, d): min(labels[q, d] + (d in runs[run].get(q, ())), most) for q, d in pool.items}


@dataclass
class Replays:
    """The replays of one collection so far: a JSON line each in a file, so that a run that was stopped goes on."""

    runs: dict[str, Any]
    grades: dict[str, Any]
    path: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.path.exists():
            self.rows = [json.loads(line) for line in self.path.read_text().splitlines()]

    def next(self) -> None:
        """Replay the next pair, each round with other seeds, in the first also with the true labels and with a
        planted judge's as a control variate."""
        start = time.process_time()
        measure = Measure("SDCG@10", max(g for docs in self.grades.values() for g in docs.values()))
        pairs = list(itertools.combinations(self.runs, 2))
        n = len(self.rows)
        a, b = pairs[n % len(pairs)]
        two = {a: self.runs[a], b: self.runs[b]}
        pool = Pool.of(two, measure)
        labels = {(q, d): max(self.grades[q].get(d, 0), 0) for q, d in pool.items}
        row = {"pair": f"{a} - {b}", **replay(pool, labels, n), "depth": pooled(pool, two, labels, n)}
        if n < len(pairs):
            row["planted"] = replay(pool, labels, n, flattered(pool, self.runs, labels, b), 100)
            row["honest"] = replay(pool, labels, n, {i: float(g) for i, g in labels.items()}, 100)
        self.rows.append({**row, "seconds": time.process_time() - start})
        with self.path.open("a") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")
        self.rows[-1] = json.loads(json.dumps(self.rows[-1]))  # as it is read again


def summary(done: Replays) -> dict[str, Any]:
    """What the replays of a collection show."""
    runs, rows, depth = done.runs, done.rows, [r["depth"] for r in done.rows]
    planted = [(r, r["planted"], r["honest"]) for r in rows if "planted" in r]
    error = float(np.mean([r.get("right") is False for r in rows]))
    needed = [r["decided"] or r["pool"] for r in rows]
    sure = [d["certain"] for d in depth]
    budget = smallest_budget(depth, max(error, 0.05))
    out: dict[str, Any] = {
        "runs": list(runs),
        "queries": len(next(iter(runs.values()))),
        "pairs": math.comb(len(runs), 2),
        "replays": len(rows),
        "pool (median)": float(np.median([r["pool"] for r in rows])),
        "decided within 400": float(np.mean([(r["decided"] or 9999) <= 400 for r in rows])),
        "decided within 1200": float(np.mean([r["decided"] is not None for r in rows])),
        "wrong verdicts": error,
        "judgements to a verdict (median; undecided: the whole pool)": float(np.median(needed)),
        "depth pooling: whole pool (median)": float(np.median([r["pool"] for r in rows])),
        "depth pooling: until no label can change the order (median)": float(np.median(sure)),
        "depth pooling: smallest budget with at most max(our error, 5 %) wrong, known in hindsight": budget,
        "share of depth pooling until sure (median of ratios)": float(np.median([a / b for a, b in zip(needed, sure)])),
        "share of the whole pool (median of ratios)": float(np.median([a / r["pool"] for a, r in zip(needed, rows)])),
        "stops": {},
        "by pair": {},
    }
    for stop in STOPS:
        at = [(r, r["stops"][str(stop)], d) for r, d in zip(rows, depth) if str(stop) in r["stops"]]
        signs = [np.sign(s["estimate"]) != np.sign(r["truth"]) for r, s, _ in at]
        errors = [(s["estimate"] - r["truth"]) for r, s, _ in at]
        out["stops"][stop] = {
            "covers": float(np.mean([s["covers"] for _, s, _ in at])),
            "width": float(np.mean([s["width"] for _, s, _ in at])),
            "bias": float(np.mean(errors)),
            "root mean square error": float(np.sqrt(np.mean(np.square(errors)))),
            "stated standard error": float(np.sqrt(np.mean([s["error"] ** 2 for _, s, _ in at]))),
            "order of the estimate wrong": float(np.mean(signs)),
            "order of depth pooling wrong": float(np.mean([d["wrong"][stop - 1] for _, _, d in at])),
        }
    moves = [
        (b["stops"]["100"]["estimate"] - p["stops"]["100"]["estimate"]) / p["stops"]["100"]["error"]
        for p, b, _ in planted
    ]
    out["planted judge"] = {
        "what": "true labels, a grade more for what the second run returns, as a control variate; at 100 judgements",
        "mean shift in standard errors": float(np.mean(moves)),
        "mean absolute shift in standard errors": float(np.mean(np.abs(moves))),
        "covers": float(np.mean([b["stops"]["100"]["covers"] for _, b, _ in planted])),
        "width, no / planted / true labels": [
            float(np.mean([x[k]["stops"]["100"]["width"] for x in planted])) for k in range(3)
        ],
        "wrong verdicts": float(np.mean([b.get("right") is False for _, b, _ in planted])),
    }
    said = [(r["said"], r["decided"]) for r in rows if r["decided"] and "said" in r]
    if said:
        ratio = np.log2([a / b for a, b in said])
        out["forecast at 50"] = {"sessions": len(said), "within a factor of 2": float(np.mean(np.abs(ratio) <= 1))}
    for pair in dict.fromkeys(r["pair"] for r in rows):
        of = [(r, d) for r, d in zip(rows, depth) if r["pair"] == pair]
        out["by pair"][pair] = {
            "difference": round(of[0][0]["truth"], 4),
            "pool": of[0][0]["pool"],
            "judgements (median)": float(np.median([r["decided"] or r["pool"] for r, _ in of])),
            "depth pooling until sure (median)": float(np.median([d["certain"] for _, d in of])),
            "wrong": sum(r.get("right") is False for r, _ in of),
        }
    out["CPU seconds"] = round(sum(r["seconds"] for r in rows), 1)
    return out


def main(data: str, work: str, replays: str = "500", seconds: str = "1e9") -> None:
    """Replays until there are so many of each collection, or so many CPU seconds are spent; the next call goes on."""
    names = ("dl19", "cranfield")
    every = {n: Replays(*runs_of(n, Path(data), Path(work)), Path(work) / f"judge.{n}.jsonl") for n in names}
    while (least := min(every.values(), key=lambda r: len(r.rows))) and len(least.rows) < int(replays):
        if time.process_time() > float(seconds):
            break
        least.next()
    out = {name: summary(done) for name, done in every.items() if done.rows}
    (RESULTS / "judge.json").write_text(json.dumps(out, indent=1) + "\n")
    for name, result in out.items():
        print(name, json.dumps({k: v for k, v in result.items() if k != "by pair"}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
