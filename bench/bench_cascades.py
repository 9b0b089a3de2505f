"""Cascades against the best fixed depth of equal cost: groups of uncertain candidates, exploration of neighbours, and
documents skipped by a bound of their late-interaction score, and reranking under a bound on time.

    python bench/bench_cascades.py DATA WORK

DATA has dl-candidates/ and cranfield/; WORK/cranfield.index holds the vectors of minilm and mini. On DL19 the judge
compares by the scores of a given run (RepLLaMA's, over BM25's first 100); its collection isn't there, so that
exploration is measured on Cranfield alone. Differences have 95 % bootstrap intervals. Results:
bench/results/cascades.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.groupings import Sliding, Uncertain
from anyrank.core.rerank import Rerank
from anyrank.core.types import Judgement, Query, Ranking
from anyrank.evaluate.measures import Meter
from anyrank.evaluate.significance import intervals
from anyrank.index.collection import Collection
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import read_qrels
from anyrank.io.runs import read_run
from anyrank.pipeline.parser import Settings, parse
from anyrank.pipeline.table import model
from anyrank.testing import Counting
from anyrank.tuning.tune import judged_queries

OUT = Path(__file__).parent / "results" / "cascades.json"
DEPTHS = (20, 30, 40, 50, 60, 80, 100)


def keep(part: str, rows: Any) -> None:
    everything = json.loads(OUT.read_text()) if OUT.exists() else {}
    everything[part] = rows
    OUT.write_text(json.dumps(everything, indent=1, default=float) + "\n")
    print(part, json.dumps(rows, default=float), flush=True)


class Comparing:
    """A judge that compares by known scores; documents that have none are below the others."""

    def __init__(self, scores: dict[str, dict[str, float]]) -> None:
        self.scores = scores

    def __call__(self, groups: Sequence[Any]) -> list[Judgement]:
        return [Judgement([self.scores[q.id].get(c.id, -1e9) for c in members]) for q, members in groups]


def against(values: dict[str, list[float]], calls: dict[str, float], name: str) -> dict[str, Any]:
    """A cascade's row beside the best fixed depth of no more calls than its own, rounded up to the next one."""
    fixed = [n for n in values if n.startswith("fixed")]
    affordable = [n for n in fixed if calls[n] <= calls[name] + 0.5] or [min(fixed, key=lambda n: calls[n])]
    best = max(affordable, key=lambda n: np.mean(values[n]))
    difference = np.array(values[name]) - np.array(values[best])
    low, high = intervals(difference[:, None])
    row = {"cascade": name, "nDCG@10": np.mean(values[name]), "calls": calls[name], "fixed": best}
    row |= {"fixed nDCG@10": np.mean(values[best]), "fixed calls": calls[best]}
    row |= {"difference": difference.mean(), "low": low[0], "high": high[0]}
    return {k: round(float(v), 4) if isinstance(v, float | np.floating) else v for k, v in row.items()}


def uncertain(name: str, rankings: list[Ranking], judge: Any, qrels: Any) -> None:
    """Groups of uncertain candidates against sliding windows at every depth: calls, and rounds one after another."""
    meter = Meter(["nDCG@10"], qrels)
    stages = {f"fixed {d}": Rerank(judge, Sliding(20, 10), depth=d) for d in DEPTHS}
    stages |= {
        f"Uncertain(20, 10, {doubt}, {most})": Rerank(judge, Uncertain(20, 10, doubt, most))
        for doubt in (0.01, 0.02, 0.05)
        for most in (1, 2, 3)
    }
    values, calls, rounds = {}, {}, {}
    for text, stage in stages.items():
        counting = Counting(judge)
        after = Rerank(counting, stage.grouping, depth=stage.depth).batch(rankings)
        values[text] = meter({r.query.id: r.ids for r in after})["nDCG@10"]
        calls[text] = counting.groups / len(rankings)
        rounds[text] = counting.batches  # of all queries in lockstep: those of the slowest one
    rows = [{**against(values, calls, n), "rounds": rounds[n]} for n in values if not n.startswith("fixed")]
    depths = {
        n: {"nDCG@10": round(float(np.mean(v)), 4), "calls": calls[n], "rounds": rounds[n]}
        for n, v in values.items()
        if n.startswith("fixed")
    }
    keep(f"uncertain {name}", {"queries": len(rankings), "fixed": depths, "cascades": rows})


