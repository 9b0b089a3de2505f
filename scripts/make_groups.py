"""Training groups for rerankers: queries of open collections and queries made from their passages, BM25's candidates,
labels by the sum of z-scores of SPLADE-tiny, MiniLM's cosine and MiniLM by late interaction (code: without SPLADE-tiny,
which knows none). For the queries of TREC DL22 the candidates of a larger SPLADE's run too, and its scores.

    python scripts/make_groups.py OUT        # writes OUT/train.jsonl, OUT/valid-*.jsonl and valid-*.tsv

Beside them OUT/judged.jsonl has the training judgements of SciFact and NFCorpus over BM25's best 50, for comparisons of
ways to train (bench/bench_ablations.py), and judged-minilm.jsonl the same texts scored by MiniLM. SmolLM2-135M writes
questions for passages of the web (OUT/questions.jsonl; where the file is there already, it is read).

Needs the extra torch and the optional data (ANYRANK_DATA, or ../shared/data). Read: MS MARCO v2 passages that TREC
DL22's runs hold (no judgements), SciFact and NFCorpus with their training queries and judgements, CoSQA's documents and
its queries' texts that validate nothing. Not read: TREC DL19, SciFact's test part, the parts of NFCorpus and CoSQA
that validate, TREC-QA, Cranfield, Vaswani.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.backends.onnx.late import text_vectors
from anyrank.backends.onnx.models import load
from anyrank.core.fusion import Combine
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.hub.registry import resolve
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.io.corpus import read_documents, read_queries
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import Qrels, write_qrels
from anyrank.io.runs import read_run
from anyrank.models.late import LateInteraction
from anyrank.pipeline.methods import language_model
from anyrank.pipeline.parser import Settings, parse
from anyrank.pipeline.table import model
from anyrank.train.consistency import findable
from anyrank.train.export import export
from anyrank.train.group import Group
from anyrank.train.groups import read_groups, write_groups
from anyrank.train.judgements import judged
from anyrank.train.query_generation import written_queries
from anyrank.train.recipe import Export
from anyrank.train.synthetic import cloze_queries, keyword_queries, title_queries
from anyrank.train.teachers import labelled
from anyrank.vectors import Tokens

DATA = Path(os.environ.get("ANYRANK_DATA", Path(__file__).parents[2] / "shared" / "data"))
Run = Mapping[str, Sequence[tuple[str, float]]]
Scores = dict[str, float]

CANDIDATES, TEXTS, BEST, BONUS = 40, 10, 3, 4.0
OF_TEXT = {"splade": 1.0, "minilm": 1.0, "late": 1.0}  # the teachers and their weights in the sum of z-scores
OF_CODE = {"minilm": 1.5, "late": 1.5}
OF_RUN = {"splade": 0.6, "minilm": 0.6, "late": 0.6, "run": 1.2}  # all sums of 3, so that margins are of one scale
TEACHES = (0.0, 20.0, 10.0)  # late interaction, before any training: even MaxSim and the cosine
LARGE = "dl22.SPLADE_P_P_ENSEMBLE_DISTIL.top100.trec"
HELD_OUT = 200  # of SciFact's training claims, for validation
ASKED = 1200  # of NFCorpus' training queries
WRITTEN = 1700  # passages that questions are written for
DRAWS = {"web": 15, "scifact": 3, "nfcorpus": 2, "cosqa": 3}  # groups for a query that people wrote


class Late:
    """A teacher: MiniLM by late interaction, before any training, on documents of a collection read once."""

    def __init__(self, folder: Path, documents: Iterable[Candidate]) -> None:
        self.judge: Any = load(folder)
        texts = list(dict.fromkeys(str(d.content) for d in documents))
        # In half precision, text by text, as an index would store them.
        self.known = {texts[i]: stored(text_vectors([states])) for i, states in self.judge.read(texts)}

    def batch(self, rankings: list[Ranking]) -> list[Scores]:
        queries = self.judge.encode([str(r.query.content) for r in rankings], query=True).vectors
        near = [{c.id: self.known[str(c.content)].near(queries.take([i])) for c in r} for i, r in enumerate(rankings)]
        return [{name: float(score[0]) for name, score in scores.items()} for scores in near]


def stored(vectors: Tokens) -> Tokens:
    """Token vectors whose states are in half precision."""
    return replace(vectors, states=vectors.states.astype(np.float16))


@dataclass
class Taught:
    """A collection with its teachers."""

    collection: Collection
    late: Late

    @classmethod
    def open(cls, docs: Iterable[Candidate], folder: Path, untrained: Path) -> Taught:
        build(docs, folder)
        collection = Collection.open(folder)
        for name in ("splade-tiny", "minilm"):
            collection.encode(model(name))
        return cls(collection, Late(untrained, collection.documents()))

    def groups(self, queries: Sequence[Query], weights: dict[str, float], run: Run | None = None) -> Iterator[Group]:
        """A group a query: BM25's candidates (and those of a run), labelled by the weighted sum of z-scores."""
        settings, run = Settings(self.collection), run or {}
        for at in range(0, len(queries), 16):
            found = parse(f"bm25 % {CANDIDATES}", settings).batch([Ranking(q) for q in queries[at : at + 16]])
            found = [self.joined(r, run.get(r.query.id, ())) for r in found if len(r) > 3]
            scores: dict[str, list[Scores]] = {
                name: [dict(zip(r.ids, r.scores)) for r in parse(name, settings, starts=False).batch(found)]
                for name in ("splade", "minilm")
                if name in weights
            }
            scores |= {"late": self.late.batch(found), "run": [dict(run.get(r.query.id, ())) for r in found]}
            for i, r in enumerate(found):
                total = Combine()([scores[name][i] for name in weights], list(weights.values()))
                yield Group.of(r.query, list(r), [total[c.id] for c in r])

    def joined(self, ranking: Ranking, more: Iterable[tuple[str, float]]) -> Ranking:
        """The candidates and, behind them, those of a run."""
        other = self.collection.get([i for i, _ in more if i not in set(ranking.ids)])
        lowest = ranking.scores[-1]
        return replace(ranking, candidates=(*ranking, *(replace(c, score=lowest - n) for n, c in enumerate(other, 1))))


