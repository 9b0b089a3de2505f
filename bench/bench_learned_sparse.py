"""uniCOIL, DeepImpact, DeepCT and COIL, trained small and short, as retrievers beside BM25 and SPLADE.

    python bench/bench_learned_sparse.py groups DATA WORK
    python bench/bench_learned_sparse.py train DATA WORK unicoil deepct coil:rate=1e-3,epochs=2   # KIND[:SETTINGS] …
    python bench/bench_learned_sparse.py dev DATA WORK      # variants and starts, on claims that choose
    python bench/bench_learned_sparse.py report DATA WORK [cranfield]    # the best of each kind, once; adds to results
    anyrank expand DATA/cranfield -o EXPANDED.jsonl --model WORK/deepct-epochs=2
    python bench/bench_learned_sparse.py repeated DATA WORK cranfield EXPANDED.jsonl    # DeepCT by BM25

``groups``: judged training queries of SciFact and NFCorpus, one or two relevant texts each, with BM25's candidates as
the pool of negatives. ``train``: 800 of them, on BERT-tiny's body with SPLADE-tiny's weights, InfoNCE over one relevant
text, three drawn negatives and, unless ``in_batch=false``, the texts of the other groups of a batch (DeepCT: its own
loss). ``dev``: 200 training claims of SciFact that no group has, over their abstracts and 1,000 others. ``report``:
every document indexed by the folder's name, nDCG@10 and R@100 on those test claims of SciFact whose abstracts no
training claim needs, and Cranfield, which no training saw; sizes, times, one thread.
Results: bench/results/learned_sparse.json.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from anyrank.core.types import Query, Ranking
from anyrank.evaluate.evaluation import Evaluation, evaluate
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.io.corpus import read_documents
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import Qrels
from anyrank.pipeline.parser import Settings, parse
from anyrank.pipeline.table import model
from anyrank.store.vector_names import stored
from anyrank.train.group import Group
from anyrank.train.groups import read_groups, write_groups
from anyrank.train.judgements import training_part
from anyrank.train.negatives import Draw
from anyrank.train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.setup import build as built

RESULTS = Path(__file__).parent / "results" / "learned_sparse.json"
KINDS = ("unicoil", "deepimpact", "deepct", "coil")
BODY = "splade-tiny-fp32"
POOL, PER_QUERY = 20, 2
QUERIES = {"scifact": 809, "nfcorpus": 900}
LEFT_OUT = {"scifact": 200, "nfcorpus": 0}  # claims that choose
MEASURES = ("nDCG@10", "R@100")
REPEATED = "bm25(k1=10, b=0.9, title=1, smoothing=0)"
GROUPS = 800
"""Groups of a training: few, since the machine was shared when this ran."""
OPTIONS: dict[str, dict[str, Any]] = {"coil": {"dim": 16, "whole": 128}}


def opened(data: Path, work: Path, name: str) -> Collection:
    """The lexical index of a collection, built at the first call."""
    folder = work / f"{name}.index"
    if not (folder / "manifest.json").is_file():
        build(Dataset.open(data / name).documents(), folder)
    return Collection.open(folder)


def candidates(data: Path, work: Path, name: str, queries: Sequence[Query]) -> list[Ranking]:
    """BM25's candidates for queries."""
    stage = parse(f"bm25 % {POOL}", Settings(opened(data, work, name)))
    return stage.batch([Ranking(q) for q in queries])


def pairs(groups: Iterator[Group], rng: random.Random) -> Iterator[Group]:
    """For each query up to two groups: a relevant text before all that are not relevant."""
    for group in groups:
        rest = [i for i, label in enumerate(group.labels) if label <= 0]
        relevant = [i for i, label in enumerate(group.labels) if label > 0]
        for n, i in enumerate(rng.sample(relevant, min(PER_QUERY, len(relevant)))):
            if rest:
                one = group.take([i, *rest])
                yield replace(one, labels=(1.0, *[0.0] * len(rest)), id=f"{group.id}-{n}", grades=())


def drawn(data: Path, name: str, rng: random.Random) -> list[Query]:
    """Training queries of a collection in random order."""
    return rng.sample(Dataset.open(data / name).queries("train"), QUERIES[name])


def write(data: Path, work: Path) -> None:
    rng = random.Random(0)
    groups: list[Group] = []
    for name in ("scifact", "nfcorpus"):
        queries = drawn(data, name, rng)[LEFT_OUT[name] :]
        part = training_part(Dataset.open(data / name), "train", candidates(data, work, name, queries))
        groups += pairs(part, rng)
    write_groups(work / "train.jsonl", groups)
    print(len(groups), "groups", flush=True)


