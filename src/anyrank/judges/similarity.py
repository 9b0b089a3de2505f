"""Candidates scored by how near their vectors are to the query's."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..core.rerank import Group
from ..core.shares import shared
from ..core.trace import Usage
from ..core.types import Judgement
from ..vectors import Encoder, Vectors, concat, dots, take


class Stored(Protocol):
    """What holds vectors of documents by id (``Collection.vectors(name)``): the places in ``ids`` of those it has, and
    their vectors in that order, None where it has none."""

    def vectors(self, ids: Sequence[str]) -> tuple[list[int], Vectors | None]: ...


@dataclass(frozen=True)
class Similarity:
    """A judge: the dot product of the query's and each candidate's vector, dense or sparse.

    Every distinct content is encoded once a call (a ``call`` of the first group that holds it, ``cached`` for the
    others). Vectors of ids that ``store`` holds are taken from there. A candidate with neither gets NaN.
    """

    encoder: Encoder
    store: Stored | None = field(default=None, repr=False)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        stored, parts = self._stored(groups)
        queries = {_key(q.content): q.content for q, _ in groups}
        texts = {
            _key(c.content): c.content for _, cs in groups for c in cs if c.content is not None and c.id not in stored
        }
        asked = self.encoder.encode(list(queries.values()), query=True)
        usage, fresh = asked.usage, {key: len(stored) + n for n, key in enumerate(texts)}
        if texts:
            encoded = self.encoder.encode(list(texts.values()))
            parts, usage = [*parts, encoded.vectors], usage + encoded.usage
        places = [[stored.get(c.id, fresh.get(_key(c.content))) for c in cs] for _, cs in groups]
        scores = [[math.nan] * len(p) for p in places]
        if parts:
            documents = concat(parts)
            of: dict[Hashable, list[tuple[int, int, int]]] = {key: [] for key in queries}
            for g, (query, _) in enumerate(groups):
                of[_key(query.content)] += [(g, m, p) for m, p in enumerate(places[g]) if p is not None]
            for n, spots in enumerate(of.values()):
                values = dots(take(asked.vectors, [n]), take(documents, [p for *_, p in spots])) if spots else ()
                for (g, m, _), value in zip(spots, values):
                    scores[g][m] = float(value)
        return [Judgement(s, u) for s, u in zip(scores, self._usages(groups, places, usage))]

    def _stored(self, groups: Sequence[Group]) -> tuple[dict[str, int], list[Vectors]]:
        """The place of every stored id's vector, and these vectors."""
        ids = list(dict.fromkeys(c.id for _, cs in groups for c in cs))
        if self.store is None or not ids:
            return {}, []
        held, vectors = self.store.vectors(ids)
        return {ids[p]: n for n, p in enumerate(held)}, [] if vectors is None else [vectors]

    def _usages(self, groups: Sequence[Group], places: Sequence[Iterable[int | None]], usage: Usage) -> Iterable[Usage]:
        """Each group's share: tokens evenly, calls by the group that first holds a content."""
        met: set[Hashable] = set()
        for (query, _), at, share in zip(groups, places, shared(usage, len(groups))):
            keys = [("query", _key(query.content)), *(p for p in at if p is not None)]
            new = set(keys) - met
            met |= new
            yield replace(share, calls=len(new), cached=len(keys) - len(new))


def _key(content: Any) -> Hashable:
    """What tells equal contents; of unhashable ones only the same object is equal."""
    return content if isinstance(content, str) else ("object", id(content))
