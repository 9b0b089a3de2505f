"""Candidates scored by how near their vectors are to the query's."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ..core.content import is_blank
from ..core.rerank import Group
from ..core.scripts import ReadsLanguages, unread_notes
from ..core.shares import shared
from ..core.trace import Usage
from ..core.types import Judgement
from ..index.base import Stored
from ..vectors import Encoder, Vectors, join


@dataclass(frozen=True)
class Similarity:
    """A judge: the nearness of the query's and each candidate's vectors (`Vectors.near`), of any kind: dot products of
    dense and sparse ones, MaxSim of token states.

    Every distinct content is encoded once a call (a ``call`` of the first group that holds it, ``cached`` for the
    others). Vectors of ids that ``store`` holds are taken from there, and the contents of these candidates are not
    read. A candidate with neither gets NaN, one without content (`is_blank`) -inf.
    """

    encoder: Encoder
    store: Stored | None = field(default=None, repr=False)

    scores_blank: ClassVar[bool] = True

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        stored, parts = self._stored(groups)
        queries = {_key(q.content): q.content for q, _ in groups}
        contents: dict[Hashable, Any] = {}
        keys: list[list[Hashable | None]] = []  # for each candidate that isn't stored, the key of its content
        for _, candidates in groups:
            mine: list[Hashable | None] = []
            for c in candidates:
                content = None if c.id in stored else c.content
                readable = content is not None and not is_blank(content)
                mine.append(_key(content) if readable else None)
                if readable:
                    contents.setdefault(mine[-1], content)
            keys.append(mine)
        encoded_queries = self.encoder.encode(list(queries.values()), query=True)
        usage = encoded_queries.usage
        if contents:
            encoded = self.encoder.encode(list(contents.values()))
            parts, usage = [*parts, encoded.vectors], usage + encoded.usage
        fresh = {key: len(stored) + n for n, key in enumerate(contents)}
        rows = [
            [stored[c.id] if c.id in stored else None if key is None else fresh[key] for c, key in zip(cs, mine)]
            for (_, cs), mine in zip(groups, keys)
        ]
        scores = [
            [-math.inf if row is None and is_blank(c.content) else math.nan for c, row in zip(cs, mine)]
            for (_, cs), mine in zip(groups, rows)
        ]
        if parts:
            documents = join(parts)
            members: dict[Hashable, list[tuple[int, int, int]]] = {key: [] for key in queries}
            for g, (query, _) in enumerate(groups):
                members[_key(query.content)] += [(g, m, row) for m, row in enumerate(rows[g]) if row is not None]
            for n, cells in enumerate(members.values()):
                if cells:
                    near = documents.take([row for *_, row in cells]).near(encoded_queries.vectors.take([n]))
                    for (g, m, _), value in zip(cells, near.tolist()):
                        scores[g][m] = value
        notes = self._notes(groups, stored)
        return [Judgement(s, u, n) for s, u, n in zip(scores, self._usages(groups, rows, usage), notes)]

    def _notes(self, groups: Sequence[Group], stored: Collection[str]) -> list[str]:
        """Notes on texts in scripts that the encoder doesn't read, of the candidates whose content was read."""
        if not isinstance(self.encoder, ReadsLanguages):
            return [""] * len(groups)
        read = [(q, [c for c in cs if c.id not in stored]) for q, cs in groups]
        return unread_notes(self.encoder.name, self.encoder.languages, read)

    def _stored(self, groups: Sequence[Group]) -> tuple[dict[str, int], list[Vectors]]:
        """The row of every stored id's vector, and these vectors."""
        ids = list(dict.fromkeys(c.id for _, cs in groups for c in cs))
        if self.store is None or not ids:
            return {}, []
        positions, vectors = self.store.vectors(ids)
        return {ids[p]: n for n, p in enumerate(positions)}, [] if vectors is None else [vectors]

    def _usages(self, groups: Sequence[Group], rows: Sequence[Iterable[int | None]], usage: Usage) -> Iterable[Usage]:
        """Each group's share: tokens evenly, calls by the group that first holds a content."""
        seen: set[Hashable] = set()
        for (query, _), mine, share in zip(groups, rows, shared(usage, len(groups))):
            keys = [("query", _key(query.content)), *(row for row in mine if row is not None)]
            new = set(keys) - seen
            seen |= new
            yield replace(share, calls=len(new), cached=len(keys) - len(new))


def _key(content: Any) -> Hashable:
    """Tells equal contents; of unhashable ones only the same object is equal."""
    return content if isinstance(content, str) else ("object", id(content))
