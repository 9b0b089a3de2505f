"""One matrix a text, a state a token: vectors for late interaction."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .base import Floats, Rows, Vectors, single
from .sparse import joined_indptr, spans

_STATES = 1 << 13  # states compared at once


@dataclass(frozen=True, slots=True, eq=False)
class Tokens(Vectors):
    """Ragged rows of states: text i holds ``states[indptr[i]:indptr[i+1]]``, each of ``dim`` numbers.

    Texts are compared by MaxSim (ColBERT, arXiv 2004.12832): for every state of the query the largest dot product with
    the text's states, summed. With ``weights``, one a state, a query's state counts by its weight; those of the texts
    that are searched have no effect. A text without states scores 0. With ``means``, an array [texts, dim], the dot
    product of both means is added.

    >>> v = Tokens.of([np.eye(2, dtype=np.float32), np.array([[0.5, 0.0]], dtype=np.float32)])
    >>> v.near(v.take([0])).tolist()
    [2.0, 0.5]
    """

    kind: ClassVar[str] = "tokens"
    dtype_on_disk: ClassVar[str] = "float16"
    indptr: NDArray[np.int64]
    states: NDArray[Any]
    weights: NDArray[Any] | None = None
    means: NDArray[Any] | None = None

    @classmethod
    def of(
        cls,
        rows: Sequence[NDArray[Any]],
        weights: Sequence[NDArray[Any]] | None = None,
        means: NDArray[Any] | None = None,
    ) -> Tokens:
        """Rows from one array [tokens, dim] each (at least one text), one array [tokens] of weights each, and an array
        [texts, dim] of means."""
        indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        states = np.concatenate(rows).astype(np.float32)
        return cls(
            indptr,
            states,
            None if weights is None else np.concatenate(weights).astype(np.float32),
            None if means is None else np.asarray(means, dtype=np.float32),
        )

    @property
    def dim(self) -> int:
        return int(self.states.shape[1])

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.asarray(np.diff(self.indptr) * self.dim, dtype=np.int64)

    def take(self, rows: Rows) -> Tokens:
        picked, indptr = spans(self.indptr, rows)
        weights = None if self.weights is None else single(self.weights[picked])
        means = None if self.means is None else single(self.means[np.asarray(rows, dtype=np.int64)])
        return Tokens(indptr, single(self.states[picked]), weights, means)

    def part(self, start: int, stop: int) -> Tokens:
        indptr = np.asarray(self.indptr[start : stop + 1], dtype=np.int64)
        a, b = int(indptr[0]), int(indptr[-1])
        weights = None if self.weights is None else single(self.weights[a:b])
        means = None if self.means is None else single(self.means[start:stop])
        return Tokens(indptr - a, single(self.states[a:b]), weights, means)

    @classmethod
    def join(cls, parts: Sequence[Tokens]) -> Tokens:
        """The rows of all parts; states of parts without weights, beside parts that have them, count 1. Raises
        InputError if some parts have means and others none."""
        weights = means = None
        if any(p.weights is not None for p in parts):
            weights = np.concatenate([np.ones(len(p.states)) if p.weights is None else p.weights for p in parts])
        with_means = [p.means for p in parts if p.means is not None]
        if with_means and len(with_means) < len(parts):
            raise InputError(f"{len(with_means)} of {len(parts)} parts of token vectors have means: all or none must")
        if with_means:
            means = np.concatenate(with_means)
        states = np.concatenate([p.states for p in parts])
        indptr = joined_indptr([p.indptr for p in parts])
        return cls(indptr, states, None if weights is None else weights.astype(np.float32), means)

    def near(self, query: Vectors) -> Floats:
        return np.asarray(self.products(query.take([0]) if len(query) > 1 else query)[0])

    def products(self, queries: Vectors) -> Floats:
        self._same_kind(queries)
        return maxsim(queries, self.indptr, lambda a, b: single(self.states[a:b]), self.means)

    def arrays(self) -> dict[str, NDArray[Any]]:
        weights = {} if self.weights is None else {"weights": self.weights}
        means = {} if self.means is None else {"means": self.means}
        return {"indptr": self.indptr, "states": self.states, **weights, **means}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], dim: int) -> Tokens:
        return cls(arrays["indptr"], arrays["states"], arrays.get("weights"), arrays.get("means"))


def maxsim(
    queries: Vectors, indptr: NDArray[Any], states: Callable[[int, int], Floats], means: NDArray[Any] | None
) -> Floats:
    """The scores [queries, texts] of ragged texts, whose ``states`` are given for a range of them at a time: some
    thousand, so that their products with a query stay in the processor's cache."""
    arrays, texts = queries.arrays(), len(indptr) - 1
    vectors, weights, bounds = single(arrays["states"]), arrays.get("weights"), arrays["indptr"]
    scores = np.zeros((len(queries), texts), dtype=np.float32)
    start = 0
    while start < texts and len(queries):
        stop = int(np.searchsorted(indptr, indptr[start] + _STATES, side="right")) - 1
        stop = min(max(stop, start + 1), texts)
        block, inside = states(int(indptr[start]), int(indptr[stop])), indptr[start : stop + 1] - indptr[start]
        for q, (a, b) in enumerate(itertools.pairwise(bounds)):
            best = maxima(vectors[a:b] @ block.T, inside)
            scores[q, start:stop] = best.sum(axis=0) if weights is None else single(weights[a:b]) @ best
        start = stop
    query_means = arrays.get("means")
    if query_means is not None and means is not None:
        scores += single(query_means) @ single(means).T
    return scores


def maxima(products: Floats, indptr: NDArray[Any]) -> Floats:
    """The largest product of each of a query's states with the states of each text: [query states, texts] of products
    [query states, all states], 0 for a text without states."""
    best = np.zeros((len(products), len(indptr) - 1), dtype=np.float32)
    full = np.flatnonzero(np.diff(indptr))  # reduceat can't take an empty slice
    if len(full):
        best[:, full] = np.maximum.reduceat(products, indptr[full], axis=1)
    return best
