"""Late interaction: stored states against reading, their compression, pooling and search.

    anyrank index DATA/cranfield -o INDEXES/cranfield --encode mini --encode tiny
    anyrank index DATA/dl-candidates/dl19.passages.jsonl.gz -o INDEXES/dl19 --encode tiny
    python bench/bench_late.py DATA INDEXES [stored] [quality-mini] [quality-tiny] [passages] [hundred-thousand]

DATA is a folder of collections in BEIR's layout, INDEXES holds indexes of them, and gets that of the hundred thousand
passages. Every other form of their states (pooled, compressed, fixed-dimensional) is made of the stored ones. Results:
bench/results/late.json.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, cast

import numpy as np

from anyrank.backends.fde import FixedEncoder
from anyrank.core.content import text_of
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.index.pooling import pooled
from anyrank.io.corpus import read_documents
from anyrank.io.dataset import Dataset
from anyrank.pipeline.parser import Settings, parse
from anyrank.retrieve.stages import Attach
from anyrank.store.vector_names import stored
from anyrank.vectors import Encoded, Tokens, Vectors
from anyrank.vectors.residual import Codec, Residual, centroid_count, nearest

RESULTS = Path(__file__).parent / "results" / "late.json"
LAYERS, WIDTH = {"mini": 6, "anyrank-tiny": 2}, {"mini": 384, "anyrank-tiny": 128}


class Replay:
    """An encoder that gives the stored states of texts, and reads queries."""

    def __init__(self, collections: Sequence[Collection], model: str) -> None:
        self.model, self.name = open_model(model), model
        self.at: dict[str, tuple[Any, str]] = {}
        for collection in collections:
            index = collection.vectors(stored(model))
            self.at |= {text_of(d.content): (index, d.id) for d in collection.documents()}

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        if query:
            return cast(Encoded, self.model.encode(contents, query=True))
        parts: list[Tokens] = []
        for content in contents:
            index, id = self.at[text_of(content)]
            positions, vectors = index.vectors([id])
            parts.append(cast(Tokens, vectors) if positions else self.model.encode([""]).vectors)
        return Encoded(Tokens.join(parts))


def folder_bytes(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*.npy"))


def made(documents: Sequence[Candidate], encoder: Any, folder: Path, **choice: Any) -> tuple[Collection, float]:
    """A collection whose vectors are chosen so, and the seconds of encoding."""
    build(documents, folder)
    collection, start = Collection.open(folder), time.process_time()
    collection.encode(encoder, stored(encoder.name), **choice)
    return collection, time.process_time() - start


def timed(run: Callable[[Any], Any], items: Sequence[Any], warm: bool = True) -> tuple[list[Any], float]:
    """The results, and the median milliseconds of processor time of one, after one to warm up: of other programs that
    run at the same time it depends less than the time by the clock."""
    if warm:
        run(items[0])
    out, spent = [], []
    for item in items:
        start = time.process_time()
        out.append(run(item))
        spent.append((time.process_time() - start) * 1000)
    return out, median(spent)


def located(ranking: Ranking, collection: Collection) -> Ranking:
    """The ranking with candidates of another collection of the same documents, whose contents are read on demand."""
    return cast(
        Ranking, Attach(collection)(replace(ranking, candidates=tuple(Candidate(c.id, None, c.score) for c in ranking)))
    )


def forward_flops(model: str, tokens: float) -> float:
    """Multiplications and additions of a transformer's layers for one text: 24 n w^2 + 4 n^2 w each."""
    width = WIDTH[model]
    return LAYERS[model] * (24 * tokens * width**2 + 4 * tokens**2 * width)