def untrained(folder: Path) -> Path:
    """MiniLM as a late interaction, as int8."""
    start = LateInteraction.from_folder(resolve("all-minilm-l6-v2"), max_length=256, scales=TEACHES).eval()
    start.save(folder)
    docs = read_documents(DATA / "dl-candidates/dl22.passages.jsonl.gz")
    export(
        start, folder, [Group.from_texts("", (str(d.content),), (0.0,)) for d in islice(docs, 600)], Export(least=0.0)
    )
    return folder


def sampled(group: Group, rng: random.Random, qrels: Qrels) -> Group:
    """The best three by the teacher's score, texts judged relevant lifted by ``BONUS``, and some of the others."""
    good = {i for i, grade in qrels.get(group.id, {}).items() if grade > 0}
    labels = tuple(x + BONUS * (i in good) for i, x in zip(group.ids, group.labels))
    order = sorted(range(len(labels)), key=lambda i: -labels[i])
    rest = order[BEST:]
    kept = order[:BEST] + rng.sample(rest, min(TEXTS - BEST, len(rest)))
    return replace(group, labels=labels).take(kept)


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

    def add(
        taught: Taught,
        queries: Sequence[Query],
        qrels: Qrels,
        weights: dict[str, float],
        draws: int = 1,
        run: Run | None = None,
    ) -> None:
        before = len(train)
        for g in taught.groups(queries, weights, run):
            train.extend(sampled(g, rng, qrels) for _ in range(draws))
        print(len(queries), "queries,", len(train) - before, "groups", flush=True)

    compared: list[Group] = []
    second: list[Group] = []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        late, given = untrained(scratch / "late"), DATA / "dl-candidates"
        web = Taught.open(read_documents(given / "dl22.passages.jsonl.gz"), scratch / "web", late)
        asked = list(read_queries(given / "dl22.queries.tsv"))
        add(web, asked, {}, OF_RUN, DRAWS["web"], read_run(given / "runs" / LARGE))
        add(web, written(web.collection, out / "questions.jsonl", rng), {}, OF_TEXT)
        queries = made(cloze_queries(web.collection.documents()), 2000, rng, "cloze")
        queries += made(keyword_queries(web.collection.documents()), 1000, rng, "keywords")
        add(web, queries, {}, OF_TEXT)
        for name, n in (("scifact", 1000), ("nfcorpus", 300), ("cosqa", 1000)):
            data, code = Dataset.open(DATA / name), name == "cosqa"
            taught = Taught.open(data.documents(), scratch / name, late)
            documents = list(taught.collection.documents())
            if code:  # its judged queries validate
                judged = data.qrels("dev")
                queries = [q for q in read_queries(DATA / name / "queries.jsonl.gz") if q.id not in judged]
                qrels, more = {}, keyword_queries(documents)
            else:
                queries, qrels, more = data.queries("train"), data.qrels("train"), title_queries(documents)
            if name == "scifact":
                held, grades, queries = queries[:HELD_OUT], qrels, queries[HELD_OUT:]
            else:
                held, grades = data.queries("dev")[:HELD_OUT], data.qrels("dev")
                queries = rng.sample(queries, min(ASKED, len(queries)))
            settings = Settings(taught.collection)
            if not code:
                mine = listed(taught.collection, queries, qrels)
                compared += mine
                second += labelled(mine, parse("minilm", settings, starts=False))
            found = parse("bm25 % 50", settings).batch([Ranking(q) for q in held])
            write_groups(
                out / f"valid-{name}.jsonl", (Group.of(r.query, list(r), [0.0] * len(r)) for r in found if len(r))
            )
            write_qrels(out / f"valid-{name}.tsv", {q.id: grades[q.id] for q in held})
            weights = OF_CODE if code else OF_TEXT
            add(taught, queries, qrels, weights, DRAWS[name])
            add(taught, made(more, n, rng, "made"), {}, weights)
    write_groups(out / "judged.jsonl", compared)
    write_groups(out / "judged-minilm.jsonl", second)
    write_groups(out / "train.jsonl", train)
    print(len(train), "groups,", sum(len(g.texts) for g in train), "pairs")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
