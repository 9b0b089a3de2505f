"""MMR and xQuAD on ambiguous queries made of Cranfield's (a simulation), three seeds.

    anyrank index demo -o WORK --encode splade
    python bench/bench_diversity.py WORK [SEED …]      # anyrank[eval]

No collection at hand is judged by subtopics, so ambiguity is made up: a query is the texts of three real queries one
after another, its subtopics are these three, and a document is relevant to a subtopic by the judgements of that query.
Real are documents, queries and judgements; made up is that somebody asks for three things at once. So it shows whether
a stage covers what it is told or finds by itself, not what real ambiguous queries gain. Each seed deals all queries
into other triples. xQuAD is told the three texts as aspects (the best case: no rewriter has to find them); MMR is told
nothing. Candidates: the best 100 of BM25; both stages read SPLADE-tiny's vectors. ``lam`` was not tuned: the defaults
and one more of each. Intervals are 95 % bootstraps over queries of the difference from BM25's order, seeds together.
The results file is added to seed by seed.
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
from anyrank.index.collection import Collection
from anyrank.io.dataset import Dataset
from anyrank.pipeline.parser import Settings, parse

OUT = Path(__file__).parent / "results" / "diversity.json"
MEASURES = ("alpha_nDCG@10", "ERR_IA@10", "StRecall@10")
PARTS = 3
STAGES = {
    "BM25": "",
    "MMR, lam .7": 'mmr("splade", lam=0.7)',
    "MMR, lam .5": 'mmr("splade", lam=0.5)',
    "xQuAD, lam .5": 'xquad("splade", lam=0.5)',
    "xQuAD, lam .8": 'xquad("splade", lam=0.8)',
    "SPLADE-tiny's order": "splade",
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


def measured(work: Path, seed: int) -> dict[str, dict[str, list[float]]]:
    """The values of every query, by stage and measure."""
    data = Dataset.open("demo")
    part = data.chosen(None)
    settings = Settings(Collection.open(work), remember=True)
    asked, grades = ambiguous({q.id: q for q in data.queries(part)}, data.qrels(part), seed)
    meter = Meter(MEASURES, grades)
    before = parse("bm25 % 100", settings).batch([Ranking(q) for q in asked])
    out = {}
    for name, stage in STAGES.items():
        after = parse(stage, settings, starts=False).batch(before) if stage else before
        out[name] = {m: [round(v, 5) for v in row] for m, row in meter({r.query.id: r.ids for r in after}).items()}
    return out


def main() -> None:
    work, start = Path(sys.argv[1]), time.process_time()
    known: dict[str, Any] = json.loads(OUT.read_text("utf-8"))["seeds"] if OUT.is_file() else {}
    for seed in sys.argv[2:] or ("0", "1", "2"):
        known[seed] = {"values": measured(work, int(seed)), "cpu seconds": round(time.process_time() - start)}
    table: dict[str, Any] = {}
    for name in STAGES:
        table[name] = {}
        for measure in MEASURES:
            seeds = [np.array(k["values"][name][measure]) for k in known.values()]
            base = np.concatenate([k["values"]["BM25"][measure] for k in known.values()])
            gain = np.concatenate(seeds) - base
            low, high = (float(bound[0]) for bound in intervals(gain[:, None]))
            table[name][measure] = {
                "mean": round(float(np.concatenate(seeds).mean()), 4),
                "each seed": [round(float(s.mean()), 4) for s in seeds],
                "gain": [round(float(gain.mean()), 4), round(low, 4), round(high, 4)],
            }
        print(name, {m: (v["mean"], v["gain"]) for m, v in table[name].items()})
    about = "Cranfield's queries in threes: a simulation of ambiguous queries"
    OUT.write_text(json.dumps({"data": about, "table": table, "seeds": known}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
