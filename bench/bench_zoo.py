"""The kinds of models that can be trained, all the same way on the same data: quality, speed, size.

    python bench/bench_zoo.py DATA WORK KIND[,KIND…] [--seeds 3] [--steps N]     # one process; several may share WORK
    python bench/bench_zoo.py table WORK                                         # writes bench/results/zoo.json

Training: queries of SciFact's and NFCorpus's training parts over BM25's best 50, and TREC-QA's training questions over
their given sentences; 8 texts a group, a relevant one and others drawn anew each time. The best checkpoint is chosen by
50 training claims of SciFact and 50 of TREC-QA's development questions, which no training sees; nothing is chosen by
what is reported. Reported, over BM25's best 100: DL19 (its given run), the claims of SciFact's test part whose
abstracts no training claim needs ("apart"), NFCorpus dev, Vaswani.

Models of words start from MiniLM's table of word pieces, which stays as it is; transformers from SPLADE-tiny's body
(4.4 million weights, 2 layers). The same loss (softmax over a group), batch, steps and length for all.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench_rerankers import judgements, written

from anyrank.core.types import Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.index.build import build as build_index
from anyrank.index.collection import Collection
from anyrank.io.corpus import read_documents
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import read_qrels, write_qrels
from anyrank.io.runs import attach, read_run
from anyrank.models import model_class
from anyrank.models.parts.words import WordModel
from anyrank.pipeline.parser import Settings, parse
from anyrank.train.group import Group
from anyrank.train.groups import read_groups, write_groups
from anyrank.train.judgements import judged
from anyrank.train.recipe import Check, Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.validation import scores

RESULT = Path(__file__).parent / "results" / "zoo.json"
REPORTED = (("dl19", "test"), ("scifact", "apart"), ("nfcorpus", "dev"), ("vaswani", "test"))
HELD_OUT, TEXTS, EACH, LENGTH = 50, 8, 700, 180
Sets = dict[str, list[Group]]


def index(data: Path, work: Path, name: str) -> Collection:
    folder = work / f"index-{name}"
    if not (folder / "manifest.json").exists():
        build_index(Dataset.open(data / name).documents(), folder)
    return Collection.open(folder)


def listed(data: Path, work: Path, name: str, split: str, depth: int) -> list[Group]:
    """BM25's best documents for the queries of a part, with their grades, as groups of a training."""
    if name == "dl19":
        queries, qrels = judgements(data, name, split)
        run = read_run(data / "dl-candidates/runs/dl19.BM25.top100.trec")
        texts = read_documents(data / "dl-candidates/dl19.passages.jsonl.gz")
        rankings = attach(run, [q for q in queries if q.id in run], texts)
    else:
        opened = Dataset.open(data / name)
        queries, qrels = opened.queries(split.replace("apart", "test")), opened.qrels(split.replace("apart", "test"))
        if split == "apart":
            queries, qrels = judgements(data, name, split)
        search = parse(f"bm25 % {depth}", Settings(index(data, work, name)))
        rankings = search.batch([Ranking(q) for q in queries if q.id in qrels])
    rows = [r for r in rankings if len(r)]
    write_qrels(work / f"report {name} {split}.tsv", {r.query.id: qrels[r.query.id] for r in rows})
    return [Group.of(r.query, r, [float(qrels[r.query.id].get(c.id, 0)) for c in r]) for r in rows]


