"""Relevance feedback in vectors: the query's vector moves towards those of the candidates that came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.content import is_blank
from ..core.errors import InputError
from ..core.trace import Usage
from ..core.types import Candidate, Query, Ranking
from ..index.base import Index, Stored
from ..vectors import Dense, Encoded, Encoder, Sparse, Vectors, join
from . import rewritten
from .rewritten import Rewrite


@dataclass(frozen=True)
class Interpolated:
    """The rule ``alpha`` * query + ``beta`` * the mean of the feedback documents' vectors; without any document the
    query's vector as it is. Without ``beta`` the mean of the query and all documents, each counting once."""

    alpha: float
    beta: float | None
    candidates: tuple[Candidate, ...]

    def __call__(self, vector: Vectors, encoder: Encoder, index: Index) -> Encoded:
        if not isinstance(vector, Dense | Sparse):
            raise InputError(
                f"feedback in vectors needs one vector a text, and {encoder.name} makes {vector.kind}: take a dense or "
                "sparse encoder, or feedback in texts (text_feedback)"
            )
        documents, usage = feedback_vectors(self.candidates, encoder, index)
        if documents is None:
            return Encoded(vector, usage)
        n = len(documents)
        weights = np.full(n + 1, 1 / (n + 1))
        if self.beta is not None:
            weights = np.array([self.alpha, *[self.beta / n] * n])
        return Encoded(weighted_sum(join([vector.take([0]), documents]), weights), usage)


def vector_feedback(name: str, alpha: float, beta: float | None, about: str) -> Rewrite:
    """The rewriter that gives the query's vector the rule `Interpolated` over all candidates that came in."""

    def change(ranking: Ranking) -> tuple[Query, str]:
        if not len(ranking):
            return ranking.query, "no candidate: the query stays as it was"
        rule = Interpolated(alpha, beta, tuple(ranking.candidates))
        return rewritten.with_rule(ranking.query, rule), f"{about} of {len(ranking)} documents"

    return Rewrite(name, change)


def feedback_vectors(candidates: Sequence[Candidate], encoder: Encoder, index: Index) -> tuple[Vectors | None, Usage]:
    """The vectors of candidates, from the index if it stores them, else encoded, and the cost. Candidates without
    content have none; None if no candidate has one."""
    parts: list[Vectors] = []
    stored: set[int] = set()
    if isinstance(index, Stored):
        positions, vectors = index.vectors([c.id for c in candidates])
        stored = set(positions)
        if vectors is not None:
            parts.append(vectors)
    contents = [c.content for i, c in enumerate(candidates) if i not in stored]
    contents = [content for content in contents if content is not None and not is_blank(content)]
    usage = Usage()
    if contents:
        encoded = encoder.encode(contents)
        parts.append(encoded.vectors)
        usage = encoded.usage
    return (join(parts), usage) if parts else (None, usage)


def weighted_sum(vectors: Vectors, weights: NDArray[np.float64]) -> Vectors:
    """One row: the sum of the rows of dense or sparse vectors, each times its weight.

    >>> weighted_sum(Sparse.of([{1: 2.0}, {1: 1.0, 3: 4.0}], dim=5), np.array([0.5, 1.0])).row(0)
    {1: 2.0, 3: 4.0}
    """
    if not isinstance(vectors, Sparse):
        return Dense(np.asarray(weights @ vectors.dense().astype(np.float64), dtype=np.float32)[None])
    terms, positions = np.unique(vectors.indices, return_inverse=True)
    scaled = vectors.values * np.repeat(weights, np.diff(vectors.indptr))
    sums = np.bincount(positions, scaled, minlength=len(terms)).astype(np.float32)
    present = sums != 0
    terms, sums = terms[present].astype(np.int32), sums[present]
    return Sparse(np.array([0, len(terms)]), terms, sums, vectors.dim)
