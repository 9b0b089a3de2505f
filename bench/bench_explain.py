"""Do explanations add up, and does the sentence that they name matter to the judge?

    python bench/bench_explain.py DATA OUT.json [sums] [scifact] [climate] [--most N]

sums: ten pipelines over Cranfield, 8 queries each: the largest difference of a score from its parts, at any level.
scifact: the relevant abstract of every test claim, judged by mini. A sentence is named by the pairs of tokens inside
the score (one pass, no sentence was left out), and then deleted; beside it a random other sentence of like length. The
same on every fifth claim for sentences named by leaving out under a budget of half the sentences, and by minilm
(another model), so that what is named and what is measured differ.
climate: the five sentences of each claim joined in a random order; whether the sentence that leaving out names (mini)
is one that people called evidence, against the share of evidence among the five. Claims whose five are all evidence,
or none, say nothing and are left out. Intervals are 95 %, by 10,000 bootstrap draws of claims.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.content import text_of
from anyrank.core.passages import sentences
from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.explanations import explain
from anyrank.explanations.sentences import left_out
from anyrank.explanations.values import mismatch
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.io.dataset import Dataset
from anyrank.judges.similarity import Similarity
from anyrank.pipeline.parser import Settings, parse

PIPELINES = (
    "bm25",
    "bm25(k1=0.9, b=0.4, title=1, smoothing=0)",
    "bm25 % 20 >> tiny",
    "bm25 % 20 >> tiny + prior",
    "bm25 % 10 >> splade + 0.5 * tiny",
    "bm25 % 10 >> rm3 >> bm25 % 20 >> tiny",
    "rrf(bm25, bm25(b=0.3)) % 20 >> tiny % 5",
    "bm25 % 20 >> combmnz(tiny, prior)",
    "bm25 % 20 >> (tiny | prior)",
    'bm25 % 10 >> passages("tiny") + borda(tiny, prior)',
)


def sums() -> dict[str, Any]:
    demo = Dataset.open("demo")
    with tempfile.TemporaryDirectory() as folder:
        collection = build(demo.documents(), f"{folder}/demo.index")
        worst = {}
        for pipeline in PIPELINES:
            stage = parse(pipeline, Settings(collection))
            told = [explain(query, stage, top=5) for query in demo.queries()[:8]]
            worst[pipeline] = max(mismatch(document) for e in told for document in e.documents)
    return {"largest difference": max(worst.values()), "by pipeline": worst}


def deleted(parts: Sequence[str], i: int) -> str:
    return " ".join(part for j, part in enumerate(parts) if j != i)


def named_by_tokens(stage: Rerank, query: Query, text: str, parts: Sequence[str]) -> int:
    """The sentence that holds the most of the score, by where the tokens stand that the query's tokens match."""
    told = explain(Ranking(query, (Candidate("d", text),)), stage)
    starts, at = [], 0
    for part in parts:
        at = text.index(part, at)
        starts.append(at)
        at += len(part)
    worth = np.zeros(len(parts))
    for pair in told.documents[0].parts[-1].parts:
        if pair.span is not None and pair.span[1]:
            worth[int(np.searchsorted(starts, pair.span[0], side="right")) - 1] += pair.contribution
    return int(worth.argmax())


def named_by_leaving_out(judge: Any, budget: Callable[[int], int]) -> Callable[[Query, str, Sequence[str]], int | None]:
    def name(query: Query, text: str, parts: Sequence[str]) -> int | None:
        ranking = Ranking(query, (Candidate("d", text),))
        told = left_out(Rerank(judge), ranking, ranking[0], budget=budget(len(parts)))
        best = told.sentences[0].text if told and told.sentences else ""
        inside = [i for i, part in enumerate(parts) if part in best]
        return inside[0] if inside else None

    return name


