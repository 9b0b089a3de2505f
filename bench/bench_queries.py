"""Prompted retrieval and the query's side: PromptReps against BM25, and evidence found by rewritten questions.

    python bench/bench_queries.py DATA promptreps [--minutes 10] [--set cranfield:test]   # a part of a collection
    python bench/bench_queries.py DATA multihop [--search bm25] [--form rules]           # HotpotQA's 100 questions

DATA is the optional test data's folder. Needs the extras torch and eval. ``promptreps``: as many documents as the model
reads in so many minutes (dense and sparse vectors from one pass): query by query those that are judged relevant, and
twice as many others; BM25 searches the same part. ``multihop``: the pools of plain and rewritten questions; "equal" is
the plain question with as many candidates as the pool of sub-questions has, question by question. The language model
sees the first ``sample`` questions. Results are added to bench/results/queries.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.content import text_of
from anyrank.core.stage import Stage, merge
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.evaluate.evidence import evidence_recall
from anyrank.evaluate.significance import randomisation_test
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.io.dataset import Dataset
from anyrank.llm.promptreps import PromptReps
from anyrank.papers.promptreps import retriever
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse
from anyrank.retrieve.rewritten import FirstOccurrence
from anyrank.retrieve.stages import BM25, VectorSearch
from anyrank.vectors import Encoded, Vectors

OUT = Path(__file__).parent / "results" / "queries.json"
MODEL = "smollm2-135m-instruct"


class Read:
    """An encoder of one kind whose vectors were made before."""

    def __init__(self, kind: str, rows: dict[tuple[bool, str], int], vectors: Vectors) -> None:
        self.name, self.rows, self.made = kind, rows, vectors

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        return Encoded(self.made.take([self.rows[query, text_of(c)] for c in contents]), Usage())


def order(folder: Path, split: str) -> tuple[list[Candidate], list[tuple[Query, set[str], int]], dict]:
    """Documents in the order in which they are read: query by query those that are relevant, and twice as many others
    at random; each query with its relevant documents and the number after which they are all there."""
    data = Dataset.open(folder)
    every, qrels = {c.id: c for c in data.documents()}, data.qrels(split)
    others = random.Random(0).sample(list(every), len(every))
    chosen: dict[str, None] = {}
    queries = []
    for query in data.queries(split):
        relevant = {d for d, grade in qrels[query.id].items() if grade > 0 and d in every}
        new = [d for d in relevant if d not in chosen]
        chosen |= dict.fromkeys(sorted(new))
        if relevant:
            queries.append((query, relevant, len(chosen)))
        for _ in range(2 * len(new)):
            while others and others[-1] in chosen:
                others.pop()
            if others:
                chosen[others.pop()] = None
    return [every[d] for d in chosen], queries, qrels


def promptreps(folder: Path, split: str, minutes: float, settings: dict[str, int]) -> dict[str, Any]:
    ordered, queries, judged = order(folder, split)
    model = PromptReps(open_model(MODEL, runtime="hf"), **settings)
    model.vectors(["a text that loads the model"], ("dense",))
    start, docs = time.perf_counter(), ordered[:0]
    parts, usage = [], Usage()
    while len(docs) < len(ordered) and time.perf_counter() - start < 60 * minutes:
        more = ordered[len(docs) : len(docs) + 20]
        vectors, cost = model.vectors([d.content for d in more], ("dense", "sparse"))
        parts.append(vectors)
        docs, usage = docs + more, usage + cost
    seconds = time.perf_counter() - start
    made = {kind: type(parts[0][kind]).join([p[kind] for p in parts]) for kind in ("dense", "sparse")}
    read = {d.id for d in docs}
    asked = [q for q, _, n in queries if n <= len(docs)]
    qrels = {q.id: {d: g for d, g in judged[q.id].items() if d in read} for q in asked}
    start = time.perf_counter()
    of_queries, query_usage = model.vectors([q.content for q in asked], ("dense", "sparse"), query=True)
    query_seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as scratch:
        collection = build(docs, Path(scratch) / "index")
        stages: dict[str, Stage] = {"bm25": BM25(collection.lexical, 1000)}
        for kind, vectors in made.items():
            texts = [(False, text_of(d.content)) for d in docs], [(True, text_of(q.content)) for q in asked]
            rows = {key: i for i, key in enumerate([*texts[0], *texts[1]])}
            encoder = Read(kind, rows, type(vectors).join([vectors, of_queries[kind]]))
            collection.encode(encoder, kind)
            stages[kind] = VectorSearch(collection.vectors(kind), encoder, collection, 1000)
        stages["hybrid"] = retriever(stages["dense"], stages["sparse"])
        stages["bm25 + hybrid"] = stages["bm25"] + stages["hybrid"]
        runs = {name: stage.run(asked) for name, stage in stages.items()}
    found = evaluate(runs, qrels, ["nDCG@10", "R@100"], baseline="bm25")
    rows = {
        name: {
            m: {"mean": round(s.mean, 4), "interval": [round(s.low, 4), round(s.high, 4)]}
            for m, s in found.summaries[name].items()
        }
        for name in runs
    }
    for c in found.comparisons:
        rows[c.run][c.measure]["p"] = round(c.p, 4)
    nonzero = np.diff(made["sparse"].arrays()["indptr"])
    return {
        "documents": len(docs),
        "queries": len(asked),
        "settings": settings,
        "prompt tokens a document": round(usage.prompt_tokens / len(docs)),
        "seconds": round(seconds, 1),
        "tokens a second": round(usage.prompt_tokens / seconds),
        "seconds a query": round(query_seconds / len(asked), 3),
        "query tokens": round(query_usage.prompt_tokens / len(asked)),
        "terms a document": round(float(nonzero.mean()), 1),
        "runs": rows,
    }


def hotpot(data: Path, more: bool) -> tuple[list[Candidate], list[Query], dict[str, set[str]]]:
    """HotpotQA's documents (with ``more`` 2WikiMultihopQA's too), questions, and the titles that hold the evidence."""

    def read(name: str) -> Any:
        with gzip.open(data / "multihop" / f"{name}.json.gz", "rt", encoding="utf-8") as file:
            return json.load(file)

    docs = {title: "".join(lines) for title, lines in read("hotpotqa_train_corpus").items()}
    for row in read("2wikimultihopqa_corpus") if more else ():
        docs.setdefault(row["title"], row["text"])
    rows = read("hotpotqa_train")
    gold = {r["_id"]: {title for title, _ in r["supporting_facts"]} for r in rows}
    queries = [Query(r["_id"], r["question"], {"type": r["type"]}) for r in rows]
    return [Candidate(t, {"title": t, "text": x}) for t, x in docs.items()], queries, gold


def recalls(rankings: Sequence[Ranking], gold: dict[str, set[str]], k: int | None = None) -> list[float]:
    return [evidence_recall(r.ids if k is None else r.ids[:k], gold[r.query.id]) for r in rankings]


def multihop(data: Path, search: str, form: str, sample: int, names: Sequence[str], rerank: bool) -> dict[str, Any]:
    """A row for each rewriter in one form. MiniLM searches HotpotQA's documents alone."""
    docs, queries, gold = hotpot(data, more=search == "bm25")
    asked = queries if form == "rules" else queries[:sample]
    cache = Path(tempfile.gettempdir()) / "bench_queries_answers.db"
    written = "{}()" if form == "rules" else "{}" + f'("{MODEL}", cache="{cache}")'
    out: dict[str, Any] = {"documents": len(docs), "questions": len(asked), "rows": {}}
    with tempfile.TemporaryDirectory() as scratch:
        collection = build(docs, Path(scratch) / "index")
        if search != "bm25":
            collection.encode(open_model(search), search)
        settings = Settings(collection)
        for name in names:
            rewriter = parse(written.format(name), settings)
            start = time.perf_counter()
            few = [asked[i : i + 5] for i in range(0, len(asked), 5)]  # answers are cached few by few
            changed = [r for some in few for r in rewriter.run(some)]
            seconds = time.perf_counter() - start
            usage = sum((r.cost.usage for r in changed), Usage())
            print(name, f"{seconds:.1f} s", flush=True)
            out["rows"][name] = {
                "changed": sum(r.query.meta != q.meta for r, q in zip(changed, asked)),
                "without answer": sum(r.status == "fallback" for r in changed),
                "seconds a question": round(seconds / len(asked), 3),
                "prompt tokens": usage.prompt_tokens + usage.cached_prompt_tokens,
                "completion tokens": usage.completion_tokens + usage.cached_completion_tokens,
                "cached": usage.cached,
                **compared(name, search, changed, asked, gold, settings, rerank),
            }
            print(name, json.dumps(out["rows"][name]), flush=True)
    return out


