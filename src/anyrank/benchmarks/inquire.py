"""INQUIRE: photographs of nature found and reranked for experts' queries.

Vendrow et al., "INQUIRE: A Natural World Text-to-Image Retrieval Benchmark", 2024, arXiv 2411.02537. *fullrank*
searches all images, the first 50 count; *rerank* orders the 100 images of each query that ViT-H-14-378 found. Recall,
AP and nDCG count the relevant images that are not among the results: all of the collection's (fullrank), or those
within the 100 (rerank).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core.content import Image
from ..core.types import Candidate, Query, Ranking
from ..io.records import Fields, records
from .base import Benchmark, Measure, MissingData, Task, find, is_there, text
from .measures import at, average_precision, ndcg, precision, recall, reciprocal_rank

FIELDS = Fields(("query_id",), ("query_text", "image_path"))
SPLITS = ("test", "val")
FULLRANK, RERANK = 50, 100


def load(folder: Path) -> Iterator[Task]:
    """The tasks of each split whose queries are there; those of reranking need ``inquire_rerank.csv``."""
    annotations = find(folder, "inquire_annotations.csv")
    relevant: dict[str, dict[str, int]] = {}
    for _, row in records(annotations, FIELDS, format="csv", header=True):
        relevant.setdefault(text(row, "query_id"), {})[text(row, "image_path")] = 1
    for split in SPLITS:
        name = f"inquire_queries_{split}.csv"
        if not is_there(folder, name):
            continue
        queries = [
            Query(text(row, "query_id"), text(row, "query_text"), {"supercategory": row.get("supercategory", "")})
            for _, row in records(find(folder, name), FIELDS, format="csv", header=True)
        ]
        if (folder / "images").is_dir():
            yield fullrank(split, queries, relevant, folder / "images")
        if is_there(folder, "inquire_rerank.csv"):
            yield rerank(split, queries, relevant, folder)


def fullrank(split: str, queries: list[Query], relevant: dict[str, dict[str, int]], images: Path) -> Task:
    """All images are searched."""

    def documents() -> Iterator[Candidate]:
        for path in sorted(images.rglob("*")):
            if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
                yield Candidate(path.relative_to(images).as_posix(), Image(str(path)))

    name = "fullrank" if split == "test" else f"fullrank {split}"
    rankings = tuple(Ranking(q) for q in queries)
    grades = {q.id: relevant.get(q.id, {}) for q in queries}
    return Task(name, rankings, grades, own=figures(FULLRANK), documents=documents, depth=FULLRANK)


def rerank(split: str, queries: list[Query], relevant: dict[str, dict[str, int]], folder: Path) -> Task:
    """The given images of each query, in the order of the file, are reranked."""
    given: dict[str, list[Candidate]] = {}
    for _, row in records(find(folder, "inquire_rerank.csv"), FIELDS, format="csv", header=True):
        path = text(row, "image_path")
        given.setdefault(text(row, "query_id"), []).append(Candidate(path, Image(str(folder / "images" / path))))
    rankings = tuple(Ranking(q, tuple(given[q.id])) for q in queries if q.id in given)
    if not rankings:
        raise MissingData(f"inquire_rerank.csv has no query of inquire_queries_{split}.csv")
    grades = {
        r.query.id: {d: 1 for d in r.ids if d in relevant.get(r.query.id, {})} for r in rankings
    }  # only the relevant ones within the list count
    name = "rerank" if split == "test" else f"rerank {split}"
    return Task(name, rankings, grades, own=figures(RERANK))


def figures(k: int) -> dict[str, Measure]:
    """INQUIRE's five measures at k."""
    named = {"AP": average_precision, "nDCG": ndcg, "RR": reciprocal_rank, "P": precision, "R": recall}
    return {f"{name}@{k}": at(k, measure) for name, measure in named.items()}


BENCHMARK = Benchmark(
    name="inquire",
    title="INQUIRE: A Natural World Text-to-Image Retrieval Benchmark",
    arxiv="2411.02537",
    summary="text to image: 5 million photographs searched, or the 100 of each query reranked",
    data="from github.com/inquire-benchmark/INQUIRE: inquire_queries_test.csv, inquire_annotations.csv (query_id, "
    "image_path) and for the reranking task inquire_rerank.csv (query_id, image_path); the images in images/",
    load=load,
)
