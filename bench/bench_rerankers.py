"""Trained rerankers against the training-free ones over BM25's top 100: nDCG@10, pairs a second, memory.

    python bench/bench_rerankers.py dev|report DATA WORK [tiny=FOLDER mini=FOLDER …]
    python bench/bench_rerankers.py cost DATA WORK tiny=FOLDER mini=FOLDER

``dev`` is where choices are made: 50 of SciFact's training claims that no training saw, 50 queries of NFCorpus dev, 200
of CoSQA dev, and the questions of TREC-QA's training and development parts over their given sentences. ``report`` is
run once, when they are made: TREC DL19's given top 100, SciFact test, Cranfield, Vaswani, and the other 300 queries of
CoSQA dev. Half of SciFact's test claims need an abstract that a training claim needs too, which a trained model
may have learned by heart: the others stand for themselves ("scifact apart"), and count in the mean.
Every model scores each list once; the scores are kept in WORK, by the graph's hash, and fused as pipelines fuse them.
``cost``: 1,000 pairs of DL19 in a process of its own for each pipeline, one thread, all encoded anew, in turns.
Results: bench/results/rerankers-PART.json.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from quality import collection

from anyrank.core.fusion import Combine
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.index.collection import Collection
from anyrank.io.corpus import read_documents, read_queries
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import Qrels, read_qrels
from anyrank.io.runs import attach, read_run
from anyrank.pipeline.parser import Settings, parse
from anyrank.train.group import Group
from anyrank.train.groups import read_groups, write_groups
from anyrank.train.teachers import ranking_of

RESULTS = Path(__file__).parent / "results"
FIRST = {"scifact": 50, "nfcorpus": 50, "cosqa": 200}  # queries of dev (SciFact's are held out by make_groups.py)
PARTS = {
    "dev": (("scifact", "train"), ("nfcorpus", "dev"), ("cosqa", "dev"), ("trec-qa", "dev")),
    "report": (
        ("dl19", "test"),
        ("scifact", "test"),
        ("scifact", "apart"),
        ("cranfield", "test"),
        ("vaswani", "test"),
        ("cosqa", "rest"),
    ),
}
MEAN = ("dl19 test", "scifact apart", "cranfield test", "vaswani test", "cosqa rest")
"""What a report's mean is of."""
SHIPPED = ("minilm", "splade", "mini")
FREE = ("minilm", "splade", "minilm + splade", "minilm + splade + 0.5 * prior")
ROUNDS, QUERIES = 3, 10

Scores = dict[str, dict[str, float]]


def pipelines(names: Iterable[str]) -> list[str]:
    """Without training, each model, and each fused with what it might gain from."""
    more = (
        name + rest
        for name in ("mini", *names)
        for rest in ("", " + splade", " + minilm", " + minilm + splade", " + 0.5 * prior")
    )
    return ["prior", *FREE, *more]