def compared(
    name: str,
    search: str,
    changed: Sequence[Ranking],
    asked: Sequence[Query],
    gold: dict,
    settings: Settings,
    rerank: bool,
) -> dict[str, Any]:
    """Evidence recall of the plain and the rewritten question: in the best 5, 10 and 20 results, of the whole pool, of
    an equal number of plain results, and in the best 5 and 10 after reranking both by `mini`."""
    stages: dict[int, Stage] = {k: parse(f"{search} % {k}", settings) for k in (5, 10, 20)}
    # A rewritten query makes the same stage search for its new texts.
    plain = {k: s.run(asked) for k, s in stages.items()}
    new = {k: s.batch(changed) for k, s in stages.items()}
    out: dict[str, Any] = {}
    pairs: dict[str, tuple[list[float], list[float]]] = {}
    for k in stages:
        pairs[f"recall@{k}" if name != "decompose" else f"pool of {k} a question"] = (
            recalls(plain[k], gold),
            recalls(new[k], gold),
        )
    if name == "decompose":
        sizes = [len(r) for r in new[20]]
        deep = parse(f"{search} % {max(sizes)}", settings).run(asked)
        equal = [r[:n] for r, n in zip(deep, sizes)]
        out["pool"] = round(float(np.mean(sizes)), 1)
        pairs["pool of 20 a question, plain of equal size"] = recalls(equal, gold), recalls(new[20], gold)
        if not rerank:
            return {**out, **{label: difference(*pair) for label, pair in pairs.items()}}
        # `mini` scores each text by itself, so one order of all candidates gives the order of any part of them.
        every = [merge(r, [r, e], FirstOccurrence()) for r, e in zip(new[20], equal)]
        orders = [r.ids for r in parse("mini", settings, starts=False).batch(every)]
        lists = [
            [Ranking(r.query, tuple(Candidate(i) for i in order if i in set(r.ids))) for r, order in zip(part, orders)]
            for part in (plain[20], new[20], equal)
        ]
        for k in (5, 10):
            before, after, same = (recalls(part, gold, k) for part in lists)
            pairs[f"mini, recall@{k}"] = before, after
            pairs[f"mini, recall@{k}, plain of equal size"] = same, after
    return {**out, **{label: difference(*pair) for label, pair in pairs.items()}}


