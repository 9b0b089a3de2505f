"""Training groups for the shipped rerankers: queries of open collections and queries made from their passages, BM25's
candidates, labels by the sum of z-scores of the shipped models (code: by MiniLM alone, since SPLADE-tiny knows none).

    python scripts/make_groups.py OUT        # writes OUT/train.jsonl, OUT/valid-*.jsonl and valid-*.tsv

Needs the optional data (ANYRANK_DATA, or ../shared/data). Read: MS MARCO v2 passages that TREC DL22's runs hold (no
judgements), SciFact and NFCorpus with their training queries and judgements, CoSQA's documents. Not read: TREC DL19,
SciFact's test part, the parts of NFCorpus and CoSQA that validate, Cranfield, Vaswani.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from anyrank.core.types import Query, Ranking
from anyrank.expression import Settings, parse
from anyrank.io.corpus import read_documents, read_queries
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import Qrels, write_qrels
from anyrank.names import model
from anyrank.retrieve.build import build
from anyrank.retrieve.collection import Collection
from anyrank.train.group import Group
from anyrank.train.groups import write_groups
from anyrank.train.synthetic import cloze_queries, keyword_queries, title_queries
from anyrank.train.teachers import distilled

DATA = Path(os.environ.get("ANYRANK_DATA", Path(__file__).parents[2] / "shared" / "data"))
CANDIDATES, TEXTS, BEST, BONUS = 40, 10, 3, 3.0
TEACHER = "splade + minilm"
HELD_OUT = 200  # of SciFact's training claims, for validation


def opened(docs: Iterable, folder: Path) -> Collection:
    build(docs, folder)
    collection = Collection.open(folder)
    for name in ("splade-tiny", "minilm"):
        collection.encode(model(name))
    return collection


def sampled(group: Group, rng: random.Random, qrels: Qrels) -> Group:
    """The best three by the teacher's score, texts judged relevant lifted by ``BONUS``, and some of the others."""
    good = {i for i, grade in qrels.get(group.id, {}).items() if grade > 0}
    labels = tuple(x + BONUS * (i in good) for i, x in zip(group.ids, group.labels))
    order = sorted(range(len(labels)), key=lambda i: -labels[i])
    rest = order[BEST:]
    kept = order[:BEST] + rng.sample(rest, min(TEXTS - BEST, len(rest)))
    return replace(group, labels=labels).take(kept)


def taught(collection: Collection, queries: Iterable[Query], teacher: str) -> Iterable[Group]:
    settings = Settings(collection)
    return distilled(queries, parse(f"bm25 % {CANDIDATES}", settings), parse(teacher, settings, starts=False))


def made(pairs: Iterable[Group], n: int, rng: random.Random, kind: str) -> list[Query]:
    found = list(pairs)
    return [Query(f"{kind}-{g.id}", g.query) for g in rng.sample(found, min(n, len(found)))]


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    train: list[Group] = []

    def add(collection: Collection, queries: list[Query], qrels: Qrels, teacher: str = TEACHER) -> None:
        before = len(train)
        train.extend(sampled(g, rng, qrels) for g in taught(collection, queries, teacher) if len(g.texts) > 3)
        print(len(queries), "queries,", len(train) - before, "groups", flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        web = opened(read_documents(DATA / "dl-candidates/dl22.passages.jsonl.gz"), Path(scratch) / "web")
        queries = list(read_queries(DATA / "dl-candidates/dl22.queries.tsv"))
        queries += made(cloze_queries(web.documents()), 3000, rng, "cloze")
        queries += made(keyword_queries(web.documents()), 2000, rng, "keywords")
        add(web, queries, {})
        for name, n in (("scifact", 1500), ("nfcorpus", 1000), ("cosqa", 1000)):
            data = Dataset.open(DATA / name)
            collection = opened(data.documents(), Path(scratch) / name)
            if name == "cosqa":  # its judged queries validate
                queries, qrels, more = [], {}, keyword_queries(collection.documents())
            else:
                queries, qrels, more = data.queries("train"), data.qrels("train"), title_queries(collection.documents())
            if name == "scifact":
                held, grades, queries = queries[:HELD_OUT], qrels, queries[HELD_OUT:]
            else:
                held, grades = data.queries("dev")[:HELD_OUT], data.qrels("dev")
            settings = Settings(collection)
            found = parse("bm25 % 50", settings).batch([Ranking(q) for q in held])
            write_groups(
                out / f"valid-{name}.jsonl", (Group.of(r.query, list(r), [0.0] * len(r)) for r in found if len(r))
            )
            write_qrels(out / f"valid-{name}.tsv", {q.id: grades[q.id] for q in held})
            add(collection, queries + made(more, n, rng, "made"), qrels, "minilm" if name == "cosqa" else TEACHER)
    write_groups(out / "train.jsonl", train)
    print(len(train), "groups,", sum(len(g.texts) for g in train), "pairs")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
