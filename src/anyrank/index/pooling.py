"""Pooling of a text's states: near ones become one, so that a text takes a chosen share of the disk and of the time of
a search (token pooling, arXiv 2409.14683)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..vectors import Tokens, Vectors


def pooled(vectors: Vectors, factor: int) -> Vectors:
    """States of tokens, of each text one for every ``factor`` (rounded up): the means, of length 1, of clusters of its
    states. Means of texts stay. Other vectors stay as they are with a factor of 1, and else raise InputError."""
    if factor == 1:
        return vectors
    if not isinstance(vectors, Tokens):
        raise InputError(f"pool={factor}: {vectors.kind} vectors have no states of tokens to pool")
    rows = []
    for a, b in zip(vectors.indptr[:-1], vectors.indptr[1:]):
        states = vectors.states[a:b]
        labels = clusters(states, -(-len(states) // factor))
        sums = np.zeros((int(labels.max(initial=-1)) + 1, states.shape[1]), dtype=np.float32)
        np.add.at(sums, labels, states)
        rows.append(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12))
    return Tokens.of(rows, means=vectors.means) if rows else vectors


def clusters(states: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The cluster, from 0, of each unit state: hierarchical clustering by Ward's criterion until ``count`` are left.

    Each step merges the two clusters whose union adds the least to the squared distances of states to their cluster's
    mean: |a| |b| / (|a| + |b|) times the squared distance of the two means. Rows of merge costs are kept up to date as
    clusters merge, so n states take n steps of O(n * dim).

    >>> clusters(np.array([[1, 0], [0, 1], [0.8, 0.6], [0, 1]], dtype=np.float32), 2).tolist()
    [0, 1, 0, 1]
    """
    n = len(states)
    owner = np.arange(n)
    means, sizes = states.astype(np.float32), np.ones(n, dtype=np.float32)
    squares = np.einsum("nd,nd->n", means, means)
    costs = (squares[:, None] + squares[None] - 2 * means @ means.T) / 2
    np.fill_diagonal(costs, np.inf)
    nearest = costs.argmin(axis=1) if n > 1 else np.zeros(n, dtype=np.int64)
    least = costs[np.arange(n), nearest]
    for _ in range(n - count):
        a = int(least.argmin())
        b = int(nearest[a])
        a, b = min(a, b), max(a, b)
        means[a] = (sizes[a] * means[a] + sizes[b] * means[b]) / (sizes[a] + sizes[b])
        sizes[a] += sizes[b]
        owner[owner == b] = a
        squares[a] = means[a] @ means[a]
        row = sizes[a] * sizes / (sizes[a] + sizes) * np.maximum(squares[a] + squares - 2 * (means @ means[a]), 0)
        row[~np.isfinite(costs[a])] = np.inf  # itself, and clusters that are merged already
        row[b] = np.inf
        costs[a], costs[:, a] = row, row
        costs[b], costs[:, b] = np.inf, np.inf
        least[b] = np.inf
        # Ward's costs never fall below those of the parts, so only rows whose nearest was a or b change.
        stale = np.flatnonzero((nearest == a) | (nearest == b) | (np.arange(n) == a))
        nearest[stale] = costs[stale].argmin(axis=1)
        least[stale] = costs[stale, nearest[stale]]
    return np.unique(owner, return_inverse=True)[1]
