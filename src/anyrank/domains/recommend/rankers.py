"""Rankers of all items for users, as functions from positions of users to scores [users, items]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...index.analysis import Analyser
from ...index.exact import Settings, TermCounts
from ...vectors import Encoder
from .interactions import Interactions
from .measures import Floats, Scores


def popularity(train: Interactions) -> Scores:
    """The same for all users: the number of interactions of each item."""
    counts = train.popularity().astype(np.float64)
    return lambda users: np.tile(counts, (len(users), 1))


def bm25(user_texts: Sequence[str], item_texts: Sequence[str], language: str = "english") -> Scores:
    """BM25 of items' profiles, a user's profile as the query."""
    analyser = Analyser(language)
    texts: list[tuple[list[str], list[str]]] = [(analyser.terms(text), []) for text in item_texts]
    counts, plain = TermCounts.of(range(len(item_texts)), texts), Settings(title=1, smoothing=0)

    def scores(users: Sequence[int]) -> Floats:
        return np.stack([counts.scores(analyser.terms(user_texts[u]), plain) for u in users])

    return scores


def encoded(encoder: Encoder, user_texts: Sequence[str], item_texts: Sequence[str]) -> Scores:
    """The nearness of an encoder's vectors of a user's profile and of every item's."""
    items = encoder.encode(list(item_texts)).vectors
    queries = encoder.encode(list(user_texts), query=True).vectors

    def scores(users: Sequence[int]) -> Floats:
        return np.stack([items.near(queries.take([u])) for u in users]).astype(np.float64)

    return scores
