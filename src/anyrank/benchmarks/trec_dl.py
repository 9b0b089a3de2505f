"""TREC Deep Learning tracks: passages of MS MARCO, reranked from the candidates of a first stage.

Craswell et al., "Overview of the TREC 2019 deep learning track", 2020, arXiv 2003.07820. The folder has a run for each
first stage (``runs/dl19.BM25.top100.trec``), each a task; nDCG@10. The published table compares rerankers over the
same candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..io.corpus import read_documents, read_queries
from ..io.qrels import read_qrels
from ..io.runs import attach, read_run
from .base import Benchmark, Task, find, is_there

MEASURES = ("nDCG@10", "RR(rel=2)@10", "AP(rel=2)")


def load(folder: Path) -> Iterator[Task]:
    """A task for every run of a track whose judgements are there."""
    for path in sorted((folder / "runs").glob("*.trec*")):
        track, stage = path.name.split(".")[:2]
        qrels = f"{track}-passage.qrels"
        if not is_there(folder / "qrels", qrels):
            continue
        grades = read_qrels(find(folder / "qrels", qrels))
        queries = read_queries(find(folder, f"{track}.queries.tsv"))
        run = {q: docs for q, docs in read_run(path).items() if q in grades}
        passages = read_documents(find(folder, f"{track}.passages.jsonl"))
        rankings = tuple(attach(run, queries, passages, path=path))
        ids = {r.query.id for r in rankings}
        yield Task(f"{track} {stage}", rankings, {q: g for q, g in grades.items() if q in ids}, MEASURES)


BENCHMARK = Benchmark(
    name="trec_dl",
    title="TREC Deep Learning tracks, passage reranking",
    arxiv="2003.07820",
    summary="MS MARCO passages, the first 100 of a first stage reranked; judgements of NIST",
    data="runs/dl19.BM25.top100.trec (any TREC run, named TRACK.STAGE…), dl19.queries.tsv (id, text), "
    "dl19.passages.jsonl (_id, text of the run's passages) and qrels/dl19-passage.qrels of trec.nist.gov; so for dl20",
    load=load,
)
