"""What each step of making training data contributes: one small model trained on data made with it and without.

    python bench/bench_synth.py DATA WORK [--collections cranfield,nfcorpus] [--seeds 0,1,2] [--variants a/b]

DATA holds collections as BEIR folders; their judgements are read only to measure. The student is PACRR over MiniLM's
table of word pieces, as in bench_zoo.py: it learns by InfoNCE from as many groups of eight texts for every variant
(fewer where there are no more), and nothing is chosen by the result. Measured: nDCG@10 of BM25's best 50 reordered by
it, on at most 100 judged queries (of the test part, of dev where there is none) that have a relevant and another
document among the 50; the ideal is that of the 50. A difference is the mean over the seeds, its interval by
resampling queries. A row is not measured again while it is in bench/results/synth.json. "SmolLM2" (its weights:
anyrank models get smollm2-135m-instruct) writes for as many documents as rules do.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_adapt import DEPTH, indexed

from anyrank.core.types import Candidate
from anyrank.hub.open import open_model
from anyrank.index.collection import Collection
from anyrank.io.dataset import Dataset
from anyrank.pipeline.parser import Settings, parse
from anyrank.synth import lists
from anyrank.synth.harm import difference, ndcg
from anyrank.synth.job import assembled
from anyrank.synth.negatives import RoundTrip
from anyrank.synth.questions import ModelWriter, RuleWriter, Writer
from anyrank.synth.rewriting import Rewriting
from anyrank.synth.sampling import sample
from anyrank.train.group import Group
from anyrank.train.recipe import Check, Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.validation import scores

RESULTS = Path(__file__).parent / "results" / "synth.json"
COLLECTIONS = ("cranfield", "nfcorpus")
BASE = "clusters, round trip"
VARIANTS = (BASE, "random documents", "no round trip", "rewritten (CAR)", "titles alone", "SmolLM2")
LANGUAGE = "smollm2-135m-instruct"
GROUPS, TEXTS, STEPS, BATCH, LENGTH, QUERIES = 240, 8, 100, 8, 128, 100


def writer(variant: str, documents: Sequence[Candidate], seed: int) -> Writer:
    if variant == "SmolLM2":
        return ModelWriter(open_model(LANGUAGE), seed=seed)
    if variant == "titles alone":
        return RuleWriter.of(documents, ["title"], seed=seed)
    return RuleWriter.of(documents, seed=seed)


def drawn(collection: Collection, documents: Sequence[Candidate], variant: str, seed: int) -> list[Candidate]:
    """Documents to write queries for, in an order of the seed."""
    rng = random.Random(seed)
    if variant == "random documents":
        chosen = rng.sample(list(documents), min(GROUPS, len(documents)))
    else:
        positions, vectors = collection.vectors("minilm", exact=True).vectors([d.id for d in documents])
        rows = sample(vectors.dense(), min(GROUPS, len(positions)), min(100, GROUPS), seed=seed)
        chosen = [documents[positions[i]] for i in rows]
    return rng.sample(chosen, len(chosen))


def made(collection: Collection, documents: Sequence[Candidate], variant: str, seed: int) -> tuple[list[Group], Any]:
    """GROUPS groups to learn from, at most one of each document, and what was rejected."""
    find = parse("bm25", Settings(collection))
    trip = RoundTrip(find, top=0 if variant == "no round trip" else 20, depth=20, hard=0)
    write = writer(variant, documents, seed)
    chosen = drawn(collection, documents, variant, seed)
    pairs, rejected, _ = assembled(iter(trip(write(chosen))))
    one = {g.ids[0]: g for g in random.Random(seed).sample(pairs, len(pairs))}
    kept = list(one.values())
    if variant == "rewritten (CAR)":
        kept, rejected, _ = assembled(iter(Rewriting()(kept)))
    groups = lists.learning(kept, find, documents, texts=TEXTS, depth=20, seed=seed)
    return groups, dict(rejected)


def reported(data: Path, name: str, collection: Collection) -> list[Group]:
    dataset = Dataset.open(data / name)
    split = "dev" if "test" not in dataset.splits() else "test"
    queries = sorted(dataset.queries(split), key=lambda q: lists.part_of(q.id))[:QUERIES]
    return lists.judged(queries, dataset.qrels(split), parse("bm25", Settings(collection)), DEPTH)


def trained(groups: Sequence[Group], seed: int) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe(
            out=folder,
            seed=seed,
            model=Model(kind="pacrr", start="all-minilm-l6-v2", max_length=LENGTH, options={"frozen": True}),
            losses=(Loss(name="infonce", options={"temperature": 1.0}),),
            optimiser=Optimiser(rate=1e-3, steps=STEPS, batch=BATCH, decay=0.0, bf16=False),
            check=Check(every=1000),
            export=Export(int8=False),
            threads=1,
        )
        return train(recipe, train=list(groups)).model.eval()


def row(data: Path, work: Path, name: str, variant: str, seed: int) -> dict[str, Any]:
    collection = Collection.open(indexed(data, work, name))
    if "minilm" not in collection.encoded:
        collection.encode(open_model("minilm"), "minilm")
        collection = Collection.open(collection.path)
    documents = [d for d in collection.documents() if isinstance(d.content, str) and d.content.strip()]
    judged = reported(data, name, collection)
    begin = time.process_time()
    groups, rejected = made(collection, documents, variant, seed)
    wrote = time.process_time() - begin
    model = trained(groups, seed)
    return {
        "groups": len(groups),
        "rejected": rejected,
        "cpu_s": round(time.process_time() - begin),
        "cpu_s of the data": round(wrote),
        "bm25": [round(v, 4) for v in ndcg(judged, [[-float(i) for i, _ in enumerate(g.candidates)] for g in judged])],
        "trained": [round(v, 4) for v in ndcg(judged, scores(model, judged))],
    }


def summary(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """For each collection and variant the means, and the differences to BM25 and to BASE with intervals."""
    out: dict[str, Any] = {}
    for name in dict.fromkeys(key.split(" / ")[0] for key in rows):
        out[name] = {}
        for variant in VARIANTS:
            found = {k.split(" / ")[2]: v for k, v in rows.items() if k.startswith(f"{name} / {variant} / ")}
            if not found:
                continue
            base = {s: rows[k] for s in found if (k := f"{name} / {BASE} / {s}") in rows}
            mean = np.mean([r["trained"] for r in found.values()], axis=0)
            first = next(iter(found.values()))
            entry = {
                "seeds": len(found),
                "groups": [r["groups"] for r in found.values()],
                "bm25": round(float(np.mean(first["bm25"])), 4),
                "trained": round(float(mean.mean()), 4),
                "less bm25": str(difference(first["bm25"], list(mean))),
            }
            if base and variant != BASE:
                same = np.mean([found[s]["trained"] for s in base], axis=0)
                against = np.mean([r["trained"] for r in base.values()], axis=0)
                entry[f"less {BASE}"] = str(difference(list(against), list(same)))
            out[name][variant] = entry
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--collections", default=",".join(COLLECTIONS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--variants", default="/".join(VARIANTS[:-1]), help="names between slashes")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    for seed in map(int, args.seeds.split(",")):
        for name in args.collections.split(","):
            for variant in args.variants.split("/"):
                results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}}
                key = f"{name} / {variant} / {seed}"
                if key not in results["rows"]:
                    results["rows"][key] = row(args.data, args.work, name, variant, seed)
                    results["summary"] = summary(results["rows"])
                    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
                    print(key, json.dumps(results["summary"][name][variant]), flush=True)


if __name__ == "__main__":
    main()
