"""Every kind of reranker that can be trained, all the same way on the same data: quality, speed, size.

    python bench/bench_zoo.py DATA WORK MODEL[,MODEL…]|words|transformers|all [--seeds 3] [--steps N]
    python bench/bench_zoo.py table WORK      # writes bench/results/zoo.json and the table of docs/models.md

Several processes may share WORK. Training: queries of SciFact's and NFCorpus's training parts over BM25's best 50, and
TREC-QA's training questions over their given sentences; 8 texts a group, a relevant one and others drawn anew each
time. The learning rate of each family was chosen by 50 training claims of SciFact and 50 of TREC-QA's development
questions, which no training sees; the last weights count, and nothing is chosen by what is reported. Reported: DL19
over its given BM25 run of 100, and over BM25's best 50 the claims of SciFact's test part whose abstracts no training
claim needs ("apart"), 100 queries of NFCorpus dev, Vaswani.

Models of words start from MiniLM's table of word pieces, which stays as it is; transformers from SPLADE-tiny's body
(4.4 million weights, 2 layers). The same loss (softmax over a group), batch, steps and length for all; texts are cut to
their first LENGTH word pieces before, so that a model whose query and text share a length reads little less of them.
Models of documents in passages read passages of 40 words. "pairs a CPU second" is reading and scoring of 800 pairs of
DL19 on one thread, after a first run of some of them.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, takewhile
from pathlib import Path
from typing import Any

import numpy as np
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
from anyrank.papers import load
from anyrank.pipeline.parser import Settings, parse
from anyrank.train.group import Group
from anyrank.train.groups import read_groups, write_groups
from anyrank.train.judgements import judged
from anyrank.train.recipe import Check, Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.starts import start_folder
from anyrank.train.validation import scores

RESULT = Path(__file__).parent / "results" / "zoo.json"
PAGE = Path(__file__).parents[1] / "docs" / "models.md"
HEAD = """\
| model | trained weights | CPU min | pairs/s | DL19 | SciFact apart | NFCorpus dev | Vaswani | mean | seeds |
|---|---|---|---|---|---|---|---|---|---|
"""
REPORTED = (("dl19", "test"), ("scifact", "apart"), ("nfcorpus", "dev"), ("vaswani", "test"))
HELD_OUT, DEPTH, TEXTS, EACH, LENGTH, DEV, BATCH, STEPS = 50, 50, 8, 700, 128, 100, 8, 200
TIMED = 8
"""The lists of DL19 by which speed is measured."""
Sets = dict[str, list[Group]]

PASSAGES = {"window": 40, "stride": 40, "most": 4}
WORDS: dict[str, tuple[str, dict[str, Any]]] = {
    name: (name, {})
    for name in (
        "dssm",
        "cdssm",
        "arc_i",
        "arc_ii",
        "match_pyramid",
        "drmm",
        "drmm_tks",
        "anmm",
        "knrm",
        "conv_knrm",
        "duet",
        "pacrr",
        "co_pacrr",
        "mv_lstm",
        "match_srnn",
        "deeprank",
        "hint",
        "tk",
    )
}
TRANSFORMERS: dict[str, tuple[str, dict[str, Any]]] = {
    "cross": ("cross", {}),
    **{f"passages-{a}": ("passages", {"aggregate": a, **PASSAGES}) for a in ("first", "max", "mean", "sum", "top")},
    **{f"parade-{a}": ("parade", {"aggregate": a, **PASSAGES}) for a in ("max", "attn", "cnn", "transformer")},
    **{f"cedr-{h}": ("cedr", {"head": h}) for h in ("knrm", "pacrr", "drmm")},
    "prettr": ("prettr", {"join": 1}),
    "pyramid": ("pyramid", {"join": 1}),
    "bi": ("bi", {"similarity": "dot"}),
    "colbert": ("colbert", {}),
}
MODELS = {**WORDS, **TRANSFORMERS}
LISTED = {
    "cross": {"MS MARCO passage MRR@10": 0.352},
    "tk": {"MS MARCO passage MRR@10": 0.316},
    "passages-max": {"Robust04 nDCG@20": 0.469},
    "cedr-drmm": {"Robust04 nDCG@20": 0.526},
}
"""Figures of the survey's list (BERT, TK, BERT-MaxP, CEDR-DRMM) for models whose cards give others or none."""
RATES = {"words": 1e-3, "transformers": 1e-3, "drmm": 1e-2, "drmm_tks": 5e-2, "anmm": 1e-2}


