"""Relevance feedback by distillation: the scores so far move the query's vector, which then searches again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.stage import Limited
from ..core.trace import Step, Usage
from ..core.types import Candidate, Ranking
from ..index.base import Documents, Index, Stored
from ..vectors import Dense, Encoder, Vectors
from . import rewritten

Floats = NDArray[np.float64]
_STEPS = {"kl": (0.005, 100), "ranknet": (0.001, 20)}


@dataclass(frozen=True)
class DistilledFeedback(Limited):
    """After a reranker, the teacher: the query's dense vector is moved until its dot products agree better with the
    scores that came in; a search for the moved vector gives the new k candidates (FIRST, arXiv 2406.15657, section on
    relevance feedback).

    ``loss="kl"`` for scores with a scale (a cross-encoder): learning rate .005, 100 updates of Adam; ``"ranknet"`` for
    an order (a language model), weighted by the ranks: .001 and 20. Products are scaled by half the ratio of the
    teacher's spread to theirs; in the paper's second step that ratio is still the cross-encoder's, here it is the
    teacher's own. Vectors of candidates come from the index if it stores them, else from the encoder. ``documents``
    gives the content of new ones. A ranking of fewer than two candidates, or one that the teacher left
    unjudged, stays as it was.
    """

    encoder: Encoder
    index: Index = field(repr=False)
    documents: Documents | None = field(default=None, repr=False)
    k: int = 100
    loss: Literal["kl", "ranknet"] = "kl"

    def __post_init__(self) -> None:
        if self.loss not in _STEPS:
            raise InputError(f"loss={self.loss!r}: choose 'kl' or 'ranknet'")

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return [self._feedback(r) for r in rankings]

    def limit(self, k: int) -> DistilledFeedback:
        return replace(self, k=min(k, self.k))

    def _feedback(self, ranking: Ranking) -> Ranking:
        if len(ranking) < 2 or (ranking.trace and ranking.trace[-1].status == "fallback"):
            return ranking
        start = time.perf_counter()
        query = rewritten.encode([ranking], self.encoder, self.index)
        vectors, usage = self._vectors(ranking)
        vector = moved(query.vectors.dense()[0], vectors.dense(), ranking.scores, self.loss)
        (matches,) = self.index.search(Dense(vector[None].astype(np.float32)), self.k)
        known = {c.id: c for c in ranking}
        if self.documents is not None and (absent := [i for i, _ in matches if i not in known]):
            known |= {c.id: c for c in self.documents.get(absent)}
        candidates = tuple(known.get(i, Candidate(i)).rescored(float(s)) for i, s in matches)
        step = Step("feedback", time.perf_counter() - start, query.usage + usage)
        return replace(ranking, candidates=candidates).with_step(step)

    def _vectors(self, ranking: Ranking) -> tuple[Vectors, Usage]:
        """A row a candidate, from the index if it stores them all, and the cost."""
        if isinstance(self.index, Stored):
            positions, vectors = self.index.vectors(ranking.ids)
            if vectors is not None and len(positions) == len(ranking):
                return vectors, Usage()
        encoded = self.encoder.encode([c.content for c in ranking])
        return encoded.vectors, encoded.usage


def moved(query: Any, documents: Any, teacher: Sequence[float], loss: str = "kl") -> Floats:
    """A query vector [dim] after the updates, from document vectors [n, dim] and the teacher's n scores."""
    rate, updates = _STEPS[loss]
    q, p, t = (np.asarray(x, dtype=np.float64) for x in (query, documents, teacher))
    scale = spread(t) / max(spread(p @ q), 1e-12) / 2
    slope: Callable[[Floats, Floats], Floats] = kl_slope if loss == "kl" else ranknet_slope
    mean = square = np.zeros_like(q)
    for i in range(1, updates + 1):
        g = scale * (p.T @ slope(scale * (p @ q), t))
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g * g
        # Adam: means of the gradient and of its square, corrected for their start at 0
        q = q - rate * (mean / (1 - 0.9**i)) / (np.sqrt(square / (1 - 0.999**i)) + 1e-8)
    return q


def spread(values: Any) -> float:
    """Largest less smallest."""
    return float(np.max(values) - np.min(values))


def kl_slope(scores: Floats, teacher: Floats) -> Floats:
    """Gradient, by the scores, of KL(softmax(teacher) ‖ softmax(scores))."""
    return np.asarray(softmax(scores) - softmax(teacher))


def softmax(x: Floats) -> Floats:
    """exp(x) over its sum."""
    e = np.exp(x - np.max(x))
    return np.asarray(e / e.sum())


def ranknet_slope(scores: Floats, teacher: Floats) -> Floats:
    """Gradient of `ranknet` by the scores."""
    better, weight = _pairs(teacher)
    push = weight / (1 + np.exp(np.clip(scores[:, None] - scores[None, :], -500, 500))) * better
    return np.asarray((push.sum(axis=0) - push.sum(axis=1)) / max(better.sum(), 1))


def ranknet(scores: Any, teacher: Any) -> float:
    """Weighted RankNet: mean over pairs with teacher i above j of log(1 + exp(s_j - s_i)) / (rank_i + rank_j), ranks
    from 1.

    >>> round(ranknet([2, .5, 1, -1], [1, 2, .5, -1]), 7)
    0.1566371
    """
    s, t = (np.asarray(x, dtype=np.float64) for x in (scores, teacher))
    better, weight = _pairs(t)
    return float((np.logaddexp(0.0, s[None, :] - s[:, None]) * weight * better).sum() / max(better.sum(), 1))


def _pairs(teacher: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Mask [n, n] of the pairs with i above j, and the weight of each."""
    ranks = np.empty(len(teacher))
    ranks[np.argsort(-teacher, kind="stable")] = np.arange(1, len(teacher) + 1)
    return teacher[:, None] > teacher[None, :], 1.0 / (ranks[:, None] + ranks[None, :])
