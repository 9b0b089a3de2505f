"""Answers on HotpotQA's questions: exact match and F1 of short answers, with and without passages and decomposition.

    python bench/bench_ask.py DATA [--questions 50] [--model smollm2-135m-instruct]

DATA is the optional test data's folder (the 100 training questions that ship with HippoRAG). Needs
the extras torch and eval. "closed book" reads no passage, "gold" those that hold the evidence; "sentences hold the
answer" is of answers without a model, made of the passages' sentences. Writes bench/results/ask.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench_queries import hotpot

from anyrank.core.language import Turn
from anyrank.core.types import Query, Ranking
from anyrank.domains.answers.answer import Answer, Answerer
from anyrank.domains.answers.measures import exact_match, f1
from anyrank.evaluate.evidence import evidence_recall
from anyrank.evaluate.significance import randomisation_test
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.pipeline.parser import Settings, parse

OUT = Path(__file__).parent / "results" / "ask.json"
PIPELINES = {"plain": "bm25 % 20 >> mini % 5", "decompose": "decompose >> bm25 % 20 >> mini % 5"}


def closed_book(model: Any, queries: list[Query]) -> list[str]:
    how = "Answer this question in a few words."
    prompts = [(Turn("user", f"{how}\n\nQuestion: {q.content}"), Turn("assistant", "Answer:")) for q in queries]
    return [c.text.strip().splitlines()[0] if c.text.strip() else "" for c in model.generate(prompts, max_tokens=32)]


def row(texts: list[str], gold: list[list[str]]) -> tuple[dict[str, Any], list[float]]:
    values = [f1(t, g) for t, g in zip(texts, gold)]
    em = statistics.mean(exact_match(t, g) for t, g in zip(texts, gold))
    return {"EM": round(em, 4), "F1": round(statistics.mean(values), 4)}, values


def of_answers(answers: list[Answer]) -> dict[str, Any]:
    tokens = sum(a.ranking.trace[-1].usage.tokens for a in answers)
    return {"no answer": sum(not a.known for a in answers), "tokens a question": round(tokens / len(answers))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    options = parser.parse_args()
    docs, queries, evidence = hotpot(options.data, more=True)
    with gzip.open(options.data / "multihop" / "hotpotqa_train.json.gz", "rt", encoding="utf-8") as file:
        answer_of = {r["_id"]: [r["answer"]] for r in json.load(file)}
    queries = queries[: options.questions]
    gold = [answer_of[q.id] for q in queries]
    by_id = {d.id: d for d in docs}
    model = open_model(options.model)
    answerer = Answerer(model, passages=5, words=80, short=True)
    rows: dict[str, Any] = {}
    values: dict[str, list[float]] = {}
    start = time.process_time()
    rows["closed book"], values["closed book"] = row(closed_book(model, queries), gold)
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings(build(docs, Path(scratch) / "index"))
        found = {name: parse(line, settings).run(queries) for name, line in PIPELINES.items()}
    found["gold"] = [Ranking(q, tuple(by_id[i] for i in sorted(evidence[q.id]) if i in by_id)) for q in queries]
    for name, rankings in found.items():
        answers = answerer(rankings)
        rows[name], values[name] = row([a.text for a in answers], gold)
        recall = statistics.mean(evidence_recall(r.ids, evidence[r.query.id]) for r in rankings)
        rows[name] |= {"evidence in 5 passages": round(recall, 4), **of_answers(answers)}
        extracted = Answerer(passages=5, words=80)(rankings)
        rows[name]["sentences hold the answer"] = round(
            statistics.mean(any(g.lower() in a.text.lower() for g in gs) for a, gs in zip(extracted, gold)), 4
        )
        print(name, rows[name], flush=True)
    for name in ("closed book", "decompose"):
        rows[name]["p of F1 against plain"] = round(randomisation_test(values["plain"], values[name]), 4)
    cpu = round(time.process_time() - start)
    result = {
        "model": options.model,
        "questions": len(queries),
        "passages": len(docs),
        "CPU seconds": cpu,
        "rows": rows,
    }
    OUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
