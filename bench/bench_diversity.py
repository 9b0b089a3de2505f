"""MMR and xQuAD on ambiguous queries made of Cranfield's (a simulation), three seeds.

    python bench/bench_diversity.py WORK      # anyrank[eval]; WORK keeps the index

No collection at hand is judged by subtopics, so ambiguity is made up: a query is the texts of three real queries one
after another, its subtopics are these three, and a document is relevant to a subtopic by the judgements of that query.
Real are documents, queries and judgements; made up is that somebody asks for three things at once. So it shows whether
a stage covers what it is told or finds by itself, not what real ambiguous queries gain. Each seed deals all queries
into other triples. xQuAD is told the three texts as aspects (the best case: no rewriter has to find them); MMR is told
nothing. Candidates: the best 100 of BM25, or of BM25 and MiniLM by the sum of z-scores. ``lam`` was not tuned: the
defaults and one more of each. Intervals are 95 % bootstraps over queries of the difference from the candidates' own
order, seeds together.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.types import Query, Ranking
from anyrank.evaluate.measures import Meter
from anyrank.evaluate.significance import intervals
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.io.dataset import Dataset
from anyrank.pipeline.parser import Settings, parse
from anyrank.pipeline.table import model

OUT = Path(__file__).parent / "results" / "diversity.json"
MEASURES = ("alpha_nDCG@10", "ERR_IA@10", "StRecall@10")
SEEDS, PARTS = (0, 1, 2), 3
CANDIDATES = {"BM25": "bm25 % 100", "BM25 + MiniLM": "(bm25 + minilm) % 100"}
STAGES = {
    "as found": "",
    "MMR, lam .7": 'mmr("minilm", lam=0.7)',
    "MMR, lam .5": 'mmr("minilm", lam=0.5)',
    "xQuAD, lam .5": 'xquad("minilm", lam=0.5)',
    "xQuAD, lam .8": 'xquad("minilm", lam=0.8)',
}


def ambiguous(
    queries: Mapping[str, Query], qrels: Mapping[str, Mapping[str, int]], seed: int
) -> tuple[list[Query], dict[str, dict[str, dict[str, int]]]]:
    """Queries of three texts with their aspects, and grades by document and subtopic."""
    ids = sorted(id for id in queries if any(g > 0 for g in qrels.get(id, {}).values()))
    random.Random(seed).shuffle(ids)
    asked, grades = [], {}
    for start in range(0, len(ids) - PARTS + 1, PARTS):
        part = ids[start : start + PARTS]
        texts = [str(queries[id].content) for id in part]
        query = Query("+".join(part), " ".join(texts), {"aspects": texts})
        asked.append(query)
        by_document: dict[str, dict[str, int]] = {}
        for n, id in enumerate(part, 1):
            for document, grade in qrels[id].items():
                by_document.setdefault(document, {})[str(n)] = int(grade > 0)
        grades[query.id] = by_document
    return asked, grades


def main() -> None:
    work, start = Path(sys.argv[1]), time.process_time()
    data = Dataset.open("demo")
    part = data.chosen(None)
    if not (work / "manifest.json").is_file():
        build(data.documents(), work).encode(model("minilm"))
    settings = Settings(Collection.open(work), remember=True)
    queries, qrels = {q.id: q for q in data.queries(part)}, data.qrels(part)
    values: dict[str, dict[str, list[list[float]]]] = {}
    for seed in SEEDS:
        asked, grades = ambiguous(queries, qrels, seed)
        meter = Meter(MEASURES, grades)
        for found, search in CANDIDATES.items():
            before = parse(search, settings).batch([Ranking(q) for q in asked])
            for name, stage in STAGES.items():
                after = parse(stage, settings, starts=False).batch(before) if stage else before
                rows = meter({r.query.id: r.ids for r in after})
                for measure, own in rows.items():
                    values.setdefault(f"{found}, {name}", {}).setdefault(measure, []).append(own)
            print(seed, found, round(time.process_time() - start), flush=True)
    table: dict[str, Any] = {}
    for name, rows in values.items():
        base = values[f"{name.partition(', ')[0]}, as found"]
        table[name] = {}
        for measure, seeds in rows.items():
            gain = np.concatenate(seeds) - np.concatenate(base[measure])
            low, high = (float(bound[0]) for bound in intervals(gain[:, None]))
            table[name][measure] = {
                "mean": round(float(np.mean(np.concatenate(seeds))), 4),
                "each seed": [round(float(np.mean(s)), 4) for s in seeds],
                "gain": [round(float(gain.mean()), 4), round(low, 4), round(high, 4)],
            }
        print(name, {m: (v["mean"], v["gain"]) for m, v in table[name].items()})
    result = {
        "data": "Cranfield's queries in threes: a simulation of ambiguous queries",
        "queries a seed": len(next(iter(values.values()))[MEASURES[0]][0]),
        "table": table,
        "cpu seconds": round(time.process_time() - start),
    }
    OUT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
