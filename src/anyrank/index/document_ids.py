"""Identifiers of documents as sequences of tokens, for decoders that write them: numbers as texts, and paths through
a hierarchy of clusters. No two documents share one.

Sources: "Transformer Memory as a Differentiable Search Index" (DSI, arXiv 2202.06991) for both kinds; "A Neural Corpus
Indexer for Document Retrieval" (NCI, arXiv 2206.02743) for tokens that know their position.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .trie import FIRST

Path = tuple[int, ...]


def digit_ids(n: int) -> list[Path]:
    """The numbers 0 … n - 1 as the tokens of their decimal digits (DSI's "naively structured string identifiers"). The
    same digit is the same token everywhere.

    >>> digit_ids(12)[9:]
    [(11,), (3, 2), (3, 3)]
    """
    return [tuple(int(digit) + FIRST for digit in str(i)) for i in range(n)]


def cluster_ids(vectors: NDArray[np.float32], k: int = 30, leaf: int = 30, seed: int = 0) -> list[Path]:
    """Paths of vectors [n, dim] through a hierarchy of clusters, as tokens ``position * max(k, leaf) + digit + 2``.

    A set of more than ``leaf`` documents is split into k clusters by k-means, and so on; the last digit is the
    document's number in its set. A set that k-means leaves whole (equal vectors) is split by order. Raises InputError
    unless k and ``leaf`` are at least 2.
    """
    if k < 2 or leaf < 2:
        raise InputError(f"k={k}, leaf={leaf}: a hierarchy of clusters needs at least 2 of each")
    width, random = max(k, leaf), np.random.default_rng(seed)
    paths: list[Path] = [()] * len(vectors)
    todo: list[tuple[NDArray[np.int64], Path]] = [(np.arange(len(vectors)), ())]
    while todo:
        members, path = todo.pop()
        if len(members) <= leaf:
            for digit, member in enumerate(members.tolist()):
                paths[member] = (*path, digit)
            continue
        labels = k_means(vectors[members], k, random)
        if len(np.unique(labels)) == 1:
            labels = np.arange(len(members)) * k // len(members)
        # clusters are numbered without gaps
        todo += [(members[labels == label], (*path, digit)) for digit, label in enumerate(np.unique(labels))]
    return [tuple(position * width + digit + FIRST for position, digit in enumerate(path)) for path in paths]


def k_means(vectors: NDArray[np.float32], k: int, random: np.random.Generator, rounds: int = 20) -> NDArray[np.int64]:
    """The cluster [n] of each vector [n, dim] by Lloyd's algorithm, from k random vectors; clusters may end empty.

    >>> labels = k_means(np.array([[0.0], [0.1], [9.0], [9.1]], np.float32), 2, np.random.default_rng(0))
    >>> labels[0] == labels[1] != labels[2] == labels[3]
    np.True_
    """
    centres = vectors[random.choice(len(vectors), min(k, len(vectors)), replace=False)]
    labels = np.full(len(vectors), -1)
    for _ in range(rounds):
        # the nearest centre: |v - c|² without |v|², which is the same for all centres
        nearest = np.argmin((centres**2).sum(1) - 2 * (vectors @ centres.T), axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        for j in np.unique(labels):
            centres[j] = vectors[labels == j].mean(0)
    return labels


def vocabulary(identifiers: Sequence[Sequence[int]]) -> int:
    """The number of tokens that a decoder of these identifiers needs, padding and end included.

    >>> vocabulary(digit_ids(3))
    5
    """
    return max((max(tokens) for tokens in identifiers), default=FIRST) + 1
