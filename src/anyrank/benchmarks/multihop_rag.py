"""MultiHop-RAG: questions whose evidence lies in several news articles.

Tang and Yang, "MultiHop-RAG: Benchmarking Retrieval-Augmented Generation for Multi-Hop Queries", 2024, arXiv
2401.15391. Articles are cut into chunks; a chunk counts if it holds the text of a gold fact. Hits@4, Hits@10, MRR@10
and the benchmark's own form of MAP@10 (`evaluate.evidence.multihop`); questions without facts are left out. Chunks here
are of 200 words, about the 256 tokens of the paper's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core.errors import InputError, listed
from ..core.passages import passages
from ..core.types import Candidate
from ..io.records import json_lines
from .base import Benchmark, Task, find, text, unranked
from .measures import of_evidence

WORDS = 200
OWN = {"Hits@4": "hits_4", "Hits@10": "hits_10", "MRR@10": "mrr_10", "MAP@10": "map_10"}


def load(folder: Path) -> Iterator[Task]:
    """The one task."""
    corpus = find(folder, "corpus.json")

    def chunks() -> Iterator[Candidate]:
        for number, (_, row) in enumerate(json_lines(corpus)):
            for part, chunk in enumerate(passages(text(row, "body"), WORDS, WORDS)):
                yield Candidate(f"{number}-{part}", chunk, meta={"title": str(row.get("title", ""))})

    rankings = []
    for number, (_, row) in enumerate(json_lines(find(folder, "MultiHopRAG.json"))):
        evidence = row.get("evidence_list")
        if not isinstance(evidence, list) or not all(isinstance(e, dict) for e in evidence):
            raise InputError(f"question {number} has no evidence_list of objects: it has {listed(row)}")
        if facts := [text(e, "fact") for e in evidence]:
            rankings.append(unranked(f"q{number}", text(row, "query"), facts=facts))
    own = {name: of_evidence(figure) for name, figure in OWN.items()}
    yield Task("retrieval", tuple(rankings), {}, own=own, documents=chunks, depth=20)


BENCHMARK = Benchmark(
    name="multihop_rag",
    title="MultiHop-RAG: Benchmarking Retrieval-Augmented Generation for Multi-Hop Queries",
    arxiv="2401.15391",
    summary="chunks of news that hold the evidence of questions over several articles",
    data="corpus.json and MultiHopRAG.json of huggingface.co/datasets/yixuantt/MultiHopRAG",
    load=load,
)