def rerank(data: Path, indexes: Path) -> dict[str, Any]:
    """100 candidates of each query: stored states, reading late interaction, and a cross-encoder of the same shape
    (MiniLM's own int8 graph run on pairs, so its time is one's, and its scores mean nothing)."""
    dataset, collection = Dataset.open(data / "cranfield"), Collection.open(indexes / "cranfield")
    queries = list(dataset.queries("test"))[:4]
    before = parse("bm25 % 100", Settings(collection)).run(queries)
    needed = {i for ranking in before for i in ranking.ids}
    documents = [d for d in dataset.documents() if d.id in needed]  # compression is slow, and its quality is below
    replay = Replay([collection], "mini")
    reading = parse("mini", starts=False)
    read, read_ms = timed(reading, before[:2], warm=False)
    out: dict[str, Any] = {"queries": len(queries), "candidates": 100, "reading_ms": read_ms}
    encoder = open_model("minilm")

    def cross(ranking: Ranking) -> int:
        pairs = [(text_of(ranking.query.content), text_of(c.content)) for c in ranking]
        return sum(len(o.positions) for o in encoder.engine.run(pairs)[1])

    _, out["cross_encoder_ms"] = timed(cross, before[2:3], warm=False)
    with tempfile.TemporaryDirectory() as scratch:
        forms: dict[str, dict[str, Any]] = {
            "float16": {},
            "pool 2": {"index": "nearest", "options": {"pool": 2}},
            "2 bits": {"index": "plaid", "options": {"bits": 2}},
            "2 bits, pool 2": {"index": "plaid", "options": {"bits": 2, "pool": 2}},
        }
        for name, choice in forms.items():
            opened, _ = made(documents, replay, Path(scratch) / name.replace(" ", "_"), **choice)
            stage = parse("mini", Settings(opened), starts=False)
            after, ms = timed(stage, [located(ranking, opened) for ranking in before])
            gaps = [  # of the queries whose candidates were read
                abs(score - dict(zip(a.ids, a.scores))[i])
                for a, b in zip(after, read)
                for i, score in zip(b.ids, b.scores)
            ]
            out[name] = {"ms": ms, "faster_than_reading": read_ms / ms, "largest_difference": max(gaps)}
            out[name]["faster_than_cross_encoder"] = out["cross_encoder_ms"] / ms
            print("stored", name, out[name], flush=True)
    tokens = open_model("mini").encode([d.content for d in documents[:200]]).usage.prompt_tokens / 200
    question = open_model("mini").encode([q.content for q in queries], query=True).usage.prompt_tokens / len(queries)
    pairs = 100 * forward_flops("mini", tokens + question)
    maxsim = forward_flops("mini", question) + 2 * question * tokens * WIDTH["mini"] * 100
    out["flops_cross_encoder"], out["flops_stored"], out["flops_ratio"] = pairs, maxsim, pairs / maxsim
    return out


def quality(data: Path, indexes: Path, model: str, bits: Sequence[int], staged: bool = False) -> dict[str, Any]:
    """nDCG@10 on Cranfield of forms of the same states, searched exactly; with ``staged`` those of 2 bits by PLAID and
    WARP too."""
    dataset, base = Dataset.open(data / "cranfield"), Collection.open(indexes / "cranfield")
    queries, qrels = list(dataset.queries("test")), dataset.qrels("test")
    ids = [d.id for d in dataset.documents()]
    positions, vectors = base.vectors(stored(model)).vectors(ids)
    tokens, ids = cast(Tokens, vectors), [ids[p] for p in positions]
    asked = open_model(model).encode([q.content for q in queries], query=True).vectors
    rows: dict[str, Any] = {}
    runs: dict[str, list[Ranking]] = {}

    def ranked(form: str, results: Iterable[Iterable[tuple[str, float]]]) -> None:
        runs[form] = [Ranking(q, tuple(Candidate(i, None, s) for i, s in r)) for q, r in zip(queries, results)]

    def add(form: str, texts: Vectors, bytes_a_state: float) -> None:
        scores = texts.products(asked)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        ranked(form, [[(ids[i], float(s[i])) for i in best] for s, best in zip(scores, order)])
        states = len(texts.arrays().get("states", texts.arrays().get("codes")))
        rows[form] = {"states": states, "bytes": round(states * bytes_a_state)}
        print(model, form, rows[form], flush=True)

    add("float16", tokens, 2 * tokens.dim)
    for factor in (2, 3, 4):
        start = time.process_time()
        small = pooled(tokens, factor)
        seconds = time.process_time() - start
        add(f"pool {factor}", small, 2 * tokens.dim)
        rows[f"pool {factor}"]["cpu_seconds"] = round(seconds, 1)
    if bits:
        start = time.perf_counter()
        clusters = centroid_count(len(tokens), len(tokens.states) / len(tokens))
        chosen = tokens.states[np.random.default_rng(0).permutation(len(tokens.states))[: 8 * clusters]]
        codec = Codec.fit(chosen, clusters, 1)
        codes = nearest(tokens.states, codec.centroids)
        print("centroids", clusters, time.perf_counter() - start, flush=True)
        for count in bits:
            codec = Codec.of(codec.centroids, chosen[:20_000], count)
            compressed = Residual(tokens.indptr, *codec.encode(tokens.states, codes), codec, tokens.means)
            add(f"{count} bits", compressed, 4 + tokens.dim * count / 8)
            cosines = np.einsum("nd,nd->n", compressed.tokens().states[:20_000], tokens.states[:20_000])
            rows[f"{count} bits"]["cosine"] = round(float(cosines.mean()), 4)
    if staged:
        with tempfile.TemporaryDirectory() as scratch:
            replay, documents = Replay([base], model), list(base.documents())
            for options in ({"bits": 2}, {"bits": 2, "pool": 2}):
                folder = Path(scratch) / f"index{len(options)}"
                for scoring in ("plaid", "warp"):
                    choice = {**options, "scoring": scoring}
                    if folder.exists():
                        compressed = Collection.open(folder)
                        compressed.encode(replay, stored(model), index="plaid", options=choice)
                    else:
                        compressed, _ = made(documents, replay, folder, index="plaid", options=choice)
                    form = f"{scoring}, 2 bits" + (", pool 2" if "pool" in options else "")
                    ranked(form, compressed.vectors(stored(model)).search(asked, 10))
                    rows[form] = {"bytes": folder_bytes(folder / "vectors")}
    result = evaluate(runs, qrels, ["nDCG@10"], baseline="float16", correction="none")
    print(result.table(), flush=True)
    best = [r.ids for r in runs["float16"]]
    for form, run in runs.items():
        compared = result.compared(form, "nDCG@10")
        rows[form]["nDCG@10"] = round(result.mean(form, "nDCG@10"), 4)
        rows[form]["p_against_float16"] = None if compared is None else float(f"{compared.p:.2g}")
        rows[form]["recall@10_of_float16"] = round(recall([r.ids for r in run], best), 4)
    return rows