def dl19(data: Path) -> None:
    folder = data / "dl-candidates"
    qrels = read_qrels(folder / "qrels/dl19-passage.qrels")
    run = read_run(folder / "runs/dl19.BM25.top100.trec")
    judge = Comparing({q: dict(docs) for q, docs in read_run(folder / "runs/dl19.REP_LLAMA.top100.trec").items()})
    rankings = [Ranking.of(Query(q, q), [d for d, _ in run[q]], ids=[d for d, _ in run[q]]) for q in run if q in qrels]
    uncertain("dl19", rankings, judge, {r.query.id: qrels[r.query.id] for r in rankings})


def cranfield(data: Path, work: Path, part: str) -> None:
    dataset, collection = Dataset.open(str(data / "cranfield")), Collection.open(work / "cranfield.index")
    qrels = dataset.qrels(dataset.chosen(None))
    queries = judged_queries(list(dataset.queries(dataset.chosen(None))), qrels)
    qrels = {q.id: qrels[q.id] for q in queries}
    settings = Settings(collection)
    first = parse("bm25 % 100", settings).run(queries)
    if part in ("", "uncertain"):
        scored = parse("mini", settings, starts=False).batch(first)
        judge = Comparing({r.query.id: dict(zip(r.ids, r.scores)) for r in scored})
        uncertain("cranfield", first, judge, qrels)
    if part in ("", "bound"):
        skipping(first, collection)
    if part in ("", "explore"):
        exploring(queries, settings, qrels)
    if part in ("", "time"):
        bounded(first, qrels)


def bounded(rankings: list[Ranking], qrels: Any) -> None:
    """A reranker under a bound on time, one query at a time and (max_ms) all in one call: what of the bound it keeps,
    and its quality beside that of the fixed depth whose mean time is nearest below its own."""
    few = rankings[::4]
    meter = Meter(["nDCG@10"], {r.query.id: qrels[r.query.id] for r in few})
    pipelines = {f"tiny(depth={d})": 0.0 for d in (5, 10, 15, 20, 30, 40, 60, 80, 100)}
    pipelines |= {f"tiny(max_seconds={s})": s for s in (0.025, 0.05, 0.1, 0.2)}
    together = {f"tiny(max_ms={1000 * s:g})": s for s in (0.025, 0.05, 0.1, 0.2)}
    pipelines |= together
    values, ms, judged = {}, {}, {}
    for text in pipelines:
        stage = parse(text, starts=False)
        one_by_one = [stage.batch([ranking])[0] for ranking in few[:1] + few][1:] if text not in together else []
        after = one_by_one or stage.batch(few)
        values[text] = np.array(meter({r.query.id: r.ids for r in after})["nDCG@10"])
        ms[text] = np.array([1000 * r.trace[-1].seconds for r in after])
        judged[text] = float(np.mean([r.trace[-1].usage.calls for r in after]))
    rows = []
    for text, seconds in pipelines.items():
        row: dict[str, Any] = {"pipeline": text, "nDCG@10": values[text].mean(), "ms": ms[text].mean()}
        row |= {"p50": np.median(ms[text]), "p95": np.quantile(ms[text], 0.95), "judged": judged[text]}
        if seconds:
            cheaper = [t for t, s in pipelines.items() if not s and ms[t].mean() <= ms[text].mean()]
            fixed = max(cheaper, key=lambda t: ms[t].mean()) if cheaper else "tiny(depth=5)"
            low, high = intervals((values[text] - values[fixed])[:, None])
            row |= {"fixed": fixed, "difference": (values[text] - values[fixed]).mean(), "low": low[0], "high": high[0]}
        rows.append({k: round(float(v), 4) if isinstance(v, float | np.floating) else v for k, v in row.items()})
    keep("bound on time cranfield", {"queries": len(few), "rows": rows})


