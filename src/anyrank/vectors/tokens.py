"""One matrix a text, a state a token: vectors for late interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .base import Floats, Rows, Vectors
from .sparse import joined_indptr, spans


@dataclass(frozen=True, slots=True, eq=False)
class Tokens(Vectors):
    """Ragged rows of states: text i holds ``states[indptr[i]:indptr[i+1]]``, each of ``dim`` numbers.

    Texts are compared by MaxSim (ColBERT, arXiv 2004.12832): for every state of the query the largest dot product with
    the text's states, summed. With ``weights``, one a state, a query's state counts by its weight; those of the texts
    that are searched have no effect. A text without states scores 0.

    >>> v = Tokens.of([np.eye(2, dtype=np.float32), np.array([[0.5, 0.0]], dtype=np.float32)])
    >>> v.near(v.take([0])).tolist()
    [2.0, 0.5]
    """

    kind: ClassVar[str] = "tokens"
    indptr: NDArray[np.int64]
    states: NDArray[Any]
    weights: NDArray[Any] | None = None

    @classmethod
    def of(cls, rows: Sequence[NDArray[Any]], weights: Sequence[NDArray[Any]] | None = None) -> Tokens:
        """Rows from one array [tokens, dim] each (at least one text), and one array [tokens] of weights each."""
        indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        states = np.concatenate(rows).astype(np.float32)
        return cls(indptr, states, None if weights is None else np.concatenate(weights).astype(np.float32))

    @property
    def dim(self) -> int:
        return int(self.states.shape[1])

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def take(self, rows: Rows) -> Tokens:
        picked, indptr = spans(self.indptr, rows)
        weights = None if self.weights is None else np.asarray(self.weights[picked], dtype=np.float32)
        return Tokens(indptr, np.asarray(self.states[picked], dtype=np.float32), weights)

    def part(self, start: int, stop: int) -> Tokens:
        indptr = np.asarray(self.indptr[start : stop + 1], dtype=np.int64)
        a, b = int(indptr[0]), int(indptr[-1])
        weights = None if self.weights is None else np.asarray(self.weights[a:b], dtype=np.float32)
        return Tokens(indptr - a, np.asarray(self.states[a:b], dtype=np.float32), weights)

    @classmethod
    def join(cls, parts: Sequence[Tokens]) -> Tokens:
        """The rows of all parts; states of parts without weights, beside parts that have them, count 1."""
        weights = None
        if any(p.weights is not None for p in parts):
            weights = np.concatenate([np.ones(len(p.states)) if p.weights is None else p.weights for p in parts])
        states = np.concatenate([p.states for p in parts])
        return cls(
            joined_indptr([p.indptr for p in parts]), states, None if weights is None else weights.astype(np.float32)
        )

    def near(self, query: Vectors) -> Floats:
        self._same_kind(query)
        arrays = query.arrays()
        sims = np.asarray(arrays["states"], dtype=np.float32) @ np.asarray(self.states, dtype=np.float32).T
        best = np.zeros((len(sims), len(self)), dtype=np.float32)  # [states of the query, n]
        full = np.flatnonzero(
            np.diff(self.indptr)
        )  # texts without states: reduceat can't take an empty slice, so they keep 0
        if len(full):
            best[:, full] = np.maximum.reduceat(sims, self.indptr[full], axis=1)
        weights = arrays.get("weights")
        return np.asarray(best.sum(axis=0) if weights is None else weights @ best, dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        weights = {} if self.weights is None else {"weights": self.weights}
        return {"indptr": self.indptr, "states": self.states, **weights}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], dim: int) -> Tokens:
        return cls(arrays["indptr"], arrays["states"], arrays.get("weights"))