def recipe_of(kind: str, out: Path, settings: dict[str, Any]) -> Recipe:
    """The training of a kind; ``settings`` are those of its optimiser, its loss's temperature, and in_batch."""
    own, temperature = kind == "deepct", settings.pop("temperature", 1.0)
    options = OPTIONS.get(kind, {}) | ({} if own else {"in_batch": settings.pop("in_batch", True)})
    return Recipe(
        out=str(out),
        model=Model(kind=kind, start=BODY, max_length=96, options=options),
        # DeepCT's loss is of relevant texts alone.
        data=Data(draw=Draw() if own else Draw(negatives=3, start=1e6, end=1e6), about="SciFact and NFCorpus"),
        losses=() if own else (Loss(name="infonce", options={"temperature": temperature}),),
        optimiser=Optimiser(**{"rate": 3e-4, "batch": 16, **settings}),
        export=Export(int8=False),
        threads=1,
    )


def trained(work: Path, spec: str) -> None:
    """One variant of a kind, trained into a folder named after it."""
    kind, _, text = spec.partition(":")
    settings = {k: json.loads(v) for k, v in (pair.split("=") for pair in text.split(",") if pair)}
    groups = list(read_groups(work / "train.jsonl"))
    groups = random.Random(0).sample(groups, min(settings.pop("groups", GROUPS), len(groups)))
    recipe = recipe_of(kind, work / spec.replace(":", "-"), settings)
    start = time.process_time()
    done = train(recipe, train=[g.take([0]) for g in groups] if kind == "deepct" else groups)
    losses = [round(entry["loss"], 3) for entry in done.log if "loss" in entry]
    about = {"kind": kind, "groups": len(groups), "cpu": round(time.process_time() - start), "losses": losses}
    (Path(recipe.out) / "bench.json").write_text(json.dumps(about))
    print(spec, about, flush=True)


def variants(work: Path) -> dict[str, dict[str, Any]]:
    """The variants that were trained, by folder."""
    return {p.parent.name: json.loads(p.read_text()) for p in sorted(work.glob("*/bench.json"))}


def started(work: Path, kind: str) -> Path:
    """A kind's folder before its first step."""
    folder = work / f"start-{kind}"
    if not folder.exists():
        torch.manual_seed(0)
        built(recipe_of(kind, folder, {}).model).save(folder)
    return folder


def dev(data: Path, work: Path) -> None:
    """nDCG@10 of every variant and start on the claims that choose."""
    dataset, rng = Dataset.open(data / "scifact"), random.Random(0)
    queries = drawn(data, "scifact", rng)[: LEFT_OUT["scifact"]]
    qrels = {q.id: dataset.qrels("train")[q.id] for q in queries}
    needed = {i for grades in qrels.values() for i in grades}
    documents = list(dataset.documents())
    others = set(rng.sample([d.id for d in documents], 1000))
    values: dict[str, float] = json.loads(p.read_text()) if (p := work / "dev.json").exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        collection = build((d for d in documents if d.id in needed | others), Path(scratch) / "index")
        kinds = sorted({about["kind"] for about in variants(work).values()})
        folders = [*(started(work, kind) for kind in kinds), *(work / name for name in variants(work))]
        for name, folder in {"bm25": None, **{f.name: f for f in folders}}.items():
            if name in values:
                continue
            if folder is not None:
                encoder = model(str(folder))
                collection.encode(encoder, stored(encoder.name))
            stage = parse("bm25 % 10" if folder is None else f'search("{folder}") % 10', Settings(collection))
            run = stage.batch([Ranking(q) for q in queries])
            values[name] = round(evaluate({name: run}, qrels, ["nDCG@10"]).mean(name, "nDCG@10"), 4)
            print(name, values[name], flush=True)
    (work / "dev.json").write_text(json.dumps(values, indent=1))
    note(dev=values)


def apart(data: Path) -> Qrels:
    """Judgements of the test claims of SciFact whose abstracts no training claim needs."""
    dataset = Dataset.open(data / "scifact")
    seen = {d for grades in dataset.qrels("train").values() for d, g in grades.items() if g > 0}
    test = dataset.qrels("test").items()
    return {q: grades for q, grades in test if not seen & {d for d, g in grades.items() if g > 0}}