def passages(data: Path, indexes: Path) -> dict[str, Any]:
    """Searches among the passages of TREC DL 2019 that any run holds: queries a second one by one, and recall@10."""
    return searches(data, Collection.open(indexes / "dl19"), 43, everything=True)


CORPORA = ("dl-candidates/dl19.passages", "dl-candidates/dl22.passages", "vaswani/corpus", "cosqa/corpus")
CORPORA += ("cranfield/corpus", "nfcorpus/corpus", "scifact/corpus")
WORDS, MOST = 32, 100_000


def pieces(data: Path) -> list[str]:
    """Real passages: the texts of all corpora, those of more words in pieces of about one length."""
    texts = [text_of(d.content) for name in CORPORA for d in read_documents(data / f"{name}.jsonl.gz")]
    with gzip.open(data / "multihop" / "2wikimultihopqa_corpus.json.gz", "rt") as file:
        texts += [f"{row['title']} {row['text']}" for row in json.load(file)]
    with gzip.open(data / "multihop" / "hotpotqa_train_corpus.json.gz", "rt") as file:
        texts += [f"{title} {' '.join(sentences)}" for title, sentences in json.load(file).items()]
    out = []
    for words in (text.split() for text in texts):
        parts = max(-(-len(words) // WORDS), 1)
        size = -(-len(words) // parts)
        out += [" ".join(words[i : i + size]) for i in range(0, len(words), max(size, 1))]
    return list(dict.fromkeys(out))


def hundred_thousand(data: Path, indexes: Path) -> dict[str, Any]:
    """The same among a hundred thousand real passages of all collections at hand, the longer ones in pieces."""
    folder, model = indexes / "passages", open_model("anyrank-tiny")
    real = pieces(data)
    chosen = sorted(np.random.default_rng(0).permutation(len(real))[:MOST].tolist())
    if not folder.exists():
        build((Candidate(f"p{i}", real[i]) for i in chosen), folder)
    start = time.process_time()
    Collection.open(folder).encode(model, stored(model.name))
    seconds = time.process_time() - start
    print("encoded in", seconds, flush=True)  # none if they were there already
    out = {"real_passages": len(chosen), "of": len(real), "words_at_most": WORDS}
    return {**out, **searches(data, Collection.open(folder), 12, everything=False)}


def searches(data: Path, base: Collection, count: int, everything: bool) -> dict[str, Any]:
    """Searches of the first queries of DL 2019 in forms of the stored states of `tiny`; ``everything``: also by
    scanning compressed states, and by fixed-dimensional vectors."""
    model = "anyrank-tiny"
    replay, documents = Replay([base], model), list(base.documents())
    lines = (data / "dl-candidates" / "dl19.queries.tsv").read_text().splitlines()[:count]
    queries = [Query(*line.split("\t", 1)) for line in lines]
    vectors = cast(Tokens, replay.encode([q.content for q in queries], query=True).vectors)
    rows = [vectors.take([i]) for i in range(len(queries))]
    out: dict[str, Any] = {"passages": len(documents), "queries": len(queries), "model": model}
    with tempfile.TemporaryDirectory() as scratch:
        index = base.vectors(stored(model))
        states = sum(len(s.vectors.arrays()["states"]) for s in index.vector_store.shards())  # type: ignore[attr-defined]
        out["states"] = states
        best, ms = timed(lambda q: [i for i, _ in index.search(q, 10)[0]], rows)
        out["exact float16"] = {
            "queries_a_cpu_second": 1000 / ms,
            "bytes_a_state": folder_bytes(base.path / "vectors" / stored(model)) / states,
        }
        print(out, flush=True)
        for bits in (2,):
            compressed, seconds = made(
                documents, replay, Path(scratch) / f"bits{bits}", index="plaid", options={"bits": bits}
            )
            folder = Path(scratch) / f"bits{bits}" / "vectors"
            line = {"bytes_a_state": folder_bytes(folder) / states, "cpu_seconds_of_compression": seconds}
            out[f"exact {bits} bits"] = line
            if everything:
                scan = compressed.vectors(stored(model), exact=True)
                own, ms = timed(lambda q, scan=scan: [i for i, _ in scan.search(q, 10)[0]], rows[:40])
                line |= {"queries_a_cpu_second": 1000 / ms, "recall@10": recall(own, best[:40])}
            for scoring, options in (
                ("plaid", {}),
                ("plaid", {"cells": 2}),
                ("plaid", {"cells": 4, "threshold": 0.4, "candidates": 1024}),
                ("warp", {"cells": 8}),
                ("warp", {"cells": 32}),
            ):
                choice = {"bits": bits, "scoring": scoring, **options}
                compressed.encode(replay, stored(model), index="plaid", options=choice)
                staged = compressed.vectors(stored(model))
                found, ms = timed(lambda q, staged=staged: [i for i, _ in staged.search(q, 10)[0]], rows)
                label = f"{scoring} {bits} bits {options or 'default'}"
                out[label] = {"queries_a_cpu_second": 1000 / ms, "recall@10": recall(found, best)}
                out[label]["bytes_a_state"] = folder_bytes(folder) / states
                print(label, out[label], flush=True)
        for repetitions, planes, block in ((10, 4, 16), (20, 5, 16)) if everything else ():
            encoder = FixedEncoder(cast(Any, replay), repetitions, planes, block)
            fixed, seconds = made(documents, encoder, Path(scratch) / f"fde{repetitions}", dtype="float16")
            index = fixed.vectors(stored(encoder.name))
            asked = encoder.fixed(vectors, query=True)
            found, ms = timed(
                lambda q, index=index, asked=asked: [i for i, _ in index.search(asked.take([q]), 200)[0]],
                range(len(rows)),
            )
            out[f"fde {repetitions} x 2^{planes} x {block}"] = {
                "dimensions": asked.dim,
                "queries_a_cpu_second": 1000 / ms,
                "cpu_seconds": seconds,
                **{f"recall@10 of the first {n}": recall([f[:n] for f in found], best) for n in (10, 50, 100, 200)},
            }
            print(list(out.items())[-1], flush=True)
    return out


def recall(found: Sequence[Sequence[str]], best: Sequence[Sequence[str]]) -> float:
    return float(np.mean([len(set(a) & set(b)) / max(len(b), 1) for a, b in zip(found, best)]))


PARTS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "stored": rerank,
    "quality-mini": lambda data, indexes: quality(data, indexes, "mini", (1, 2), staged=True),
    "quality-tiny": lambda data, indexes: quality(data, indexes, "anyrank-tiny", (1, 2, 4)),
    "passages": passages,
    "hundred-thousand": hundred_thousand,
}


def main(data: str, indexes: str, *parts: str) -> None:
    for part in parts or PARTS:
        value = PARTS[part](Path(data), Path(indexes))
        value["threads"] = os.environ.get("OMP_NUM_THREADS", "")
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps({**results, part: value}, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