def difference(plain: list[float], rewritten: list[float]) -> dict[str, Any]:
    return {
        "plain": round(float(np.mean(plain)), 4),
        "rewritten": round(float(np.mean(rewritten)), 4),
        "better": sum(y > x for x, y in zip(plain, rewritten)),
        "worse": sum(y < x for x, y in zip(plain, rewritten)),
        "p": round(randomisation_test(plain, rewritten), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("part", choices=("promptreps", "multihop"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--search", choices=("bm25", "minilm"), default="bm25")
    parser.add_argument("--form", choices=("rules", "model"), default="rules")
    parser.add_argument("--only", nargs="+", default=["decompose", "rewrite", "multi_query", "hyde"])
    parser.add_argument("--rerank", action="store_true", help="multihop: the pools of decompose reranked by mini too")
    parser.add_argument("--sample", type=int, default=25, help="multihop: questions that the language model sees")
    parser.add_argument("--set", default="cranfield:test", help="promptreps: the folder of DATA, and the split")
    parser.add_argument("--generate", type=int, default=0)
    parser.add_argument("--words", type=int, default=1)
    options = parser.parse_args()
    start = time.perf_counter()
    if options.part == "promptreps":
        name, split = options.set.split(":")
        own = {"generate": options.generate, "words": options.words}
        key = f"promptreps {name} {own}" if options.generate else f"promptreps {name}"
        row = promptreps(options.data / name, split, options.minutes, own)
    else:
        key = f"multihop {options.search} {options.form}"
        row = multihop(options.data, options.search, options.form, options.sample, options.only, options.rerank)
    row |= {"wall": round(time.perf_counter() - start), "machine": platform.machine()}
    results: dict[str, Any] = json.loads(OUT.read_text()) if OUT.is_file() else {}
    results[key] = row
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results[key], indent=1))


if __name__ == "__main__":
    main()
