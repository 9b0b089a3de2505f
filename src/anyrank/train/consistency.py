"""Filters of synthetic (query, text) pairs: a pair stays if a model retrieves the text by the query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.content import text_of
from ..core.stage import Stage
from ..core.types import Query, Ranking
from ..vectors import Encoder
from .group import Group


def dual_consistent(similarity: ArrayLike, top: int = 2, threshold: float = 0.6) -> NDArray[np.bool_]:
    """A mask of the pairs to keep: the positive (column i of row i) is among the ``top`` of its row, equals sharing a
    rank, and more similar than ``threshold``. ``similarity`` [n queries, at least n texts].

    CoRNStack (arXiv 2412.01007) takes top 2; its threshold is not published (its examples: .98 and .69 kept, .25 not):
    the default is ours, and agrees with the examples.

    >>> dual_consistent([[0.9, 0.1], [0.8, 0.3]]).tolist()
    [True, False]
    """
    rows = np.asarray(similarity)
    own = np.diagonal(rows)
    return np.asarray(((rows > own[:, None]).sum(axis=1) < top) & (own > threshold))


def consistent_pairs(pairs: Sequence[Group], encoder: Encoder, top: int = 2, threshold: float = 0.6) -> Iterator[Group]:
    """The groups whose first text is dual consistent by an encoder's dot products (cosines, if its vectors have
    length 1) among the first texts of all."""
    queries = encoder.encode([text_of(g.query) for g in pairs], query=True).vectors
    texts = encoder.encode([g.texts[0] for g in pairs]).vectors
    for i, pair in enumerate(pairs):
        row = texts.near(queries.take([i]))
        if (row > row[i]).sum() < top and row[i] > threshold:
            yield pair


def findable(pairs: Iterable[Group], stage: Stage, top: int = 20, size: int = 64) -> Iterator[Group]:
    """The groups (with ids) whose first text is among the ``top`` that a search for their query returns."""
    stage = stage % top
    batch: list[Group] = []
    for pair in pairs:
        batch.append(pair)
        if len(batch) == size:
            yield from _findable(batch, stage)
            batch = []
    yield from _findable(batch, stage)


def _findable(batch: Sequence[Group], stage: Stage) -> Iterator[Group]:
    for pair, ranking in zip(batch, stage.batch([Ranking(Query(g.id, g.query)) for g in batch])):
        if pair.candidates[0].id in ranking.ids:
            yield pair
