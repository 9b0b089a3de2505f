"""Time of an evaluation against calling ir_measures directly: 3,000 queries, 1,000 documents each.

python bench/bench_evaluate.py [queries] [documents]
"""

import random
import sys
import time
from statistics import median

import ir_measures

from anyrank import Query, Ranking
from anyrank.core.types import Candidate
from anyrank.evaluate import evaluate

MEASURES = ("nDCG@10", "AP", "RR@10", "R@100")


def timed(what, times=3):
    took = []
    for _ in range(times):
        start = time.perf_counter()
        result = what()
        took.append(time.perf_counter() - start)
    return median(took), result


def main(queries: int = 3000, documents: int = 1000) -> None:
    rng = random.Random(0)
    names = [f"d{i}" for i in range(documents * 20)]
    run = {}
    for q in range(queries):
        docs = rng.sample(names, documents)
        run[f"q{q}"] = {d: 1 - i / documents for i, d in enumerate(docs)}
    qrels = {q: {d: rng.randint(0, 3) for d in rng.sample(list(docs), min(20, documents))} for q, docs in run.items()}
    rankings = [Ranking(Query(q), tuple(Candidate(d, None, s) for d, s in docs.items())) for q, docs in run.items()]
    for wanted in (MEASURES[:2], MEASURES):
        parsed = [ir_measures.parse_measure(m) for m in wanted]
        theirs, expected = timed(lambda parsed=parsed: ir_measures.calc_aggregate(parsed, qrels, run))
        print(f"\n{', '.join(wanted)}: {queries} queries x {documents} documents")
        print(f"  ir_measures alone      {theirs:6.2f} s")
        for what, given in (("scores", run), ("rankings", rankings)):
            ours, e = timed(lambda given=given, wanted=wanted: evaluate({"a": given}, qrels, wanted))
            assert all(abs(e.mean("a", str(m)) - v) < 1e-9 for m, v in expected.items())
            print(
                f"  evaluate, of {what:9} {ours:6.2f} s   ratio {ours / theirs:.2f} (with per-query values, intervals)"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
