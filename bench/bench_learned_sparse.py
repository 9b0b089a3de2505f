"""uniCOIL, DeepImpact, DeepCT and COIL, trained small and short, as retrievers beside BM25 and SPLADE.

    python bench/bench_learned_sparse.py groups DATA WORK
    python bench/bench_learned_sparse.py train DATA WORK unicoil|deepimpact|deepct|coil
    python bench/bench_learned_sparse.py report DATA WORK

``groups``: judged training queries of SciFact and NFCorpus, one or two relevant texts each, with BM25's candidates as
the pool of negatives. ``train``: 800 of them once, on BERT-tiny's body with SPLADE-tiny's weights, InfoNCE over one
relevant text and three drawn negatives (DeepCT: its own loss). ``report``, run once: every document indexed by the
folder's name, nDCG@10 and R@100 on those test claims of SciFact whose abstracts no training claim needs, and
Cranfield, which no training saw; sizes, times, one thread.
Results: bench/results/learned_sparse.json.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from anyrank.core.types import Query, Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.index.build import build
from anyrank.index.collection import Collection
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

RESULTS = Path(__file__).parent / "results" / "learned_sparse.json"
KINDS = ("unicoil", "deepimpact", "deepct", "coil")
POOL, PER_QUERY = 20, 2
QUERIES = {"scifact": 809, "nfcorpus": 900}
LEFT_OUT = {"scifact": 50, "nfcorpus": 0}  # claims that may validate
MEASURES = ("nDCG@10", "R@100")
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


def write(data: Path, work: Path) -> None:
    rng = random.Random(0)
    groups: list[Group] = []
    for name in ("scifact", "nfcorpus"):
        queries = rng.sample(Dataset.open(data / name).queries("train"), QUERIES[name])
        part = list(training_part(Dataset.open(data / name), "train", candidates(data, work, name, queries)))
        groups += pairs(iter(part[LEFT_OUT[name] :]), rng)
    write_groups(work / "train.jsonl", groups)
    print(len(groups), "groups", flush=True)


def trained(work: Path, kind: str, start: str = "splade-tiny-fp32", epochs: int = 1) -> None:
    out = work / kind
    groups = random.Random(0).sample(list(read_groups(work / "train.jsonl")), GROUPS)
    recipe = Recipe(
        out=str(out),
        model=Model(kind=kind, start=start, max_length=96, options=OPTIONS.get(kind, {})),
        data=Data(draw=Draw(negatives=3, start=1e6, end=1e6), about="SciFact and NFCorpus, training judgements"),
        losses=() if kind == "deepct" else (Loss(name="infonce"),),
        optimiser=Optimiser(rate=3e-4, batch=16, epochs=epochs),
        export=Export(int8=False),
        threads=1,
    )
    if kind == "deepct":  # its loss is of relevant texts alone
        groups = [g.take([0]) for g in groups]
        recipe = replace(recipe, data=replace(recipe.data, draw=Draw()))
    start_time = time.perf_counter()
    done = train(recipe, train=groups)
    seconds = time.perf_counter() - start_time
    (work / f"{kind}-seconds.json").write_text(json.dumps(seconds))
    print(kind, round(seconds), "s", done.log[-2], flush=True)


def apart(data: Path) -> Qrels:
    """Judgements of the test claims of SciFact whose abstracts no training claim needs."""
    dataset = Dataset.open(data / "scifact")
    seen = {d for grades in dataset.qrels("train").values() for d, g in grades.items() if g > 0}
    test = dataset.qrels("test").items()
    return {q: grades for q, grades in test if not seen & {d for d, g in grades.items() if g > 0}}


def report(data: Path, work: Path) -> None:
    rows: dict[str, Any] = {}
    for name in ("scifact", "cranfield"):
        collection, dataset = opened(data, work, name), Dataset.open(data / name)
        qrels = apart(data) if name == "scifact" else dataset.qrels("test")
        queries = [q for q in dataset.queries("test") if q.id in qrels]
        pipelines, encoders = {"bm25": "bm25 % 100"}, {}
        if "splade-tiny" in collection.encoded:  # its encoding takes longest here: an index that has it is used
            pipelines["splade"], encoders["splade"] = "splade % 100", "splade-tiny"
        for kind in KINDS:
            if (work / kind / "anyrank.json").is_file():
                encoders[kind] = str(work / kind)
                pipelines[kind] = f'search("{work / kind}") % 100'
                pipelines[f"bm25 + {kind}"] = f'(bm25 % 100) + (search("{work / kind}") % 100)'
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
                folder = collection.path / "vectors" / stored(model(encoders[key]).name)
                row["bytes"] = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
                row["encoding seconds"] = round(encoding[key], 1)
            rows.setdefault(name, {})[key] = row
            print(name, key, row, flush=True)
        measured = evaluate(runs, qrels, MEASURES, baseline="bm25")
        print(measured.table("markdown"), flush=True)
        for key, row in rows[name].items():
            row.update({m: round(measured.mean(key, m), 4) for m in MEASURES})
    seconds = {k: json.loads(p.read_text()) for k in KINDS if (p := work / f"{k}-seconds.json").is_file()}
    RESULTS.write_text(json.dumps({"training seconds": seconds, "rows": rows}, indent=1) + "\n")


def main(part: str, data: str, work: str, *kinds: str) -> None:
    Path(work).mkdir(parents=True, exist_ok=True)
    if part == "groups":
        write(Path(data), Path(work))
    elif part == "train":
        for kind in kinds:
            trained(Path(work), kind)
    else:
        report(Path(data), Path(work))


if __name__ == "__main__":
    main(*sys.argv[1:])
