"""Vectors of terms that are compared with those of equal terms alone, and one vector of the whole text (COIL)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .base import Floats, Rows, Vectors, single
from .sparse import joined_indptr, spans


@dataclass(frozen=True, slots=True, eq=False)
class Coil(Vectors):
    """Ragged rows: text i has the terms ``terms[indptr[i]:indptr[i+1]]``, each with a state of ``dim`` numbers beside
    it, and perhaps the vector ``whole[i]``.

    A score is the sum, over the query's terms, of the largest dot product with a state of the same term (0 if the text
    lacks the term, or no product is above 0), and the dot product of the whole texts' vectors (COIL, arXiv 2104.07186).

    >>> v = Coil.of([([3, 5], [[1.0, 0.0], [0.0, 2.0]]), ([5, 5], [[4.0, 1.0], [0.0, 3.0]])])
    >>> v.near(v.take([0])).tolist()
    [5.0, 6.0]
    """

    kind: ClassVar[str] = "coil"
    indptr: NDArray[np.int64]
    terms: NDArray[Any]
    states: NDArray[Any]
    whole: NDArray[Any] | None = None

    @classmethod
    def of(cls, rows: Sequence[tuple[Any, Any]], whole: NDArray[Any] | None = None) -> Coil:
        """Rows from the terms [tokens] and states [tokens, dim] of each text (at least one)."""
        indptr = np.cumsum([0, *(len(terms) for terms, _ in rows)], dtype=np.int64)
        terms = np.concatenate([np.asarray(terms, dtype=np.int32) for terms, _ in rows])
        states = np.concatenate([np.asarray(states, dtype=np.float32) for _, states in rows])
        return cls(indptr, terms, states, whole)

    @property
    def dim(self) -> int:
        return int(self.states.shape[1])

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.asarray(np.diff(self.indptr) * self.dim, dtype=np.int64)

    def take(self, rows: Rows) -> Coil:
        picked, indptr = spans(self.indptr, rows)
        whole = None if self.whole is None else single(self.whole[np.asarray(rows, dtype=np.int64)])
        return Coil(indptr, self.terms[picked], single(self.states[picked]), whole)

    def part(self, start: int, stop: int) -> Coil:
        indptr = np.asarray(self.indptr[start : stop + 1], dtype=np.int64)
        a, b = int(indptr[0]), int(indptr[-1])
        whole = None if self.whole is None else single(self.whole[start:stop])
        return Coil(indptr - a, np.asarray(self.terms[a:b]), single(self.states[a:b]), whole)

    @classmethod
    def join(cls, parts: Sequence[Coil]) -> Coil:
        wholes = [p.whole for p in parts if p.whole is not None]
        return cls(
            joined_indptr([p.indptr for p in parts]),
            np.concatenate([p.terms for p in parts]),
            np.concatenate([p.states for p in parts]),
            np.concatenate(wholes) if wholes else None,
        )

    def near(self, query: Vectors) -> Floats:
        self._same_kind(query)
        wanted = query.arrays()
        scores = np.zeros(len(self), dtype=np.float32)
        if "whole" in wanted and self.whole is not None:
            scores += single(self.whole) @ single(wanted["whole"][0])
        distinct, position = np.unique(wanted["terms"], return_inverse=True)
        for n, tokens in enumerate(self._positions(distinct)):
            if not len(tokens):
                continue
            owner = np.searchsorted(self.indptr, tokens, side="right") - 1  # the text of each token, ascending
            first = np.flatnonzero(np.diff(owner, prepend=-1))  # where a text's tokens begin
            products = single(self.states[tokens]) @ single(wanted["states"][position == n]).T
            best = np.maximum.reduceat(products, first, axis=0)  # [texts with the term, the query's tokens of it]
            scores[owner[first]] += np.maximum(best, 0).sum(axis=1)
        return scores

    def _positions(self, distinct: NDArray[Any]) -> list[NDArray[np.int64]]:
        """The positions in ``terms`` of each of some ascending terms."""
        if not len(distinct):
            return []
        nearest = np.minimum(np.searchsorted(distinct, self.terms), len(distinct) - 1)
        same = np.flatnonzero(distinct[nearest] == self.terms)
        order = np.argsort(nearest[same], kind="stable")  # by term, and within a term by position
        ends = np.searchsorted(nearest[same][order], np.arange(1, len(distinct)))
        return np.split(same[order], ends)

    def arrays(self) -> dict[str, NDArray[Any]]:
        whole = {} if self.whole is None else {"whole": self.whole}
        return {"indptr": self.indptr, "terms": self.terms, "states": self.states, **whole}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], dim: int) -> Coil:
        return cls(arrays["indptr"], arrays["terms"], arrays["states"], arrays.get("whole"))