def index(data: Path, work: Path, name: str) -> Collection:
    folder = work / f"index-{name}"
    if not (folder / "manifest.json").exists():
        build_index(Dataset.open(data / name).documents(), folder)
    return Collection.open(folder)


def listed(data: Path, work: Path, name: str, split: str) -> list[Group]:
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
        if split == "dev":
            queries = random.Random(0).sample([q for q in queries if q.id in qrels], DEV)
        search = parse(f"bm25 % {DEPTH}", Settings(index(data, work, name)))
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


def narrowed(group: Group) -> Group:
    """At most 4 relevant texts and 20 others of a training group."""
    rng = random.Random(group.id)
    good = [i for i, label in enumerate(group.labels) if label > 0]
    bad = [i for i, label in enumerate(group.labels) if label <= 0]
    return group.take([*rng.sample(good, min(4, len(good))), *rng.sample(bad, min(20, len(bad)))])


def cut(groups: Sequence[Group]) -> list[Group]:
    """The groups with the first LENGTH word pieces of each text."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(start_folder("all-minilm-l6-v2"))
    out = []
    for group in groups:
        texts = group.texts
        spans = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ends = [offsets[:LENGTH][-1][1] if offsets else 0 for offsets in spans["offset_mapping"]]
        short = tuple(replace(c, content=t[:end]) for c, t, end in zip(group.candidates, texts, ends))
        out.append(replace(group, candidates=short))
    return out


def sets(data: Path, work: Path) -> tuple[list[Group], Sets, Sets]:
    """Training groups, validation sets and reported sets; stored in ``work``."""
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
            search = parse(f"bm25 % {DEPTH}", Settings(index(data, work, name)))
            rankings = search.batch([Ranking(q) for q in queries])
            documents = {c.id: c.content for c in opened.documents()}
            made = list(judged(rankings, {q.id: qrels.get(q.id, {}) for q in queries}, documents))
            if name == "scifact":
                valid["scifact"], made = made[:HELD_OUT], made[HELD_OUT:]
            groups += made
        rng.shuffle(groups)
        for (name, split), label in zip(REPORTED, names):
            write_groups(work / f"report {label}.jsonl", cut(listed(data, work, name, split)))
        for name, held in valid.items():
            write_groups(work / f"valid {name}.jsonl", cut(held))
        write_groups(
            work / "train.jsonl", cut([narrowed(g) for g in groups if max(g.labels) > 0 and min(g.labels) <= 0])
        )
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


def recipe(name: str, out: Path, seed: int, steps: int) -> Recipe:
    kind, options = MODELS[name]
    words = issubclass(model_class(kind), WordModel)
    start = "all-minilm-l6-v2" if words else "splade-tiny-fp32"
    return Recipe(
        out=str(out),
        seed=seed,
        model=Model(
            kind=kind,
            start=start,
            max_length=LENGTH if words else LENGTH + 32,
            options={**({"frozen": True} if words else {}), **options},
        ),
        losses=(Loss(name="infonce", options={"temperature": 1.0}),),
        optimiser=Optimiser(
            rate=RATES.get(name, RATES["words" if words else "transformers"]),
            steps=steps,
            batch=BATCH,
            decay=0.0,
            bf16=False,
        ),
        check=Check(every=steps),
        export=Export(int8=False),
        threads=1,
    )


def speed(model: Any, groups: Sequence[Group]) -> float:
    """Pairs that a model reads and scores in a second of this process's CPU time."""
    scores(model, groups[:2])
    begin = time.process_time()
    scores(model, groups[:TIMED])
    return sum(len(g.candidates) for g in groups[:TIMED]) / (time.process_time() - begin)


