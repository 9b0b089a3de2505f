"""The choice of a pipeline by few judged queries: what it is worth on other queries, against the highest mean and the
default.

    python bench/bench_tune.py draws DATA WORK [--draws 200] [--only "scifact"] [--rerank tiny --rerank mini --most 150]
    python bench/bench_tune.py luck DATA WORK [--draws 200]
    python bench/bench_tune.py speed DATA WORK
    python bench/bench_tune.py once DATA WORK

DATA is the folder of test data; WORK keeps indexes and scores (an index NAME.index there is used as it is, so that
vectors are made once). ``draws``: on the parts for development (DL19's given runs, SciFact train, NFCorpus dev, CoSQA
dev), n judged queries choose, and the others judge the choice. ``luck``: the same with permuted labels, of which no
pipeline can be better. ``speed``: 10,000 fusions of 300 queries. ``once``: as ``draws``, on
collections whose judgements nothing was chosen by (SciFact test, Cranfield, Vaswani), beside the shipped pipelines and
the best in hindsight. With rerankers, these are tried at every depth and in cascades, by at most so many queries of a
collection (with mini's vectors stored in NAME.index, its scores cost little). Results: bench/results/tune.json.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import read_qrels
from anyrank.io.runs import read_run
from anyrank.pipeline.table import model
from anyrank.store.vector_names import stored
from anyrank.tuning.choice import Contenders, chosen
from anyrank.tuning.luck import LEVEL, luck_of
from anyrank.tuning.measures import Graded, Measure
from anyrank.tuning.pool import Pool, measured
from anyrank.tuning.space import Space, grid, of_runs, space
from anyrank.tuning.table import ScoreTable
from anyrank.tuning.tune import judged_queries, parts_of

OUT = Path(__file__).parent / "results" / "tune.json"
RUNS = {
    "bm": "BM25",
    "rm": "BM25_RM3",
    "tasb": "D_BERT_KD_TASB",
    "ada": "OPEN_AI_ADA2",
    "llama": "REP_LLAMA",
    "spl": "SPLADE_P_P_ENSEMBLE_DISTIL",
}
SETS = [
    ("bm", "tasb"),
    ("bm", "spl", "tasb", "ada"),
    ("bm", "rm", "tasb", "ada"),
    ("bm", "spl", "tasb", "ada", "llama"),
]
DEVELOPMENT = {"scifact": "train", "nfcorpus": "dev", "cosqa": "dev"}
TESTS = {"scifact": "test", "cranfield": None, "vaswani": None}
MEASURES = {"cosqa": "RR@10"}
SIZES = (10, 20, 50)
RERANK: list[str] = []
"""Rerankers that are tried beside the fusions (--rerank)."""
MOST: list[int] = []
"""The most queries of a collection (--most)."""


def dl19(data: Path) -> Iterator[tuple[str, ScoreTable, Graded, Space, Measure]]:
    folder = data / "dl-candidates"
    qrels = read_qrels(folder / "qrels/dl19-passage.qrels")
    for parts in SETS:
        runs = {name: read_run(folder / f"runs/dl19.{RUNS[name]}.top100.trec") for name in parts}
        table = ScoreTable.of_runs(runs, [q for q in runs[parts[0]] if q in qrels])
        tried = of_five(parts) if len(parts) > 4 else of_runs(parts)
        tried.run(table)
        graded = Graded.by(qrels, [q.id for q in table.queries], table.ids)
        yield f"dl19 {'+'.join(parts)}", table, graded, tried, Measure()


def of_five(parts: tuple[str, ...]) -> Space:
    """Five runs, more than are fused without being asked for."""
    from anyrank.tuning.space import Family, fusion

    weights = np.concatenate([grid(5), np.full((1, 5), 0.2)])[:-1]
    families, points = [], []
    for mask in np.unique(weights > 0, axis=0):
        rows = weights[((weights > 0) == mask).all(axis=1)]
        families.append(Family(tuple(p for p, used in zip(parts, mask) if used), rows[:, mask]))
        points.append(rows)
    texts = [text for family in families for text in family.texts()]
    return Space(tuple(families), np.concatenate(points), texts.index(fusion(parts, [0.2] * 5)), tuple(texts))


def collection(data: Path, work: Path, name: str) -> Collection:
    path = work / f"{name}.index"
    opened = Collection.open(path) if path.exists() else build(Dataset.open(str(data / name)).documents(), str(path))
    for shipped in ("splade-tiny", "minilm"):
        if shipped not in opened.encoded:
            opened.encode(model(shipped), stored(model(shipped).name))
    return opened


def of_collection(
    data: Path, work: Path, name: str, split: str | None
) -> tuple[str, ScoreTable, Graded, Space, Measure]:
    dataset, opened = Dataset.open(str(data / name)), collection(data, work, name)
    part = dataset.chosen(split)
    qrels = dataset.qrels(part)
    queries = judged_queries(list(dataset.queries(part)), qrels)
    if MOST and len(queries) > MOST[0]:
        queries = random.Random(0).sample(queries, MOST[0])
    tried = space(parts_of(opened), RERANK)
    table = ScoreTable(queries, opened, work / f"{name}.scores", on_run=lambda text: print(name, text, flush=True))
    tried.run(table)
    measure = Measure.of(MEASURES.get(name, "nDCG@10"))
    name = " ".join((name, *RERANK))
    return name, table, Graded.by(qrels, [q.id for q in queries], table.ids), tried, measure


def development(data: Path, work: Path, only: str) -> Iterator[tuple[str, ScoreTable, Graded, Space, Measure]]:
    if not only or "dl19" in only:
        yield from dl19(data)
    for name, split in DEVELOPMENT.items():
        if not only or name in only:
            yield of_collection(data, work, name, split)


def draw(values: Any, tried: Space, n: int, draws: int, more: Callable[..., Any] | None = None) -> dict[str, Any]:
    """Choices by n queries, judged by the others."""
    rng = np.random.default_rng(n)
    rows = []
    for number in range(draws):
        order = rng.permutation(len(values))
        c = Contenders(values[order[:n]], tried.points, tried.default)
        result = chosen(c, seed=number, repeats=1, flips=200, curve=False)
        rest = values[order[n:]].mean(axis=0)
        gains = rest - rest[tried.default]
        taken = result.chosen if result.worth else tried.default
        # Optimism is compared as a gain over the default, which the queries' own difficulty moves less.
        rows.append(
            [
                rest[tried.default],
                rest[result.best],
                rest[result.chosen],
                rest[taken],
                gains[result.best],
                gains[result.chosen],
                gains[taken],
                result.gain.seen - gains[result.chosen],
                result.gain.optimism,
                result.best_gain.seen - gains[result.best],
                result.best_gain.optimism,
                float(result.winner),
            ]
        )
    a = np.array(rows)
    mean = a.mean(axis=0)
    error = a.std(axis=0) / len(a) ** 0.5
    return {
        "n": n,
        "held_out": len(values) - n,
        "draws": draws,
        "pipelines": len(tried.texts),
        "default": mean[0],
        "argmax": mean[1],
        "choice": mean[2],
        "recommended": mean[3],
        "below.argmax": float((a[:, 4] < -0.01).mean()),
        "below.choice": float((a[:, 5] < -0.01).mean()),
        "below.recommended": float((a[:, 6] < -0.01).mean()),
        "optimism.true": mean[7],
        "optimism.true.error": error[7],
        "optimism.stated": mean[8],
        "argmax.optimism.true": mean[9],
        "argmax.optimism.stated": mean[10],
        "winner": mean[11],
    }


def keep(part: str, rows: Any) -> None:
    everything = json.loads(OUT.read_text()) if OUT.exists() else {}
    everything[part] = rows
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(everything, indent=1, default=float) + "\n")


def draws(data: Path, work: Path, count: int, only: str) -> None:
    for name, table, graded, tried, measure in development(data, work, only):
        values = tried.values(table, graded, measure)
        for n in (10, 20, 30) if len(values) < 60 else SIZES:
            start = time.process_time()
            row = {"data": name, "measure": str(measure), **draw(values, tried, n, count)}
            row["cpu_seconds"] = time.process_time() - start
            row = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
            print(json.dumps(row, default=float), flush=True)
            known = json.loads(OUT.read_text()).get("draws", []) if OUT.exists() else []  # other processes may write
            keep("draws", [r for r in known if (r["data"], r["n"]) != (name, n)] + [row])


def first_of_all(table: ScoreTable, tried: Space, k: int) -> tuple[list[Any], list[Any]]:
    """Of every query the documents of its pool, and the first k of every pipeline as positions in it, -1 if fewer."""
    results = [family.results(table) for family in tried.families]
    pools, tops = [], []
    for q in range(len(table.queries)):
        every = [Pool.of([r[q] for r in parts.values()]) for parts in results]
        pool = np.unique(np.concatenate([p.documents for p in every]))
        rows = []
        for p, family in zip(every, tried.families):
            best = np.searchsorted(pool, p.documents[p.top(family.weights, k)])
            rows.append(np.pad(best, ((0, 0), (0, k - best.shape[1])), constant_values=-1))
        pools.append(pool)
        tops.append(np.concatenate(rows))
    return pools, tops


def luck(data: Path, work: Path, count: int, only: str) -> None:
    """Winners where no pipeline can be better: the grades of each query are dealt anew among all documents that any
    search found."""
    for name, table, graded, tried, measure in development(data, work, only):
        pools, tops = first_of_all(table, tried, measure.depth)
        rng = np.random.default_rng(0)
        for n in (10, 20, 50):
            if n > len(pools):
                continue
            winners = 0
            for number in range(count):
                values = []
                for q in rng.choice(len(pools), n, replace=False):
                    grades = np.append(rng.permutation(graded.of(q, pools[q])), 0.0)  # the last for places left empty
                    values.append(measure.values(grades[tops[q]], graded.all[q]))
                c = Contenders(np.array(values), tried.points, tried.default)
                winners += luck_of(c.differences, number, flips=1000).p <= LEVEL
            row = {"data": name, "n": n, "draws": count, "no winner": round(1 - winners / count, 4)}
            print(json.dumps(row), flush=True)
            known = json.loads(OUT.read_text()).get("luck", []) if OUT.exists() else []
            keep("luck", [r for r in known if (r["data"], r["n"]) != (name, n)] + [row])


def _some(graded: Graded, queries: Any) -> Graded:
    parts = (graded.documents, graded.grades, graded.all)
    return Graded(*([part[q] for q in queries] for part in parts))


def speed(data: Path, work: Path) -> None:
    """10,000 fusions of four searches, a hundred results each, for 300 queries."""
    _, table, graded, _, measure = of_collection(data, work, "scifact", "train")
    searches = ["bm25 % 100", "minilm % 100", "splade % 100", "(bm25 % 5 >> rm3 >> bm25) % 100"]
    parts = {s: table.lists(s)[:300] for s in searches}
    weights = np.random.default_rng(0).dirichlet(np.ones(4), 10_000)
    wall, cpu = time.perf_counter(), time.process_time()
    measured(parts, weights, _some(graded, range(300)), measure)
    row = {"fusions": 10_000, "queries": 300, "searches": 4, "depth": 100}
    keep(
        "speed",
        row | {"cpu_seconds": round(time.process_time() - cpu, 1), "seconds": round(time.perf_counter() - wall, 1)},
    )
    print(OUT.read_text()[-300:])


def once(data: Path, work: Path) -> None:
    """The choice on parts that nothing was chosen by: by 50 of their queries, 20 draws of them, judged by the others;
    the best in hindsight beside it."""
    rows = []
    for name, split in TESTS.items():
        _, table, graded, tried, measure = of_collection(data, work, name, split)
        values = tried.values(table, graded, measure)
        best = int(values.mean(axis=0).argmax())
        for n in (20, 50):
            row = {
                "data": " ".join(filter(None, (name, split, *RERANK))),
                "measure": str(measure),
                **draw(values, tried, n, 50),
            }
            row |= {"default.pipeline": tried.texts[tried.default], "hindsight": float(values[:, best].mean())}
            row |= {"default.all": float(values[:, tried.default].mean()), "hindsight.pipeline": tried.texts[best]}
            shipped = {t: float(values[:, tried.texts.index(t)].mean()) for t in SHIPPED if t in tried.texts}
            row["shipped"] = shipped
            rows.append({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})
            print(json.dumps(rows[-1], default=float), flush=True)
            known = json.loads(OUT.read_text()).get("once", []) if OUT.exists() else []
            keep("once", [r for r in known if r["data"] not in {r["data"] for r in rows}] + rows)


SHIPPED = ("bm25", "bm25 + minilm", "bm25 % 100 >> mini", "bm25 % 100 >> tiny", "bm25 % 100 >> tiny % 20 >> mini")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["draws", "luck", "speed", "once"])
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--only", default="")
    parser.add_argument("--rerank", action="append", default=[])
    parser.add_argument("--most", type=int, action="append", default=[])
    args = parser.parse_args()
    RERANK.extend(args.rerank)
    MOST.extend(args.most)
    if args.part == "draws":
        draws(args.data, args.work, args.draws, args.only)
    elif args.part == "luck":
        luck(args.data, args.work, args.draws, args.only)
    elif args.part == "speed":
        speed(args.data, args.work)
    else:
        once(args.data, args.work)


if __name__ == "__main__":
    main()
