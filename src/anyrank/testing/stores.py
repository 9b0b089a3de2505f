"""What every store's collection is compared by: documents, queries, filters and pipelines whose results are those of an
index in a folder."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.types import Candidate, Query, Ranking
from ..index.build import build
from ..index.collection import Collection
from ..pipeline import table
from ..pipeline.context import Settings
from ..pipeline.parser import parse
from ..store.filters import Filter
from ..vectors import Encoded, Sparse

WORDS = ("wing", "lift", "heat", "flow", "jet", "noise", "layer", "drag", "boundary", "shock", "wave", "plate")
PLAIN = "bm25(k1=0.9, b=0.4, title=1, smoothing=0)"
"""BM25 that a folder's index computes exactly too."""


def document(i: int) -> Candidate:
    """The document of a number: a few words, fields of every kind, sometimes a title."""
    words = [WORDS[(i * k * k + k) % 12] for k in range(3 + i % 7)]
    meta = {"year": 1950 + i % 20, "lang": ["en", "de"][i % 2], "tags": [f"t{i % 3}", "all"]}
    title = {"title": f"The {WORDS[i % 12]}"} if i % 3 else {}
    return Candidate(f"d{i}", " ".join(words), meta={**meta, "by": {"name": f"n{i % 4}"}, **title})


DOCUMENTS = [document(i) for i in range(40)]
QUERIES = [
    Ranking(Query(f"q{n}", text)) for n, text in enumerate(["wing lift", "heat shock wave", "the layer of a jet"])
]
FILTERS: list[Any] = [
    {"lang": "de"},
    {"year": (1955, 1960)},
    ["year>=1960", "lang!=en"],
    {"tags": ["t1", "t2"]},
    {"by.name": "n3"},
    "tags!=t0",
    {"lang": [*(f"x{n}" for n in range(200)), "en"]},
]


class SmallDense:
    """Dense vectors that depend on the whole text alone."""

    name = "small"

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        rows = [np.random.default_rng(zlib.crc32(str(c).encode())).standard_normal(16) for c in contents]
        return Encoded(np.array(rows, dtype=np.float32).reshape(-1, 16))


class Terms:
    """Sparse vectors of the words in a text."""

    name = "terms"

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        rows = [{n: 1.0 + str(c).count(w) for n, w in enumerate(WORDS) if w in str(c)} for c in contents]
        return Encoded(Sparse.of(rows, len(WORDS)))


ENCODERS: dict[str, Any] = {"small": SmallDense(), "terms": Terms()}


def in_folder(
    path: Path, documents: Iterable[Candidate] = DOCUMENTS, encoders: Iterable[str] = ("small", "terms")
) -> Collection:
    """The documents in an index in a folder."""
    made = build(documents, path)
    for name in encoders:
        made.encode(ENCODERS[name])
    return made


def results(
    monkeypatch: Any, collection: Any, pipeline: str, filter: Filter | None = None
) -> list[list[tuple[str, float]]]:
    """The results of a pipeline, whose models are those of this file, by id and score."""
    monkeypatch.setattr(table, "model", ENCODERS.__getitem__)
    stage = parse(pipeline, Settings(collection, filter))
    return [list(zip(r.ids, r.scores)) for r in stage.batch(QUERIES)]


def same(mine: Sequence[Any], theirs: Sequence[Any], scale: float = 1.0) -> None:
    """Asserts that both have the same documents with the same scores, ``scale`` times those of the second; documents
    whose scores are equal are in any order."""
    assert len(mine) == len(theirs)
    for m, t in zip(mine, theirs):
        np.testing.assert_allclose([s for _, s in m], [s * scale for _, s in t], rtol=1e-5, atol=1e-5)
        cut = t[-1][1] + 1e-4 if t else 0.0
        assert {i for i, s in m if s > cut * scale} == {i for i, s in t if s > cut}
