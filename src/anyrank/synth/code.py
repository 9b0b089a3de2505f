"""Pairs of a docstring and its code that find each other, each with a pool of negatives (CoRNStack, arXiv
2412.01007)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..core.content import text_of
from ..core.types import Candidate
from ..train.group import Group
from ..train.same_text import copies
from ..vectors import Encoder


def curated(
    pairs: Sequence[Group],
    encoder: Encoder,
    *,
    top: int = 2,
    threshold: float = 0.6,
    pool: int = 100,
    rejected: Counter[str] | None = None,
) -> list[Group]:
    """The dual consistent pairs (see `train.consistency`), each with the ``pool`` most similar texts of the others that
    are no copy of its own, and all similarities as priors; negatives are drawn from the pool in training (``data.draw``
    of a recipe). A dict given as ``rejected`` gets the number of the others by reason."""
    if not pairs:
        return []
    counts: Counter[str] = Counter() if rejected is None else rejected
    texts = encoder.encode([g.texts[0] for g in pairs]).vectors
    queries = encoder.encode([text_of(g.query) for g in pairs], query=True).vectors
    rows = [texts.near(queries.take([i])) for i in range(len(pairs))]
    consistent = []
    for i, row in enumerate(rows):
        if (row > row[i]).sum() >= top:
            counts[f"not among the {top} most similar texts"] += 1
        elif row[i] <= threshold:
            counts[f"similarity up to {threshold:g}"] += 1
        else:
            consistent.append(i)
    out, kept = [], set(consistent)
    for i in consistent:
        ranked = [j for j in np.argsort(-rows[i], kind="stable").tolist() if j != i and j in kept]
        same = copies([pairs[j].texts[0] for j in ranked], [pairs[i].texts[0]])
        near = [j for j, copy in zip(ranked, same) if not copy][:pool]
        candidates = tuple(Candidate(pairs[j].candidates[0].id, pairs[j].candidates[0].content) for j in (i, *near))
        priors = tuple(float(rows[i][j]) for j in (i, *near))
        out.append(Group(pairs[i].query, candidates, (1.0, *[0.0] * len(near)), pairs[i].id, priors))
    return out
