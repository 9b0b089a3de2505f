"""Training groups for the shipped rerankers: queries of open collections and queries made from their passages, BM25's
candidates, labels by the sum of z-scores of the shipped models (code: twice MiniLM's, since SPLADE-tiny knows none).

    python scripts/make_groups.py OUT        # writes OUT/train.jsonl, OUT/valid-*.jsonl and valid-*.tsv

Beside them OUT/judged.jsonl has the training judgements of SciFact and NFCorpus over BM25's best 50, for comparisons of
ways to train (bench/bench_ablations.py), and judged-minilm.jsonl the same texts scored by MiniLM. SmolLM2-135M writes
questions for passages of the web (OUT/questions.jsonl; where the file is there already, it is read).

Needs the extra torch and the optional data (ANYRANK_DATA, or ../shared/data). Read: MS MARCO v2 passages that TREC
DL22's runs hold (no judgements), SciFact and NFCorpus with their training queries and judgements, CoSQA's documents.
Not read: TREC DL19, SciFact's test part, the parts of NFCorpus and CoSQA that validate, Cranfield, Vaswani.
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
from anyrank.methods import language_model
from anyrank.names import model
from anyrank.retrieve.build import build
from anyrank.retrieve.collection import Collection
from anyrank.train.consistency import findable
from anyrank.train.group import Group
from anyrank.train.groups import read_groups, write_groups
from anyrank.train.judged import judged
from anyrank.train.synthetic import cloze_queries, keyword_queries, title_queries
from anyrank.train.teachers import distilled, labelled
from anyrank.train.written import written_queries

DATA = Path(os.environ.get("ANYRANK_DATA", Path(__file__).parents[2] / "shared" / "data"))
CANDIDATES, TEXTS, BEST, BONUS = 40, 10, 3, 3.0
TEACHER, OF_CODE = "splade + minilm", "minilm + minilm"  # sums of two z-scores, so that all margins are of one scale
HELD_OUT = 200  # of SciFact's training claims, for validation
ASKED = 1200  # of NFCorpus' training queries
WRITTEN = 1700  # passages that questions are written for
AGAIN = 4  # draws of other texts for the queries that people wrote


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


def written(web: Collection, file: Path, rng: random.Random) -> list[Query]:
    """Questions by a small language model, of those the ones that find their passage again."""
    passages = rng.sample(list(web.documents()), WRITTEN)  # drawn in any case: what follows draws from rng too
    if not file.exists():
        write_groups(file, written_queries(passages, language_model("smollm2-135m-instruct")))
    found = findable(read_groups(file), parse("bm25 + minilm", Settings(web)))
    return [Query(g.id, g.query) for g in found]


def listed(collection: Collection, queries: list[Query], qrels: Qrels) -> list[Group]:
    """BM25's best 50 with the grades of the judgements (0 where there is none)."""
    found = parse("bm25 % 50", Settings(collection)).batch([Ranking(q) for q in queries])
    known = {r.query.id: {i: g for i, g in qrels.get(r.query.id, {}).items() if i in r.ids} for r in found}
    return list(judged(found, known))


def made(pairs: Iterable[Group], n: int, rng: random.Random, kind: str) -> list[Query]:
    found = list(pairs)
    return [Query(f"{kind}-{g.id}", g.query) for g in rng.sample(found, min(n, len(found)))]


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    train: list[Group] = []

    def add(collection: Collection, queries: list[Query], qrels: Qrels, teacher: str = TEACHER, draws: int = 1) -> None:
        before = len(train)
        for g in taught(collection, queries, teacher):
            if len(g.texts) > 3:
                train.extend(sampled(g, rng, qrels) for _ in range(draws))
        print(len(queries), "queries,", len(train) - before, "groups", flush=True)

    compared: list[Group] = []
    second: list[Group] = []
    with tempfile.TemporaryDirectory() as scratch:
        web = opened(read_documents(DATA / "dl-candidates/dl22.passages.jsonl.gz"), Path(scratch) / "web")
        add(web, list(read_queries(DATA / "dl-candidates/dl22.queries.tsv")), {}, draws=AGAIN)
        add(web, written(web, out / "questions.jsonl", rng), {})
        queries = made(cloze_queries(web.documents()), 2000, rng, "cloze")
        queries += made(keyword_queries(web.documents()), 1000, rng, "keywords")
        add(web, queries, {})
        for name, n in (("scifact", 1000), ("nfcorpus", 300), ("cosqa", 1000)):
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
                queries = rng.sample(queries, min(ASKED, len(queries)))
            if queries:
                mine = listed(collection, queries, qrels)
                compared += mine
                second += labelled(mine, parse("minilm", Settings(collection), starts=False))
            settings = Settings(collection)
            found = parse("bm25 % 50", settings).batch([Ranking(q) for q in held])
            write_groups(
                out / f"valid-{name}.jsonl", (Group.of(r.query, list(r), [0.0] * len(r)) for r in found if len(r))
            )
            write_qrels(out / f"valid-{name}.tsv", {q.id: grades[q.id] for q in held})
            add(collection, queries + made(more, n, rng, "made"), qrels, OF_CODE if name == "cosqa" else TEACHER)
    write_groups(out / "judged.jsonl", compared)
    write_groups(out / "judged-minilm.jsonl", second)
    write_groups(out / "train.jsonl", train)
    print(len(train), "groups,", sum(len(g.texts) for g in train), "pairs")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
