"""Candidates scored by how near their vectors are to the query's."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ..core.content import is_blank
from ..core.rerank import Group
from ..core.scripts import ReadsLanguages, unread_notes
from ..core.shares import shared
from ..core.trace import Usage
from ..core.types import Candidate, Judgement
from ..index.base import ScoresStored, Stored
from ..vectors import Encoder, Vectors

Cell = tuple[int, int]
"""A group and a position in it."""


@dataclass(frozen=True)
class Similarity:
    """A judge: the nearness of the query's and each candidate's vectors (`Vectors.near`), of any kind: dot products of
    dense and sparse ones, MaxSim of token states.

    Every distinct content is encoded once a call (a ``call`` of the first group that holds it, ``cached`` for the
    others). Vectors of ids that ``store`` holds are taken from there, one query's at a time, and the contents of these
    candidates are not read; documents that a caller gave in a list (those with an ``index``) always are. The others are
    left to the ``encoder`` where it is a judge too: late interaction reads one text at a time, since the states of all
    would fill the memory. A candidate with neither gets NaN, one without content (`is_blank`) -inf.
    """

    encoder: Encoder
    store: Stored | None = field(default=None, repr=False)

    scores_blank: ClassVar[bool] = True

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        queries = {_key(q.content): q.content for q, _ in groups}
        encoded = self.encoder.encode(list(queries.values()), query=True)
        scores = [[math.nan] * len(cs) for _, cs in groups]
        rows = self._stored(groups, list(queries), encoded.vectors, scores)
        fresh: list[Cell] = []
        for g, (_, candidates) in enumerate(groups):
            for m, c in enumerate(candidates):
                if rows[g][m] is None:
                    if is_blank(c.content):
                        scores[g][m] = -math.inf
                    elif c.content is not None:
                        fresh.append((g, m))
        unread = self._notes(groups, rows)
        if callable(self.encoder):
            usages = [Usage() for _ in groups]
            self._judged(groups, fresh, scores, usages)
            shares = self._usages(groups, rows, encoded.usage)
            return [Judgement(s, a + b, n) for s, a, b, n in zip(scores, shares, usages, unread)]
        usage = encoded.usage + self._read(groups, fresh, list(queries), encoded.vectors, scores, rows)
        return [Judgement(s, u, n) for s, u, n in zip(scores, self._usages(groups, rows, usage), unread)]

    def _stored(
        self, groups: Sequence[Group], queries: list[Hashable], vectors: Vectors, scores: list[list[float]]
    ) -> list[list[Hashable | None]]:
        """Fill in the scores of candidates whose vectors are stored; the result has their ids, and None for the
        others."""
        rows: list[list[Hashable | None]] = [[None] * len(cs) for _, cs in groups]
        if self.store is None:
            return rows
        cells: dict[Hashable, dict[str, list[Cell]]] = {key: {} for key in queries}
        for g, (query, candidates) in enumerate(groups):
            mine = cells[_key(query.content)]
            for m, c in enumerate(candidates):
                if c.index is None:  # a document that a caller gave may have the id of another one that is stored
                    mine.setdefault(c.id, []).append((g, m))
        for n, mine in enumerate(cells.values()):
            ids = list(mine)
            positions, near = self._near(ids, vectors.take([n]))
            for position, score in zip(positions, near):
                for g, m in mine[ids[position]]:
                    scores[g][m], rows[g][m] = score, ("stored", ids[position])
        return rows

    def _near(self, ids: list[str], query: Vectors) -> tuple[list[int], list[float]]:
        """The positions of ids whose vectors are stored, and their scores."""
        if isinstance(self.store, ScoresStored):
            positions, scores = self.store.near(ids, query)
            return positions, scores.tolist()
        assert self.store is not None
        positions, documents = self.store.vectors(ids)
        return positions, [] if documents is None else documents.near(query).tolist()

    def _read(
        self,
        groups: Sequence[Group],
        fresh: Sequence[Cell],
        queries: list[Hashable],
        vectors: Vectors,
        scores: list[list[float]],
        rows: list[list[Hashable | None]],
    ) -> Usage:
        """Encode candidates, fill in their scores and the keys of their contents, and return the cost."""
        contents: dict[Hashable, Any] = {}
        members: dict[Hashable, list[tuple[int, int, Hashable]]] = {key: [] for key in queries}
        for g, m in fresh:
            query, content = groups[g][0], groups[g][1][m].content
            key = rows[g][m] = _key(content)
            contents.setdefault(key, content)
            members[_key(query.content)].append((g, m, key))
        if not contents:
            return Usage()
        encoded = self.encoder.encode(list(contents.values()))
        at = {key: n for n, key in enumerate(contents)}
        for n, cells in enumerate(members.values()):
            if cells:
                near = encoded.vectors.take([at[key] for *_, key in cells]).near(vectors.take([n]))
                for (g, m, _), score in zip(cells, near.tolist()):
                    scores[g][m] = score
        return encoded.usage

    def _judged(
        self, groups: Sequence[Group], fresh: Sequence[Cell], scores: list[list[float]], usages: list[Usage]
    ) -> None:
        """Let the encoder, which is a judge, score candidates; their scores and its usages are filled in."""
        members: dict[int, list[int]] = {}
        for g, m in fresh:
            members.setdefault(g, []).append(m)
        rest: list[tuple[Any, list[Candidate]]] = [
            (groups[g][0], [groups[g][1][m] for m in ms]) for g, ms in members.items()
        ]
        if rest:
            judge: Any = self.encoder
            for (g, ms), judgement in zip(members.items(), judge(rest)):
                usages[g] = judgement.usage
                for m, score in zip(ms, judgement.scores):
                    scores[g][m] = score

    def _notes(self, groups: Sequence[Group], rows: Sequence[Sequence[Hashable | None]]) -> list[str]:
        """Notes on texts in scripts that the encoder doesn't read, of the candidates whose content was read."""
        if not isinstance(self.encoder, ReadsLanguages):
            return [""] * len(groups)
        read = [(q, [c for c, row in zip(cs, mine) if row is None]) for (q, cs), mine in zip(groups, rows)]
        return unread_notes(self.encoder.name, self.encoder.languages, read)

    def _usages(self, groups: Sequence[Group], rows: Sequence[Iterable[Hashable | None]], usage: Usage) -> list[Usage]:
        """Each group's share: tokens evenly, calls by the group that first holds a content."""
        seen: set[Hashable] = set()
        shares = []
        for (query, _), mine, share in zip(groups, rows, shared(usage, len(groups))):
            keys = [("query", _key(query.content)), *(row for row in mine if row is not None)]
            new = set(keys) - seen
            seen |= new
            shares.append(replace(share, calls=len(new), cached=len(keys) - len(new)))
        return shares


def _key(content: Any) -> Hashable:
    """Tells equal contents; of unhashable ones only the same object is equal."""
    return content if isinstance(content, str) else ("object", id(content))
