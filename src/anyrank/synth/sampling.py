"""Documents sampled so that every part of a collection is represented: clusters, a size for each, diverse members.

DUQGen (arXiv 2404.02489): k-means over the documents' vectors, sample sizes by the clusters' sizes, members drawn in
proportion to exp(similarity to the centroid / T) by several seeds, and of those drawn a choice by maximal marginal
relevance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..train.sampling import Softmax
from ..vectors.residual import kmeans, nearest

Floats = NDArray[np.float32]
SEEDS = (35, 745, 10, 6534, 2)
"""DUQGen's seeds of the draws within a cluster."""
CANDIDATE_CLUSTERS = (5, 10, 50, 100, 500, 1000, 5000, 10000)
"""The numbers of clusters that DUQGen's elbow is looked for among."""


def sample_sizes(clusters: Sequence[int], n: int) -> list[int]:
    """How many of ``n`` documents each cluster gives: 1 + floor((n - K) size / total), and one more from the largest
    ones until there are n. No cluster gives more than it has; what is over then goes to the next largest.

    Raises InputError if n is below the number of clusters, or above that of documents.

    >>> sample_sizes([50, 30, 15, 5], 20)
    [10, 6, 3, 1]
    """
    total, k = sum(clusters), len(clusters)
    if not k <= n <= total:
        raise InputError(f"{n} documents can't be sampled from {total} in {k} clusters: expected from {k} to {total}")
    sizes = [min(size, 1 + (n - k) * size // total) for size in clusters]
    by_size = sorted(range(k), key=lambda i: -clusters[i])
    while (rest := n - sum(sizes)) > 0:
        for i in [i for i in by_size if sizes[i] < clusters[i]][:rest]:
            sizes[i] += 1
    return sizes


def mmr(relevance: Sequence[float], similarity: Floats, n: int, weight: float = 1.0) -> list[int]:
    """The positions of ``n`` members by maximal marginal relevance (Carbonell and Goldstein 1998): first the most
    relevant one, then each time the one with the largest weight * relevance - (1 - weight) * (its largest similarity
    to a chosen one). ``similarity`` [members, members].

    >>> mmr([1.0, 0.9, 0.5], np.array([[1, 0.99, 0], [0.99, 1, 0], [0, 0, 1]], np.float32), 2, weight=0.5)
    [0, 2]
    """
    value = np.asarray(relevance, dtype=np.float64)
    left = np.ones(len(value), dtype=bool)
    closest = np.zeros(len(value))
    chosen: list[int] = []
    while len(chosen) < min(n, len(value)):
        best = int(np.argmax(np.where(left, weight * value - (1 - weight) * closest, -np.inf)))
        chosen.append(best)
        left[best] = False
        closest = np.maximum(closest, similarity[best])
    return chosen


def elbow(errors: Sequence[float]) -> int:
    """The position of the knee of a falling convex curve: the point furthest below the line between its ends, both
    axes scaled to 0 … 1 (Satopää et al. 2011, without their sensitivity).

    >>> elbow([100.0, 40.0, 30.0, 25.0])
    1
    """
    y = np.asarray(errors, dtype=np.float64)
    if len(y) < 3 or y.max() == y.min():
        return 0
    x = np.linspace(0, 1, len(y))
    return int(np.argmax(1 - (y - y.min()) / (y.max() - y.min()) - x))


def number_of_clusters(vectors: Floats, n: int, candidates: Sequence[int] = CANDIDATE_CLUSTERS) -> int:
    """The number of clusters at the elbow of the sum of squared cosine distances, of those candidates that ``n``
    sampled documents allow."""
    points = unit(vectors)
    possible = [k for k in candidates if k <= min(n, len(points))] or [1]
    errors = []
    for k in possible:
        centroids = kmeans(points, k, 20, 420)
        distance = 1 - (points * centroids[nearest(points, centroids)]).sum(1)
        errors.append(float((distance**2).sum()))
    return possible[elbow(errors)]


def sample(
    vectors: Floats,
    n: int,
    clusters: int = 1000,
    *,
    temperature: float = 1.0,
    weight: float = 1.0,
    seeds: Sequence[int] = SEEDS,
    iterations: int = 100,
    seed: int = 420,
) -> list[int]:
    """The rows of ``n`` documents of all clusters, in ascending order. There are at most ``clusters``, at most n, and
    each holds a document. Defaults are DUQGen's.

    >>> points = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
    >>> sorted(row // 2 for row in sample(points, 2, 2))
    [0, 1]
    """
    points = unit(vectors)
    n = min(n, len(points))
    centroids = kmeans(points, min(clusters, n), iterations, seed)
    mine = nearest(points, centroids)
    members = [np.flatnonzero(mine == c) for c in np.unique(mine)]
    chosen: list[int] = []
    for rows, size in zip(members, sample_sizes([len(m) for m in members], n)):
        similarity = points[rows] @ centroids[mine[rows[0]]]
        draw = Softmax(temperature)
        pool = sorted({i for s in seeds for i in draw(similarity.tolist(), size, np.random.default_rng(s))})
        own = points[rows[pool]]
        picked = mmr(similarity[pool].tolist(), own @ own.T, size, weight)
        chosen += [int(rows[pool[i]]) for i in picked]
    return sorted(chosen)


def unit(vectors: Floats) -> Floats:
    """Vectors of length 1."""
    array = np.asarray(vectors, dtype=np.float32)
    return np.asarray(array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12), dtype=np.float32)
