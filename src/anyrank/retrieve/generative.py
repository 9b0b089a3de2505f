"""GenerativeSearch: a model that was trained on an index answers a query with documents of that index."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..core.content import required_text
from ..core.errors import InputError
from ..core.matches import Matches
from ..core.stage import Limited
from ..core.trace import Step, Usage
from ..core.types import Ranking
from ..index.collection import Collection
from ..store.filters import Filter
from . import rewritten

Mask = NDArray[np.bool_]


@runtime_checkable
class FindsDocuments(Protocol):
    """A model that knows the documents of one index by number: ``rows`` are their rows there, ``build`` and ``path``
    say which index it is."""

    name: str
    build: str
    rows: NDArray[np.int64]
    path: str

    def search(
        self, texts: Sequence[str], k: int, beam: int, allowed: Mask
    ) -> tuple[list[list[tuple[int, float]]], list[Usage]]:
        """For each text the k best (number, score) among the allowed documents, and the cost."""
        ...


def check_index(model: FindsDocuments, collection: Collection) -> None:
    """Raises InputError if a model was trained on another index, or another build of it."""
    store, path = collection.store, collection.path
    if model.build != store.manifest.build or model.rows.max(initial=0) >= len(store.rows):
        what = "another build of it" if str(path) == model.path else f"{model.path}"
        raise InputError(
            f"{model.name} knows the documents of {what}, not those of this index: train a model on it with "
            f"`anyrank generative train {path} -o FOLDER`",
            path=path,
        )


@dataclass(frozen=True)
class GenerativeSearch(Limited):
    """The k documents that a model finds for each query, among those that it was trained on, are still as they were
    then, and pass the ``filter``; a note counts the others. ``beam`` is the number of prefixes that a decoder of
    identifiers keeps (at least k). Scores are the model's: products, or log-probabilities of identifiers.

    Raises InputError if the model was trained on another index.
    """

    model: FindsDocuments
    collection: Collection = field(repr=False)
    k: int = 100
    beam: int = 100
    filter: Filter | None = None

    def __post_init__(self) -> None:
        if self.k < 1 or self.beam < 1:
            raise InputError(f"k={self.k}, beam={self.beam}: at least 1 each")
        check_index(self.model, self.collection)

    def limit(self, k: int) -> GenerativeSearch:
        return replace(self, k=min(k, self.k))

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return rewritten.run(rankings, self._batch) if rankings else []

    def _batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        start, store = time.perf_counter(), self.collection.store
        store.refresh()
        present = store.mask() if self.filter is None else store.passing(self.filter)
        allowed = present[self.model.rows]
        texts = [required_text(rewritten.searched(r.query), f"query {r.query.id!r}") for r in rankings]
        results, costs = self.model.search(texts, self.k, self.beam, allowed)
        rows = [self.model.rows[np.array([d for d, _ in result], dtype=np.int64)] for result in results]
        reader = store.reader([int(r.max()) for r in rows if len(r)])
        notes = self._notes(int(present.sum()) - int(allowed.sum()))
        seconds = (time.perf_counter() - start) / len(rankings)
        out = []
        for ranking, result, numbers, usage in zip(rankings, results, rows, costs):
            matches = Matches(numbers, np.array([s for _, s in result], dtype=np.float64), reader)
            after = Ranking.of_matches(ranking.query, matches, ranking.trace, ranking.limits)
            out.append(after.with_step(Step(f"generative({self.model.name})", seconds, usage, notes)))
        return out

    def _notes(self, unknown: int) -> tuple[str, ...]:
        if not unknown:
            return ()
        return (
            f"{unknown} documents of the index are unknown to {self.model.name} (added or changed since it was "
            "trained, or without content): it never finds them; train it again, or add another search: | bm25",
        )
