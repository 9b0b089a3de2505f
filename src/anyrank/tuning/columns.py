"""Columns of a score table: the stored scores of one stage for any number of queries, in memory and as a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..core.content import text_of
from ..core.types import Query
from ..disk import whole_file

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Kind = Literal["search", "pairs", "pipeline"]


@dataclass(slots=True)
class Column:
    """The scores of one stage, by query: of a search or a whole pipeline its results, best first (``depth``: how many
    were asked for); of a reranker the scores of pairs, NaN if the model failed, -inf without content. ``count``,
    ``calls`` and ``tokens``: results or pairs that were run, and their cost."""

    kind: Kind
    depth: int = 0
    count: int = 0
    calls: int = 0
    tokens: int = 0
    _rows: dict[str, tuple[Ints, Floats]] = field(default_factory=dict, repr=False)

    def __contains__(self, query: Query) -> bool:
        return key_of(query) in self._rows

    def get(self, query: Query) -> tuple[Ints, Floats]:
        """The documents and scores of a query that is there."""
        return self._rows[key_of(query)]

    def put(self, query: Query, documents: Ints, scores: Floats) -> None:
        """Keeps a query's results; pairs are added to those that are there, and sorted by document."""
        key = key_of(query)
        if self.kind == "pairs":
            if key in self._rows:
                before = self._rows[key]
                documents, scores = np.concatenate([documents, before[0]]), np.concatenate([scores, before[1]])
            documents, first = np.unique(documents, return_index=True)  # of a pair that is there twice the new score
            scores = scores[first]
        self._rows[key] = documents, scores

    def missing(self, query: Query, documents: Ints) -> Ints:
        """Those of some documents whose pair with the query has no score."""
        rows = self._rows.get(key_of(query))
        return documents if rows is None else documents[~np.isin(documents, rows[0])]

    def scores(self, query: Query, documents: Ints) -> Floats:
        """The scores of pairs, all of which are there."""
        if not len(documents):
            return np.zeros(0)
        known, scores = self._rows[key_of(query)]
        return scores[np.searchsorted(known, documents)]

    def clear(self) -> None:
        self._rows.clear()

    def rows(self) -> Iterator[tuple[str, tuple[Ints, Floats]]]:
        """The documents and scores by the key of their query, without pairs that have no score."""
        for key, (documents, scores) in self._rows.items():
            known = ~np.isnan(scores)
            yield key, (documents[known], scores[known])


def key_of(query: Query) -> str:
    """A short hash of a query's id and text."""
    return hashlib.sha256(f"{query.id}\0{text_of(query.content)}".encode()).hexdigest()[:24]


def write_column(path: Path, column: Column, text: str, ids: Sequence[str]) -> None:
    """A column written to a file, whole or not at all, with the stage's text for readers. Pairs without a score are
    left out, so that they are scored again."""
    rows = dict(column.rows())
    every = np.concatenate([d for d, _ in rows.values()]) if rows else np.zeros(0, dtype=np.int64)
    distinct, items = np.unique(every, return_inverse=True)
    meta: dict[str, Any] = {"kind": column.kind, "depth": column.depth, "text": text, "queries": [*rows]}
    meta |= {"count": column.count, "calls": column.calls, "tokens": column.tokens}
    meta["ids"] = [ids[d] for d in distinct.tolist()]
    path.parent.mkdir(parents=True, exist_ok=True)
    archive = BytesIO()
    np.savez_compressed(
        archive,
        meta=np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8),
        sizes=np.array([len(d) for d, _ in rows.values()], dtype=np.int64),
        documents=items.astype(np.int32),
        scores=np.concatenate([s for _, s in rows.values()]) if rows else np.zeros(0),
    )
    with whole_file(path) as file:
        file.write(archive.getvalue())


def read_column(path: Path, kind: Kind, numbered: Callable[[Sequence[str]], Ints]) -> Column:
    """The column of a file; an empty one if there is none, or it can't be read. ``numbered`` gives the numbers of
    document ids."""
    if not path.is_file():
        return Column(kind)
    try:
        with np.load(path, allow_pickle=False) as file:
            meta = json.loads(file["meta"].tobytes())
            sizes, items, scores = file["sizes"], file["documents"], file["scores"]
    except (OSError, ValueError, KeyError, BadZipFile):  # a damaged file is made again
        return Column(kind)
    column = Column(kind, meta["depth"], meta["count"], meta["calls"], meta["tokens"])
    documents = numbered(meta["ids"])[items] if len(items) else np.zeros(0, dtype=np.int64)
    ends = np.cumsum(sizes)
    for key, start, end in zip(meta["queries"], ends - sizes, ends):
        mine, values = documents[start:end], scores[start:end]
        order = np.argsort(mine) if kind == "pairs" else slice(None)
        column._rows[key] = mine[order], values[order]
    return column
