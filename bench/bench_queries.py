"""Prompted retrieval and the query's side: PromptReps against BM25, and evidence found by rewritten questions.

    python bench/bench_queries.py DATA promptreps [--documents 400] [--queries 60]   # parts of Cranfield and NFCorpus
    python bench/bench_queries.py DATA multihop [--sample 40]                        # HotpotQA's 100 questions

DATA is the optional test data's folder. Needs the extras torch and eval. ``promptreps``: a sub-collection of so many
documents, all that are judged relevant to the first queries and others at random, read once by the model (dense and
sparse vectors from one pass). ``multihop``: the pools of plain and rewritten questions; "equal" is the plain question
with as many candidates as the pool of sub-questions has, question by question. The language model sees the first
``sample`` questions. Results are added to bench/results/queries.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.content import text_of
from anyrank.core.stage import Stage
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


def part_of(folder: Path, split: str, documents: int, queries: int) -> tuple[list[Candidate], list[Query], dict]:
    """Some documents, the queries whose relevant documents are among them, and their judgements."""
    data = Dataset.open(folder)
    every, qrels = {c.id: c for c in data.documents()}, data.qrels(split)
    asked, chosen = [], {}
    for query in data.queries(split):
        relevant = [d for d, grade in qrels[query.id].items() if grade > 0 and d in every]
        if relevant and len(asked) < queries and len({*chosen, *relevant}) <= 3 * documents // 4:
            asked.append(query)
            chosen |= dict.fromkeys(relevant)
    others = [d for d in every if d not in chosen]
    ids = [*chosen, *random.Random(0).sample(others, max(documents - len(chosen), 0))]
    grades = {q.id: {d: g for d, g in qrels[q.id].items() if d in ids} for q in asked}
    return [every[d] for d in ids], asked, grades


def promptreps(folder: Path, split: str, documents: int, queries: int, settings: dict[str, int]) -> dict[str, Any]:
    docs, asked, qrels = part_of(folder, split, documents, queries)
    model = PromptReps(open_model(MODEL, runtime="hf"), **settings)
    _ = model.model.engine
    start = time.perf_counter()
    made, usage = model.vectors([d.content for d in docs], ("dense", "sparse"))
    seconds = time.perf_counter() - start
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


def hotpot(data: Path) -> tuple[list[Candidate], list[Query], dict[str, set[str]]]:
    def read(name: str) -> Any:
        with gzip.open(data / "multihop" / f"{name}.json.gz", "rt", encoding="utf-8") as file:
            return json.load(file)

    docs = {title: "".join(lines) for title, lines in read("hotpotqa_train_corpus").items()}
    for row in read("2wikimultihopqa_corpus"):
        docs.setdefault(row["title"], row["text"])
    rows = read("hotpotqa_train")
    gold = {r["_id"]: {title for title, _ in r["supporting_facts"]} for r in rows}
    queries = [Query(r["_id"], r["question"], {"type": r["type"]}) for r in rows]
    return [Candidate(t, {"title": t, "text": x}) for t, x in docs.items()], queries, gold


def recalls(rankings: Sequence[Ranking], gold: dict[str, set[str]], k: int | None = None) -> list[float]:
    return [evidence_recall(r.ids if k is None else r.ids[:k], gold[r.query.id]) for r in rankings]


def multihop(data: Path, sample: int) -> dict[str, Any]:
    docs, queries, gold = hotpot(data)
    out: dict[str, Any] = {"documents": len(docs), "questions": len(queries), "rows": []}
    with tempfile.TemporaryDirectory() as scratch:
        collection = build(docs, Path(scratch) / "index")
        collection.encode(open_model("minilm"), "minilm")
        settings = Settings(collection)
        forms = {
            "rules": ("{}()", queries),
            MODEL: ("{}(" + f'"{MODEL}", cache="{scratch}/answers"' + ")", queries[:sample]),
        }
        for form, (written, asked) in forms.items():
            for name in ("decompose", "rewrite", "multi_query", "hyde"):
                rewriter = parse(written.format(name), settings)
                start = time.perf_counter()
                changed = rewriter.run(asked)
                seconds = time.perf_counter() - start
                usage = sum((r.cost.usage for r in changed), Usage())
                row = {
                    "rewriter": name,
                    "form": form,
                    "questions": len(asked),
                    "changed": sum(r.query.meta != q.meta for r, q in zip(changed, asked)),
                    "without answer": sum(r.status == "fallback" for r in changed),
                    "seconds a question": round(seconds / len(asked), 3),
                    "prompt tokens": usage.prompt_tokens,
                    "completion tokens": usage.completion_tokens,
                }
                for search in ("bm25", "minilm"):
                    row[search] = compared(name, search, changed, asked, gold, settings)
                out["rows"].append(row)
                print(json.dumps(row), flush=True)
    return out


def compared(
    name: str, search: str, changed: Sequence[Ranking], asked: Sequence[Query], gold: dict, settings: Settings
) -> dict[str, Any]:
    """Evidence recall of the plain and the rewritten question: in the best 10 and 20 results, of the whole pool, of an
    equal number of plain results, and in the best 5 and 10 after reranking both by `mini`."""
    stages: dict[int, Stage] = {k: parse(f"{search} % {k}", settings) for k in (10, 20)}
    # A rewritten query makes the same stage search for its new texts.
    plain = {k: s.run(asked) for k, s in stages.items()}
    new = {k: s.batch(changed) for k, s in stages.items()}
    out: dict[str, Any] = {}
    pairs: dict[str, tuple[list[float], list[float]]] = {}
    for k in stages:
        pairs[f"recall@{k}"] = recalls(plain[k], gold, k), recalls(new[k], gold, k)
    if name == "decompose":
        sizes = [len(r) for r in new[20]]
        deep = parse(f"{search} % {max(sizes)}", settings).run(asked)
        equal = [r[:n] for r, n in zip(deep, sizes)]
        out["pool"] = round(float(np.mean(sizes)), 1)
        pairs["whole pool"] = recalls(plain[20], gold), recalls(new[20], gold)
        pairs["whole pool, plain of equal size"] = recalls(equal, gold), recalls(new[20], gold)
        rerank = parse("mini", settings, starts=False)
        before, after, same = (rerank.batch(rs) for rs in (plain[20], new[20], equal))
        for k in (5, 10):
            pairs[f"mini, recall@{k}"] = recalls(before, gold, k), recalls(after, gold, k)
            pairs[f"mini, recall@{k}, plain of equal size"] = recalls(same, gold, k), recalls(after, gold, k)
    for label, (a, b) in pairs.items():
        out[label] = {
            "plain": round(float(np.mean(a)), 4),
            "rewritten": round(float(np.mean(b)), 4),
            "better": sum(y > x for x, y in zip(a, b)),
            "worse": sum(y < x for x, y in zip(a, b)),
            "p": round(randomisation_test(a, b), 4),
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("part", choices=("promptreps", "multihop"))
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--set", default="cranfield:test", help="promptreps: the folder of DATA, and the split")
    parser.add_argument("--generate", type=int, default=0)
    parser.add_argument("--words", type=int, default=1)
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(OUT.read_text()) if OUT.is_file() else {}
    work: Callable[[], dict[str, Any]]
    if options.part == "promptreps":
        name, split = options.set.split(":")
        own = {"generate": options.generate, "words": options.words}
        key = f"promptreps {name} {own}" if options.generate else f"promptreps {name}"
        work = lambda: promptreps(options.data / name, split, options.documents, options.queries, own)  # noqa: E731
    else:
        key, work = "multihop", lambda: multihop(options.data, options.sample)
    start = time.perf_counter()
    results[key] = {**work(), "wall": round(time.perf_counter() - start), "machine": platform.machine()}
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results[key], indent=1))


if __name__ == "__main__":
    main()