def questions(data: Path, part: str) -> Iterator[Group]:
    """TREC-QA's questions of a part that have right and wrong answers."""
    rows: dict[str, dict[str, float]] = {}
    with gzip.open(data / "trec-qa" / f"{part}.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            answers = rows.setdefault(written(row["qtext"]), {})
            text = written(row["atext"])
            answers[text] = max(float(row["label"]), answers.get(text, 0.0))
    for n, (question, graded) in enumerate(rows.items()):
        if 0 < sum(graded.values()) < len(graded):
            yield Group.from_texts(question, tuple(graded), tuple(graded.values()), f"{part}-{n}")


def sets(data: Path, work: Path) -> tuple[list[Group], Sets, Sets]:
    """Training groups, validation sets and reported sets; kept in ``work``."""
    names = [f"{n} {s}" for n, s in REPORTED]
    if not (work / "train.jsonl").exists():
        work.mkdir(parents=True, exist_ok=True)
        rng, groups = random.Random(0), []
        valid: Sets = {"trec-qa": list(questions(data, "dev"))[:HELD_OUT]}
        seen = {g.query for g in valid["trec-qa"]}
        groups += [g for g in questions(data, "train") if g.query not in seen]
        for name in ("scifact", "nfcorpus"):
            opened = Dataset.open(data / name)
            queries, qrels = opened.queries("train"), opened.qrels("train")
            queries = queries if name == "scifact" else rng.sample(queries, EACH)
            search = parse("bm25 % 50", Settings(index(data, work, name)))
            rankings = search.batch([Ranking(q) for q in queries])
            documents = {c.id: c.content for c in opened.documents()}
            made = list(judged(rankings, {q.id: qrels.get(q.id, {}) for q in queries}, documents))
            if name == "scifact":
                valid["scifact"], made = made[:HELD_OUT], made[HELD_OUT:]
            groups += made
        rng.shuffle(groups)
        for (name, split), label in zip(REPORTED, names):
            write_groups(work / f"report {label}.jsonl", listed(data, work, name, split, 100))
        for name, held in valid.items():
            write_groups(work / f"valid {name}.jsonl", held)
        write_groups(work / "train.jsonl", groups)
    valid = {n: list(read_groups(work / f"valid {n}.jsonl")) for n in ("scifact", "trec-qa")}
    return (
        list(read_groups(work / "train.jsonl")),
        valid,
        {n: list(read_groups(work / f"report {n}.jsonl")) for n in names},
    )


def draw(seed: int) -> Any:
    """(group, epoch) -> a relevant text and others, drawn anew each epoch."""

    def drawn(group: Group, epoch: int) -> Group:
        rng = random.Random(f"{seed} {group.id} {epoch}")
        good = [i for i, label in enumerate(group.labels) if label > 0]
        bad = [i for i, label in enumerate(group.labels) if label <= 0]
        return group.take([rng.choice(good), *rng.sample(bad, min(TEXTS - 1, len(bad)))])

    return drawn


def recipe(kind: str, options: dict[str, Any], out: Path, seed: int, steps: int) -> Recipe:
    words = issubclass(model_class(kind), WordModel)
    start = "all-minilm-l6-v2" if words else "splade-tiny-fp32"
    return Recipe(
        out=str(out),
        seed=seed,
        model=Model(
            kind=kind, start=start, max_length=LENGTH, options={**({"frozen": True} if words else {}), **options}
        ),
        losses=(Loss(name="infonce", options={"temperature": 1.0}),),
        optimiser=Optimiser(rate=1e-3 if words else 2e-4, steps=steps, batch=16, decay=0.0, bf16=False),
        check=Check(every=max(steps // 5, 1)),
        export=Export(int8=False),
        threads=1,
    )


def measured(kind: str, seed: int, steps: int, data: Path, work: Path) -> dict[str, Any]:
    """One training: its cost and its quality."""
    name, _, text = kind.partition(":")
    options = json.loads(text) if text else {}
    groups, valid, report = sets(data, work)
    groups = [g for g in groups if max(g.labels) > 0 and min(g.labels) <= 0]
    begin, clock = time.process_time(), time.perf_counter()
    out = work / "runs" / f"{kind.replace(':', ' ').replace('/', ' ')} {seed}"
    done = train(recipe(name, options, out, seed, steps), train=groups, valid=valid, draw=draw(seed))
    minutes = (time.process_time() - begin) / 60
    model = done.model.eval()
    row: dict[str, Any] = {
        "weights": sum(p.numel() for p in model.parameters()),
        "trained weights": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "CPU minutes of training": round(minutes, 2),
        "minutes of training": round((time.perf_counter() - clock) / 60, 2),
        "validation": {n: round(e.mean(next(reversed(e.runs)), "nDCG@10"), 4) for n, e in done.effects.items()},
    }
    pairs, begin = 0, time.process_time()
    for name, asked in report.items():
        results = scores(model, asked)
        runs = {
            "model": {g.id: dict(zip(g.ids, s)) for g, s in zip(asked, results)},
            "first": {g.id: dict(zip(g.ids, g.priors or range(g.size, 0, -1))) for g in asked},
        }
        result = evaluate(runs, read_qrels(work / f"report {name}.tsv"), ["nDCG@10"], baseline="first")
        row[name] = {n: round(result.mean(n, "nDCG@10"), 4) for n in runs}
        pairs += sum(g.size for g in asked)
    row["pairs a CPU second"] = round(pairs / (time.process_time() - begin))
    return row


def table(work: Path) -> dict[str, Any]:
    """Means and deviations over seeds of what has been measured."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for file in sorted((work / "rows").glob("*.json")):
        rows.setdefault(file.stem.rpartition(" ")[0], []).append(json.loads(file.read_text()))
    out: dict[str, Any] = {}
    for kind, found in rows.items():
        first = found[0]
        out[kind] = {"seeds": len(found), "weights": first["weights"], "trained weights": first["trained weights"]}
        for name in ("CPU minutes of training", "pairs a CPU second"):
            out[kind][name] = round(statistics.median(r[name] for r in found), 2)
        for name, split in REPORTED:
            values = [r[f"{name} {split}"]["model"] for r in found]
            out[kind][f"{name} {split}"] = {
                "nDCG@10": round(statistics.mean(values), 4),
                "deviation": round(statistics.stdev(values), 4) if len(values) > 1 else None,
                "first stage": first[f"{name} {split}"]["first"],
            }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("kinds", nargs="?", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    given = parser.parse_args()
    if str(given.data) == "table":
        RESULT.write_text(json.dumps(table(given.work), indent=1) + "\n")
        print(RESULT.read_text())
        return
    (given.work / "rows").mkdir(parents=True, exist_ok=True)
    for seed in range(given.seeds):
        for kind in given.kinds.split(","):
            file = given.work / "rows" / f"{kind.replace('/', ' ')} {seed}.json"
            if not file.exists():
                row = measured(kind, seed, given.steps, given.data, given.work)
                file.write_text(json.dumps(row))
                print(kind, seed, json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
