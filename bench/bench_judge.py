"""Judging against hidden judgements: how often the intervals cover, how many judgements decide, and what a biased judge
does. ``python bench/bench_judge.py DATA WORK [REPLAYS]``: DATA is the folder of optional test data, WORK one for runs;
writes ``bench/results/judge.json``.

DL19: the six given runs, all 15 pairs. Cranfield: seven pipelines of ours, all 21 pairs. A label is the grade of the
judgements (0 where there is none), shown one document at a time. Depth pooling judges the same pool by falling rank,
the queries in an order shuffled by the seed; its order of two runs is the sign of the difference by the labels so far.
Constants were chosen on TREC-COVID and TREC News runs (``tune``).
"""

from __future__ import annotations

import itertools
import json
import sys
import time
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
    if name in ("dl19", "covid", "news"):
        folder = data / ("dl-candidates/runs" if name == "dl19" else "runs-trec")
        files = {p.name.split(".")[1]: p for p in sorted(folder.glob(f"{name}.*.top100.trec*"))}
        qrels = data / ("dl-candidates/qrels/dl19-passage.qrels" if name == "dl19" else f"runs-trec/{name}.qrels.gz")
        grades = Judgements.of(qrels).grades
    else:
        dataset = Dataset.open("demo")
        grades = Judgements.of(dataset.qrels()).grades
        files = {n: work / f"cranfield.{n}.trec" for n in PIPELINES}
        if not all(f.exists() for f in files.values()):
            index = work / "cranfield.index"
            collection = Collection.open(index)  # anyrank index demo -o WORK/cranfield.index --encode minilm
            for run, text in PIPELINES.items():
                stage = parse(text, Settings(collection))
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
    pool: Pool, labels: dict[tuple[str, str], int], seed: int, other: dict[Any, float] | None = None
) -> dict[str, Any]:
    """One session over a pool of two runs until 400 judgements."""
    gains = np.array([pool.measure.gain(labels[i]) for i in pool.items])
    truth = float(pool.weights[0] @ gains)
    session = Session(pool, seed, labels=other or {})
    out: dict[str, Any] = {"truth": truth, "pool": len(gains), "decided": None, "stops": {}}
    while len(session.judged) < max(STOPS) and (item := session.next(after=True)) is not None:
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


def collection(name: str, data: Path, work: Path, replays: int) -> dict[str, Any]:
    runs, grades = runs_of(name, data, work)
    most = max(g for docs in grades.values() for g in docs.values())
    measure = Measure("SDCG@10", most)
    pairs = list(itertools.combinations(runs, 2))
    rows, depth, planted = [], [], []
    for n in range(replays):
        a, b = pairs[n % len(pairs)]
        two = {a: runs[a], b: runs[b]}
        pool = Pool.of(two, measure)
        labels = {(q, d): max(grades[q].get(d, 0), 0) for q, d in pool.items}
        rows.append({"pair": f"{a} - {b}", **replay(pool, labels, n)})
        depth.append(pooled(pool, two, labels, n))
        if n < 3 * len(pairs):
            biased = replay(pool, labels, n, flattered(pool, runs, labels, b))
            honest = replay(pool, labels, n, {i: float(g) for i, g in labels.items()})
            planted.append((rows[-1], biased, honest))
    error = float(np.mean([r.get("right") is False for r in rows]))
    needed = [r["decided"] or r["pool"] for r in rows]
    sure = [d["certain"] for d in depth]
    budget = smallest_budget(depth, max(error, 0.05))
    out: dict[str, Any] = {
        "runs": list(runs),
        "queries": len(next(iter(runs.values()))),
        "pairs": len(pairs),
        "replays": len(rows),
        "pool (median)": float(np.median([r["pool"] for r in rows])),
        "decided within 400": float(np.mean([r["decided"] is not None for r in rows])),
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
        at = [(r, r["stops"][stop], d) for r, d in zip(rows, depth) if stop in r["stops"]]
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
        (b["stops"][100]["estimate"] - p["stops"][100]["estimate"]) / p["stops"][100]["error"] for p, b, _ in planted
    ]
    out["planted judge"] = {
        "what": "true labels, a grade more for what the second run returns, as a control variate; at 100 judgements",
        "mean shift in standard errors": float(np.mean(moves)),
        "mean absolute shift in standard errors": float(np.mean(np.abs(moves))),
        "covers": float(np.mean([b["stops"][100]["covers"] for _, b, _ in planted])),
        "width, no / planted / true labels": [
            float(np.mean([x[k]["stops"][100]["width"] for x in planted])) for k in range(3)
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
    return out


def main(data: str, work: str, replays: str = "500") -> None:
    out: dict[str, Any] = {}
    for name in ("dl19", "cranfield"):
        start = time.process_time()
        out[name] = collection(name, Path(data), Path(work), int(replays))
        out[name]["CPU seconds"] = round(time.process_time() - start, 1)
        print(json.dumps(out[name], indent=1), flush=True)
        (RESULTS / "judge.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
