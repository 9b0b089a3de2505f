"""How many mined "negatives" are in truth relevant: each mining rule on the bundled Cranfield collection.

    python bench/bench_negatives.py [seeds]

Of each query's relevant documents one, drawn by the seed, is known to the miner; 8 negatives are mined from BM25's top
100. Printed are the queries that get any, the negatives, and the share of them that the judgements call relevant: mean
over the seeds, and the lowest and highest of them. Judgements are sparse, so the true shares are higher.
"""

import random
import sys
import tempfile

from anyrank import Ranking
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.io import Dataset
from anyrank.pipeline.parser import Settings, parse
from anyrank.train.mining import Rules, doubted, mined
from anyrank.train.sampling import Softmax, Top, Uniform

WAYS = {
    "top": (Rules(), Top(), None),
    "random": (Rules(), Uniform(), None),
    "softmax, tau 2": (Rules(), Softmax(2.0), None),
    "ranks 10 to 50": (Rules(skip=10, among=50), Top(), None),
    "absolute margin 2": (Rules(absolute=2.0), Top(), None),
    "relative margin .95": (Rules(relative=0.95), Top(), None),
    "adaptive margin 1": (Rules(adaptive=1.0), Top(), None),
    "top, MiniLM agrees": (Rules(), Top(), Rules(absolute=0.0)),
    "relative, MiniLM agrees": (Rules(relative=0.95), Top(), Rules(relative=0.95)),
}


def main(seeds: int) -> None:
    data = Dataset.open("demo")
    qrels = {q: {d for d, g in grades.items() if g > 0} for q, grades in data.qrels().items()}
    with tempfile.TemporaryDirectory() as folder:
        build(data.documents(), folder, overwrite=True)
        collection = Collection.open(folder)
        runs = (parse("bm25 % 100", Settings(collection))).batch([Ranking(q) for q in data.queries()])
        second = parse("minilm", Settings(collection), starts=False).batch(runs)
    print(f"{'rule':26}{'queries':>9}{'negatives':>11}{'relevant':>10}   lowest and highest seed")
    for name, (rules, sampler, agrees) in WAYS.items():
        queries = negatives = 0
        shares = []
        for seed in range(seeds):
            known, doubts = {}, {}
            for run, other in zip(runs, second):
                if there := [i for i in run.ids if i in qrels.get(run.query.id, ())]:
                    id = run.query.id
                    known[id] = {random.Random(f"{seed}/{id}").choice(there): 1}
                    doubts[id] = set() if agrees is None else doubted(other, known[id], agrees)
            groups = list(mined(runs, known, 8, rules, sampler, exclude=doubts, seed=seed))
            drawn = [i in qrels[g.id] for g in groups for i, label in zip(g.ids, g.labels) if label == 0]
            queries, negatives = queries + len(groups), negatives + len(drawn)
            shares.append(sum(drawn) / len(drawn))
        mean, low, high = sum(shares) / seeds, min(shares), max(shares)
        print(f"{name:26}{queries / seeds:9.1f}{negatives / seeds:11.1f}{mean:10.1%}   {low:.1%} {high:.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