def measured(name: str, seed: int, steps: int, data: Path, work: Path) -> dict[str, Any]:
    """One training: its cost and its quality."""
    groups, valid, report = sets(data, work)
    begin, clock = time.process_time(), time.perf_counter()
    out = work / "runs" / f"{name} {seed}"
    shutil.rmtree(out, ignore_errors=True)  # of a run that was stopped
    done = train(recipe(name, out, seed, steps), train=groups, valid=valid, draw=draw(seed))
    minutes = (time.process_time() - begin) / 60
    model = done.model.eval()
    row: dict[str, Any] = {
        "steps": steps,
        "weights": sum(p.numel() for p in model.parameters()),
        "trained weights": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "CPU minutes of training": round(minutes, 2),
        "minutes of training": round((time.perf_counter() - clock) / 60, 2),
        "pairs a CPU second": round(speed(model, report["dl19 test"])),
        "validation": {
            part: {run: round(e.mean(run, "nDCG@10"), 4) for run in e.runs} for part, e in done.effects.items()
        },
    }
    for label, lists in report.items():
        results = scores(model, lists)
        runs = {
            "model": {g.id: dict(zip(g.ids, s)) for g, s in zip(lists, results)},
            "first": {g.id: dict(zip(g.ids, g.priors)) for g in lists},
        }
        result = evaluate(runs, read_qrels(work / f"report {label}.tsv"), ["nDCG@10"])
        row[label] = {run: [round(v, 4) for v in result.values[run]["nDCG@10"]] for run in runs}
    return row


def interval(differences: Sequence[float]) -> list[float]:
    """The 95 % interval of a mean by the bootstrap over queries."""
    values = np.asarray(differences)
    means = np.random.default_rng(0).choice(values, (2000, len(values))).mean(1)
    return [round(float(x), 4) for x in np.quantile(means, (0.025, 0.975))]


def published(name: str) -> dict[str, float]:
    """The figures of the survey's list of results for a model: those of its card, or of LISTED."""
    figures = load(name).CARD.figures if name in WORDS else ()
    return {f"{f.dataset} {f.metric}": f.value for f in figures} | LISTED.get(name, {})


def agreement(ours: dict[str, float]) -> dict[str, Any]:
    """Kendall's tau of our means with each published list that has four of the models or more."""
    lists: dict[str, dict[str, float]] = {}
    for name in ours:
        for measure, value in published(name).items():
            lists.setdefault(measure, {})[name] = value
    out = {}
    for measure, figures in lists.items():
        if len(figures) > 3:
            signs = [np.sign(ours[a] - ours[b]) * np.sign(figures[a] - figures[b]) for a, b in combinations(figures, 2)]
            by_figure = sorted(figures, key=figures.__getitem__, reverse=True)
            out[measure] = {
                "theirs, best first": by_figure,
                "ours, best first": sorted(figures, key=ours.__getitem__, reverse=True),
                "Kendall's tau": round(float(np.mean(signs)), 2),
            }
    return out