def exploring(queries: list[Query], settings: Settings, qrels: Any, budgets: Sequence[int] = (20, 50)) -> None:
    """Exploration and plain reranking of as many documents, over words and over words and vectors."""
    meter = Meter(["nDCG@10", "R@50"], qrels)
    rows = []
    for start in ("bm25", "(bm25 + minilm)"):
        for budget in budgets:
            plain = parse(f"{start} % 100 >> mini(depth={budget})", settings).run(queries)
            text = f'{start} % 100 >> explore("mini", neighbours="minilm", budget={budget})'
            explored = parse(text, settings).run(queries)
            a, b = (meter({r.query.id: r.ids for r in rs}) for rs in (plain, explored))
            row: dict[str, Any] = {"first": start, "budget": budget}
            for measure in ("nDCG@10", "R@50"):
                difference = np.array(b[measure]) - np.array(a[measure])
                low, high = intervals(difference[:, None])
                row[measure] = {
                    "fixed": round(float(np.mean(a[measure])), 4),
                    "explore": round(float(np.mean(b[measure])), 4),
                    "difference": round(float(difference.mean()), 4),
                    "low": round(float(low[0]), 4),
                    "high": round(float(high[0]), 4),
                }
            rows.append(row)
    keep("explore cranfield", rows)


def skipping(rankings: list[Ranking], collection: Collection, k: int = 10) -> None:
    """The share of documents that an upper bound of their MaxSim leaves out of the exact scores of the first k.

    No state of a document is nearer to a state q of the query than q's product with the states' centre, and q's length
    times their radius. With several centres a document, the nearest decides. Documents are taken in the order of their
    bounds, the most promising first; the k-th best score so far leaves out all whose bound is lower.
    """
    index, encoder = collection.vectors("mini"), model("mini")
    rows = []
    for centres in (1, 4, 16):
        skipped = total = 0
        cost = full = 0.0
        for ranking in rankings[::5]:
            query = encoder.encode([ranking.query.content], query=True).vectors
            weights = query.arrays().get("weights")
            q = _states(query) * (1.0 if weights is None else np.asarray(weights, dtype=np.float32)[:, None])
            positions, documents = index.vectors(ranking.ids)
            bounds, exact, sizes = [], documents.near(query), []
            for n in range(len(positions)):
                states = _states(documents.take([n]))
                groups = np.array_split(states, min(centres, len(states)))  # neighbours in the text are alike
                middle = np.stack([g.mean(axis=0) for g in groups])
                radius = np.array([np.linalg.norm(g - m, axis=1).max() for g, m in zip(groups, middle)])
                bound = (q @ middle.T + np.linalg.norm(q, axis=1)[:, None] * radius).max(axis=1).sum()
                # The product of the means is part of the score, and one product alone: it is taken as it is.
                bounds.append(float(bound) + _means(documents.take([n]), query))
                sizes.append(len(states))
            order = np.argsort(-np.array(bounds))
            best: list[float] = []
            for i in order:
                total += 1
                full += sizes[i]
                cost += min(centres, sizes[i])
                assert exact[i] <= bounds[i] + 1e-3, (exact[i], bounds[i])
                if len(best) == k and bounds[i] <= best[-1]:
                    skipped += 1
                    continue
                cost += sizes[i]
                best = sorted([*best, float(exact[i])], reverse=True)[:k]
        rows.append({"centres": centres, "skipped": round(skipped / total, 4), "products": round(cost / full, 4)})
    keep("maxsim bound cranfield", rows)


def _states(vectors: Any) -> Any:
    """The states of one text, [states, numbers]."""
    return np.asarray(vectors.arrays()["states"], dtype=np.float32)


def _means(document: Any, query: Any) -> float:
    """The part of the score that the means of both texts make."""
    means = [v.arrays().get("means") for v in (document, query)]
    return 0.0 if means[0] is None or means[1] is None else float(np.float32(means[0][0]) @ np.float32(means[1][0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--part", default="", choices=["", "dl19", "uncertain", "explore", "bound", "time"])
    args = parser.parse_args()
    if args.part in ("", "dl19"):
        dl19(args.data)
    if args.part != "dl19":
        cranfield(args.data, args.work, args.part)


if __name__ == "__main__":
    main()