def sentences(folder: Path) -> tuple[list[Ranking], Qrels]:
    """TREC-QA's questions that have right and wrong answers, these in a drawn order and all of score 0."""
    rows: dict[str, dict[str, int]] = {}
    for part in ("train", "dev"):
        with gzip.open(folder / f"{part}.csv.gz", "rt", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found = rows.setdefault(written(row["qtext"]), {})
                found[written(row["atext"])] = max(int(row["label"]), found.get(written(row["atext"]), 0))
    rankings, qrels = [], {}
    for n, (question, graded) in enumerate(rows.items()):
        if 0 < sum(graded.values()) < len(graded):
            answers = list(enumerate(graded))
            random.Random(n).shuffle(answers)
            candidates = tuple(Candidate(str(i), text, 0.0) for i, text in answers)
            rankings.append(Ranking(Query(f"q{n}", question), candidates))
            qrels[f"q{n}"] = {str(i): graded[text] for i, text in answers}
    return rankings, qrels


def written(text: str) -> str:
    """A text as people write it, of one that was split into tokens."""
    for token, said in (("``", '"'), ("''", '"'), ("-LRB-", "("), ("-RRB-", ")")):
        text = text.replace(token, said)
    return text


def judgements(data: Path, name: str, split: str) -> tuple[list[Query], Qrels]:
    if name == "trec-qa":
        asked, grades = sentences(data / name)
        return [r.query for r in asked], grades
    if name == "dl19":
        given = data / "dl-candidates"
        return list(read_queries(given / "dl19.queries.tsv")), read_qrels(given / "qrels/dl19-passage.qrels")
    opened, part = Dataset.open(data / name), {"rest": "dev", "apart": "test"}.get(split, split)
    queries, qrels = opened.queries(part), opened.qrels(part)
    if split == "apart":
        learned = {i for grades in opened.qrels("train").values() for i, grade in grades.items() if grade > 0}
        queries = [q for q in queries if not learned & {i for i, grade in qrels.get(q.id, {}).items() if grade > 0}]
    elif split != "test":
        queries = queries[FIRST[name] :] if split == "rest" else queries[: FIRST[name]]
    return queries, {q.id: qrels[q.id] for q in queries if q.id in qrels}


def lists(data: Path, work: Path, name: str, split: str) -> list[Ranking]:
    """BM25's top 100, and beside them in ``work`` the scores of the shipped encoders."""
    folder = place(work, name, split)
    kept = folder / "lists.jsonl"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        queries, _ = judgements(data, name, split)
        if name == "trec-qa":
            found, settings = sentences(data / name)[0], Settings()
        elif name == "dl19":
            run, texts = (
                read_run(data / "dl-candidates/runs/dl19.BM25.top100.trec"),
                read_documents(data / "dl-candidates/dl19.passages.jsonl.gz"),
            )
            found, settings = attach(run, [q for q in queries if q.id in run], texts), Settings()
        else:
            index = work / f"index-{name}"
            opened = Collection.open(index) if index.exists() else collection(Dataset.open(data / name), index)
            settings = Settings(opened)
            found = [r for r in parse("bm25 % 100", settings).batch([Ranking(q) for q in queries]) if len(r)]
        for free in ("minilm", "splade"):
            keep(folder / f"{free}.json", parse(free, settings, starts=False).batch(found))
        write_groups(kept, (Group.of(r.query, list(r), [0.0] * len(r)) for r in found))
    asked = {q.id for q in judgements(data, name, split)[0]}
    return [r for r in map(ranking_of, read_groups(kept)) if r.query.id in asked]


def place(work: Path, name: str, split: str) -> Path:
    """Where lists and scores are kept."""
    return work / f"{name}-{split.replace('apart', 'test')}"


def digest(folder: str) -> str:
    """The sha256 of a model's graph."""
    found = next(p for p in (Path(folder) / "onnx" / "model.onnx", Path(folder) / "model.onnx") if p.exists())
    return hashlib.sha256(found.read_bytes()).hexdigest()


def keep(file: Path, rankings: Iterable[Ranking]) -> Scores:
    found = {r.query.id: dict(zip(r.ids, r.scores)) for r in rankings}
    file.write_text(json.dumps(found))
    return found


def scored(data: Path, work: Path, name: str, split: str, models: dict[str, str]) -> dict[str, Scores]:
    starts = lists(data, work, name, split)
    out = {"prior": {r.query.id: dict(zip(r.ids, r.scores)) for r in starts}}
    for model in (*SHIPPED, *models):
        kept = f"{model}-{digest(models[model])[:12]}" if model in models else model
        file = place(work, name, split) / f"{kept}.json"
        if not file.exists():
            begin = time.perf_counter()
            text = f'model("{models[model]}")' if model in models else model
            keep(file, parse(text, starts=False).batch(starts))
            print(f"{name}: {model} in {time.perf_counter() - begin:.0f} s", flush=True)
        out[model] = json.loads(file.read_text())
    return out


def fused(pipeline: str, scores: dict[str, Scores]) -> Scores:
    weights, names = [], []
    for part in pipeline.split(" + "):
        weight, _, name = part.rpartition(" * ")
        weights.append(float(weight or 1))
        names.append(name)
    if len(names) == 1:
        return scores[names[0]]
    return {q: Combine()([scores[n][q] for n in names], weights) for q in scores["prior"]}


def quality(part: str, data: Path, work: Path, models: dict[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, split in PARTS[part]:
        scores = scored(data, work, name, split, models)
        qrels = judgements(data, name, split)[1]
        runs = {p: fused(p, scores) for p in pipelines(models)}
        result = evaluate(runs, qrels, ["nDCG@10", "RR@10"])
        print(f"\n{name} {split}\n{result.table()}", flush=True)
        found[f"{name} {split}"] = {p: {m: round(result.mean(p, m), 4) for m in ("nDCG@10", "RR@10")} for p in runs}
    counted = [v for k, v in found.items() if part == "dev" or k in MEAN]
    means = {p: round(statistics.mean(v[p]["nDCG@10"] for v in counted), 4) for p in pipelines(models)}  # type: ignore[index]
    print(json.dumps(means, indent=1))
    return {**found, "mean nDCG@10": means}


def measured(data: Path, work: Path, text: str) -> None:
    """What a child process prints: seconds for 1,000 pairs, and its peak memory in MB."""
    starts = lists(data, work, "dl19", "test")[:QUERIES]
    stage = parse(text, starts=False)
    stage.batch([starts[0][:2]])
    begin = time.perf_counter()
    for r in starts:
        stage.batch([r])
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "pairs": sum(map(len, starts)), "mb": peak}))


def costs(data: Path, work: Path, models: dict[str, str]) -> dict[str, object]:
    texts = {name: name for name in (*SHIPPED, "minilm + splade")}
    texts |= {name: f'model("{folder}")' for name, folder in models.items()}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in texts}
    for _ in range(ROUNDS):
        for name, text in texts.items():
            call = ["taskset", "-c", "0", sys.executable, __file__, "measure", str(data), str(work), text]
            said = subprocess.run(call, capture_output=True, text=True, check=True).stdout
            rows[name].append(json.loads(said.splitlines()[-1]))
    return {
        name: {
            "pairs a second": round(statistics.median(r["pairs"] / r["seconds"] for r in found), 1),
            "of all rounds": [round(r["pairs"] / r["seconds"], 1) for r in found],
            "MB": round(max(r["mb"] for r in found)),
        }
        for name, found in rows.items()
    }


def main(part: str, data: Path, work: Path, models: dict[str, str]) -> None:
    found = costs(data, work, models) if part == "cost" else quality(part, data, work, models)
    if part == "cost":
        print(json.dumps(found, indent=1))
    found["models"] = {name: digest(folder) for name, folder in models.items()}
    (RESULTS / f"rerankers-{part}.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in (*PARTS, "cost", "measure"):
        sys.exit(__doc__)
    if sys.argv[1] == "measure":
        measured(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    else:
        main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), dict(a.split("=", 1) for a in sys.argv[4:]))