def table(work: Path) -> dict[str, Any]:
    """Means and deviations over seeds of what WORK has; the other models of RESULT stay as they were measured."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for name in MODELS:
        for file in sorted((work / "rows").glob(f"{name} *.json")):
            rows.setdefault(name, []).append(json.loads(file.read_text()))
    labels = [f"{n} {s}" for n, s in REPORTED]
    one = next(iter(rows.values()))[0]
    out: dict[str, Any] = {
        "BM25": {label: round(statistics.mean(one[label]["first"]), 4) for label in labels},
        "models": {},
    }
    out["BM25"]["mean"] = round(statistics.mean(out["BM25"][label] for label in labels), 4)
    for name, measurements in rows.items():
        entry: dict[str, Any] = {"seeds": len(measurements)}
        entry |= {key: measurements[0][key] for key in ("steps", "weights", "trained weights", "validation")}
        for key in ("CPU minutes of training", "pairs a CPU second"):
            entry[key] = round(statistics.median(r[key] for r in measurements), 2)
        means = []
        for label in labels:
            seeds = np.array([r[label]["model"] for r in measurements])  # [seeds, queries]
            means.append(seeds.mean(1))
            entry[label] = {
                "nDCG@10": round(float(seeds.mean()), 4),
                "deviation": round(float(seeds.mean(1).std(ddof=1)), 4) if len(seeds) > 1 else None,
                "less BM25": interval(seeds.mean(0) - np.array(one[label]["first"])),
            }
        over = np.array(means).mean(0)  # the mean over the sets, by seed
        entry["mean"] = round(float(over.mean()), 4)
        entry["deviation of the mean"] = round(float(over.std(ddof=1)), 4) if len(over) > 1 else None
        out["models"][name] = entry
    before = json.loads(RESULT.read_text())["models"] if RESULT.exists() else {}
    out["models"] = {n: m for n in MODELS if (m := out["models"].get(n) or before.get(n))}
    out["survey"] = agreement({name: entry["mean"] for name, entry in out["models"].items()})
    return out


def short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def page(result: dict[str, Any]) -> list[str]:
    """The rows of docs/models.md: models by falling mean."""
    labels = [f"{n} {s}" for n, s in REPORTED]
    order = sorted(result["models"].items(), key=lambda item: -item[1]["mean"])
    out = []
    for name, e in order:
        cells = []
        for label in labels:
            low, high = e[label]["less BM25"]
            sign = " +" if low > 0 else " -" if high < 0 else ""
            cells.append(short(e[label]["nDCG@10"]) + sign)
        spread = "" if e["deviation of the mean"] is None else f" ± {short(e['deviation of the mean'])}"
        trained = f"{e['trained weights']:,}"
        cost = f"{e['CPU minutes of training']:.1f} | {e['pairs a CPU second']:,.0f}"
        out.append(f"| {name} | {trained} | {cost} | {' | '.join(cells)} | {short(e['mean'])}{spread} | {e['seeds']} |")
    means = " | ".join(short(result["BM25"][label]) for label in labels)
    out.append(f"| BM25's own order | | | | {means} | {short(result['BM25']['mean'])} | |")
    return out


def write_page(rows: Sequence[str]) -> None:
    """Put the rows behind the head of the page's table, in place of those there."""
    text = PAGE.read_text(encoding="utf-8")
    before, head, rest = text.partition(HEAD)
    if not head:
        raise SystemExit(f"{PAGE} lacks the head of the table: {HEAD.splitlines()[0]}")
    old = list(takewhile(lambda line: line.startswith("|"), rest.splitlines()))
    after = rest.splitlines()[len(old) :]
    PAGE.write_text(before + head + "\n".join([*rows, *after]) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("models", nargs="?", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    if str(options.data) == "table":
        result = table(options.work)
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        write_page(page(result))
        return
    (options.work / "rows").mkdir(parents=True, exist_ok=True)
    groups = {"words": WORDS, "transformers": TRANSFORMERS, "all": MODELS}
    names = list(groups.get(options.models, options.models.split(",")))
    for seed in range(options.seeds):
        for name in names:
            file = options.work / "rows" / f"{name} {seed}.json"
            if not file.exists():
                row = measured(name, seed, options.steps, options.data, options.work)
                file.write_text(json.dumps(row))
                print(name, seed, json.dumps({k: v for k, v in row.items() if k not in REPORTED}), flush=True)


if __name__ == "__main__":
    main()
