"""Decisive evidence among dated articles, by relevance, by recency, and by their product (a simulation).

    python bench/bench_forecasting.py DATA [overlap|minilm]      # DATA holds climate-fever/

Claims and evidence are CLIMATE-FEVER's, and so is which evidence is decisive (its label is the claim's). All dates and
forecasts are made up (`domains.forecasting.simulate`): decisive evidence is dated where the made-up forecasters learn
most, so that recency helps by construction. Measured is whether the program finds that curve in the forecasts and what
the product then adds to relevance; nothing follows for real news. The curve is learned from half the claims and judged
on the other half, five evidences of each claim among 45 of others. ``shuffled dates``: a control in which the same
dates are dealt out at random, where recency must not help. ``R-precision`` counts the decisive among as many first
articles.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from anyrank.core.groupings import Whole
from anyrank.core.rerank import Rerank
from anyrank.core.types import Judgement, Ranking
from anyrank.domains.forecasting.judges import Timely
from anyrank.domains.forecasting.questions import rankings
from anyrank.domains.forecasting.recency import Recency, learned
from anyrank.domains.forecasting.simulate import dated
from anyrank.domains.summaries.overlap import similarity
from anyrank.evaluate.significance import intervals
from anyrank.hub.open import open_model
from anyrank.judges.similarity import Similarity

RESULTS = Path(__file__).parent / "results"
CLAIMS = 300
FLAT = Recency((0.0, 1.0), (1.0, 1.0))


def precision(after: Sequence[Ranking], decisive: dict[str, frozenset[str]]) -> list[float]:
    """R-precision of each ranking."""
    return [
        len(set(r.ids[: len(decisive[r.query.id])]) & decisive[r.query.id]) / len(decisive[r.query.id]) for r in after
    ]


def by_overlap(groups):
    """Relevance as the overlap of words, a judge that needs no model."""
    return [Judgement([similarity(q.content, c.content["text"] if isinstance(c.content, dict) else c.content)
                       for c in members]) for q, members in groups]  # fmt: skip


def main(data: Path, judge: str = "minilm") -> None:
    start = time.process_time()
    lines = gzip.decompress((data / "climate-fever" / "climate-fever.jsonl.gz").read_bytes()).decode().splitlines()
    claims = [json.loads(line) for line in lines]
    sure = [c for c in claims if any(e["evidence_label"] == c["claim_label"] for e in c["evidences"])]
    made = dated(sure[:CLAIMS])
    train, test = made.questions[::2], made.questions[1::2]
    curve = learned(train)
    decisive = dict(made.decisive)
    rng = random.Random(1)
    by_question: dict[str, list] = {}
    for a in made.articles:
        by_question.setdefault(a.question, []).append(a)
    shuffled = []
    for own in by_question.values():
        dates = [a.date for a in own]
        rng.shuffle(dates)
        shuffled += [replace(a, date=d) for a, d in zip(own, dates)]
    before = rankings(test, made.articles)
    relevance = by_overlap if judge == "overlap" else Similarity(open_model("minilm"))
    alone = f"relevance ({judge})"

    def constant(groups):
        return [Judgement([1.0] * len(members)) for _, members in groups]

    runs = {
        alone: Rerank(Timely(relevance, FLAT, scale=True), Whole()).batch(before),
        "recency": Rerank(Timely(constant, curve), Whole()).batch(before),
        "relevance x recency": Rerank(Timely(relevance, curve, scale=True), Whole()).batch(before),
        "relevance x recency, shuffled dates": Rerank(Timely(relevance, curve, scale=True), Whole()).batch(
            rankings(test, shuffled)
        ),
    }
    values = {name: precision(after, decisive) for name, after in runs.items()}
    base = np.array(values[alone])
    table = {}
    for name, own in values.items():
        low, high = (bound[0] for bound in intervals((np.array(own) - base)[:, None]))
        table[name] = {
            "R-precision": round(float(np.mean(own)), 4),
            "gain": [round(float(np.mean(own) - base.mean()), 4), round(float(low), 4), round(float(high), 4)],
        }
    peak = curve.times[int(np.argmax(curve.values))]
    result = {
        "data": "CLIMATE-FEVER's claims and evidence with made-up dates and forecasts: a simulation",
        "claims": {"curve": len(train), "judged": len(test)},
        "articles a claim": round(float(np.mean([len(r) for r in before])), 1),
        "decisive a claim": round(float(np.mean([len(decisive[q.id]) for q in test])), 2),
        "recency is greatest at": round(peak, 3),
        "runs": table,
        "cpu seconds": round(time.process_time() - start),
    }
    file = "forecasting.json" if judge == "overlap" else f"forecasting-{judge}.json"
    (RESULTS / file).write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