def report(data: Path, work: Path, names: Sequence[str]) -> None:
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows: dict[str, Any] = known.get("rows", {})
    values = json.loads(p.read_text()) if (p := work / "dev.json").exists() else {}
    best: dict[str, str] = {}
    for name, about in variants(work).items():
        if about["kind"] not in best or values.get(name, 0.0) > values[best[about["kind"]]]:
            best[about["kind"]] = name
    folders = {kind: str(work / name) for kind, name in best.items()}
    for name in names or ("scifact", "cranfield"):
        collection, dataset = opened(data, work, name), Dataset.open(data / name)
        qrels = apart(data) if name == "scifact" else dataset.qrels("test")
        queries = [q for q in dataset.queries("test") if q.id in qrels]
        pipelines, encoders = {"bm25": "bm25 % 100"}, {}
        if "splade-tiny" in collection.encoded:  # its encoding takes longest here: an index that has it is used
            pipelines["splade"], encoders["splade"] = "splade % 100", "splade-tiny"
        starts = {f"{kind} at its start": str(started(work, kind)) for kind in best} if name == "cranfield" else {}
        for key, folder in (folders | starts).items():
            encoders[key] = folder
            pipelines[key] = f'search("{folder}") % 100'
            if key in best:
                pipelines[f"bm25 + {key}"] = f'(bm25 % 100) + (search("{folder}") % 100)'
        encoding, runs = {}, {}
        for key, encoder in encoders.items():
            begin = time.process_time()
            collection.encode(model(encoder), stored(model(encoder).name))
            encoding[key] = time.process_time() - begin
        for key, text in pipelines.items():
            stage = parse(text, Settings(collection))
            stage.batch([Ranking(queries[0])])
            begin = time.process_time()
            after = stage.batch([Ranking(q) for q in queries])
            milliseconds = 1000 * (time.process_time() - begin) / len(queries)
            runs[key] = after
            row = {"ms": round(milliseconds, 2)}
            if key in encoders:
                files = collection.path / "vectors" / stored(model(encoders[key]).name)
                row["bytes"] = sum(p.stat().st_size for p in files.rglob("*") if p.is_file())
                if encoding[key] < 1:  # the vectors were there already
                    encoding[key] = rows.get(name, {}).get(key, {}).get("encoding seconds", 0)
                row["encoding seconds"] = round(encoding[key], 1)
            rows.setdefault(name, {})[key] = row
            print(name, key, row, flush=True)
        measured = evaluate(runs, qrels, MEASURES, baseline="bm25")
        print(measured.table("markdown"), flush=True)
        for key in runs:
            rows[name][key] |= measures(measured, key)
    trainings = {kind: {"variant": name, **variants(work)[name]} for kind, name in best.items()}
    note(trainings=known.get("trainings", {}) | trainings, rows=rows)


def measures(evaluation: Evaluation, run: str) -> dict[str, Any]:
    """Means, the interval of the first measure, and its difference to BM25."""
    summaries, first = evaluation.summaries[run], MEASURES[0]
    row: dict[str, Any] = {m: round(summaries[m].mean, 4) for m in MEASURES}
    row |= {
        "queries": len(evaluation.queries),
        "interval": [round(summaries[first].low, 3), round(summaries[first].high, 3)],
    }
    if (against := evaluation.compared(run, first)) is not None:
        row |= {"difference": round(against.difference, 4), "p": float(f"{against.p:.2g}")}
    return row


def repeated(data: Path, work: Path, name: str, expanded: str) -> None:
    """BM25 over the words that DeepCT repeats, as its paper uses them."""
    dataset = Dataset.open(data / name)
    qrels = dataset.qrels("test")
    queries = [q for q in dataset.queries("test") if q.id in qrels]
    with tempfile.TemporaryDirectory() as scratch:
        collection = build(read_documents(expanded), Path(scratch) / "index")
        runs = {"bm25": parse("bm25 % 100", Settings(opened(data, work, name))).run(queries)}
        runs[REPEATED] = parse(f"{REPEATED} % 100", Settings(collection)).run(queries)
    evaluation = evaluate(runs, qrels, MEASURES, baseline="bm25")
    rows = json.loads(RESULTS.read_text())["rows"]
    rows[name]["deepct, repeated words"] = {"pipeline": REPEATED, **measures(evaluation, REPEATED)}
    print(rows[name]["deepct, repeated words"])
    note(rows=rows)


def note(**values: Any) -> None:
    """Adds to the results."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(known | values, indent=1) + "\n")


def main(part: str, data: str, work: str, *specs: str) -> None:
    Path(work).mkdir(parents=True, exist_ok=True)
    if part == "groups":
        write(Path(data), Path(work))
    elif part == "train":
        for spec in specs:
            trained(Path(work), spec)
    elif part == "dev":
        dev(Path(data), Path(work))
    elif part == "repeated":
        repeated(Path(data), Path(work), *specs)
    else:
        report(Path(data), Path(work), specs)


if __name__ == "__main__":
    main(*sys.argv[1:])
