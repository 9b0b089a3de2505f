"""Recall@K and nDCG@K of full rankings: every item is ranked for every user, those trained on never recommended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .interactions import Interactions

Floats = NDArray[np.float64]
Scores = Callable[[Sequence[int]], Floats]
"""Positions of users -> scores [users, items]."""
BATCH = 256


def recall(ranked: Sequence[int], relevant: set[int], k: int) -> float:
    """The share of the relevant items among the first k, as EasyRec's program has it.

    >>> recall([3, 1, 2], {1, 9}, 2)
    0.5
    """
    return len(relevant.intersection(ranked[:k])) / len(relevant)


def ndcg(ranked: Sequence[int], relevant: set[int], k: int) -> float:
    """Discounted gain of the relevant among the first k, over that of the best order of min(k, relevant).

    >>> round(ndcg([3, 1, 2], {1, 2}, 3), 4)
    0.6934
    """
    gain = sum(1 / np.log2(i + 2) for i, item in enumerate(ranked[:k]) if item in relevant)
    return float(gain / sum(1 / np.log2(i + 2) for i in range(min(k, len(relevant)))))


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the users who have something held out, and each user's own values."""

    recall: float
    ndcg: float
    users: int
    recalls: tuple[float, ...] = ()
    ndcgs: tuple[float, ...] = ()


def best(
    scores: Floats, masked: Sequence[Sequence[int]], k: int, among: NDArray[np.bool_] | None = None
) -> list[list[int]]:
    """The k best items of each row of scores [users, items], without those ``masked`` for it and those not ``among``;
    fewer if fewer are left. Equal scores are in an order drawn once: that of a
    table's items may tell how popular they are."""
    scores = scores.astype(np.float64, copy=True)
    if among is not None:
        scores[:, ~among] = -np.inf
    for row, items in zip(scores, masked):
        row[list(items)] = -np.inf
    drawn = np.random.default_rng(0).permutation(scores.shape[1])
    order = drawn[np.argsort(-scores[:, drawn], axis=1, kind="stable")[:, :k]]
    return [[int(i) for i in items if row[i] > -np.inf] for row, items in zip(scores, order)]


def full_ranking(
    scores: Scores, train: Interactions, test: Interactions, k: int = 20, among: NDArray[np.bool_] | None = None
) -> Quality:
    """The quality of a ranker by the held-out pairs of ``test``. ``among`` [items]: the items that are ranked (all)."""
    seen, wanted = train.by_user(), test.by_user()
    users = [u for u, items in enumerate(wanted) if items]
    recalls: list[float] = []
    ndcgs: list[float] = []
    for start in range(0, len(users), BATCH):
        part = users[start : start + BATCH]
        for user, ranked in zip(part, best(scores(part), [seen[u] for u in part], k, among)):
            recalls.append(recall(ranked, set(wanted[user]), k))
            ndcgs.append(ndcg(ranked, set(wanted[user]), k))
    if not users:
        return Quality(float("nan"), float("nan"), 0)
    return Quality(float(np.mean(recalls)), float(np.mean(ndcgs)), len(users), tuple(recalls), tuple(ndcgs))