def scifact(data: Path, most: int) -> dict[str, Any]:
    collection = Dataset.open(data / "scifact")
    documents = {d.id: text_of(d.content) for d in collection.documents()}
    mini, minilm = open_model("mini"), open_model("minilm")
    judge, stage, draw = Similarity(mini), Rerank(Similarity(mini)), random.Random(0)
    qrels = collection.qrels("test")
    other, half = Similarity(minilm), named_by_leaving_out(judge, lambda n: max(n // 2 + 2, 3))
    by_minilm = named_by_leaving_out(other, lambda n: n + 1)
    ways: dict[str, Callable[[Query, str, Sequence[str]], int | None]] = {
        "pairs of tokens": lambda q, t, p: named_by_tokens(stage, q, t, p),
        "leaving out, half the budget": half,
        "leaving out, by minilm": by_minilm,
    }
    rows: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    faith, claims = [], 0
    for query in collection.queries("test")[:most]:
        relevant = next(id for id, grade in qrels[query.id].items() if grade > 0)
        text = documents[relevant]
        parts = sentences(text)
        if len(parts) < 3:
            continue
        claims += 1
        if claims % 10 == 0:
            ranking = Ranking(query, (Candidate("d", text),))
            told = left_out(stage, ranking, ranking[0])
            if told is not None and told.faithfulness is not None:
                faith.append(told.faithfulness)
        for way, name in ways.items():
            chosen = name(query, text, parts) if way == "pairs of tokens" or claims % 5 == 0 else None
            if chosen is None:
                continue
            others = [i for i in range(len(parts)) if i != chosen]
            near = sorted(others, key=lambda i: abs(len(parts[i]) - len(parts[chosen])))[:3]
            texts = [text, deleted(parts, chosen), deleted(parts, draw.choice(near))]
            scores = judge([(query, [Candidate(str(i), t) for i, t in enumerate(texts)])])[0].scores
            rows[way].append((scores[0] - scores[1], scores[0] - scores[2]))
    results = {
        way: {
            "claims": len(pairs),
            "named lowers more": share([float(a > b) for a, b in pairs]),
            "mean drop, named": round(float(np.mean([a for a, _ in pairs])), 4),
            "mean drop, random of like length": round(float(np.mean([b for _, b in pairs])), 4),
        }
        for way, pairs in rows.items()
    }
    return {"claims": claims, **results, "median faithfulness": round(float(np.median(faith)), 3)}


def share(values: Sequence[float]) -> dict[str, Any]:
    """The mean with its bootstrap interval."""
    x, draw = np.array(values), np.random.default_rng(0)
    means = [x[draw.integers(0, len(x), len(x))].mean() for _ in range(10_000)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": round(float(x.mean()), 4), "interval": [round(float(low), 4), round(float(high), 4)]}


def climate(data: Path, most: int) -> dict[str, Any]:
    judge, draw = Similarity(open_model("mini")), random.Random(0)
    hits, chances, gains, first = [], [], [], []
    with gzip.open(data / "climate-fever" / "climate-fever.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    draw.shuffle(rows)
    for row in rows:
        pairs = [(e["evidence"].strip(), e["evidence_label"] != "NOT_ENOUGH_INFO") for e in row["evidences"]]
        if len({label for _, label in pairs}) < 2 or len({text for text, _ in pairs}) < 5:
            continue
        draw.shuffle(pairs)
        texts = [" ".join(t for t, _ in pairs), *(" ".join(t for t, _ in pairs if t != u) for u, _ in pairs)]
        candidates = [Candidate(str(i), t) for i, t in enumerate(texts)]
        scores = judge([(Query("q", row["claim"]), candidates)])[0].scores
        best = min(range(5), key=lambda i: scores[i + 1])
        chance = sum(label for _, label in pairs) / 5
        hits.append(float(pairs[best][1]))
        chances.append(chance)
        gains.append(hits[-1] - chance)
        first.append(float(pairs[0][1]))
        if len(hits) == most:
            break
    return {
        "claims": len(hits),
        "top sentence is evidence": share(hits),
        "chance": round(float(np.mean(chances)), 4),
        "above chance": share(gains),
        "first sentence is evidence": round(float(np.mean(first)), 4),
    }


def main() -> None:
    words = sys.argv[1:]
    most = 10**6
    if "--most" in words:
        at = words.index("--most")
        most, words = int(words[at + 1]), words[:at] + words[at + 2 :]
    data, out, chosen = Path(words[0]), Path(words[1]), words[2:] or ["sums", "scifact", "climate"]
    results: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
    for name in chosen:
        start = time.process_time()
        results[name] = {
            "sums": sums,
            "scifact": lambda: scifact(data, most),
            "climate": lambda: climate(data, most),
        }[name]()
        results[name]["cpu seconds"] = round(time.process_time() - start)
        out.write_text(json.dumps(results, indent=1) + "\n")
        print(name, json.dumps(results[name]), flush=True)


if __name__ == "__main__":
    main()
