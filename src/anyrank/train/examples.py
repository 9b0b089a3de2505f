"""In-context examples of queries: other pairs of their batch (bge-en-icl, arXiv 2409.15700)."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from ..core.content import text_of
from .group import Group


@runtime_checkable
class TakesExamples(Protocol):
    """A model whose queries may have up to ``examples`` examples: contents with "text" and "examples"."""

    examples: int
    training: bool


def with_examples(groups: Sequence[Group], most: int, seed: int = 0) -> list[Group]:
    """The groups of a batch, each query with 0 to ``most`` (query, best text) of other groups that ask something else,
    drawn by the seed and the batch: a resumed training draws the same.

    >>> pairs = [Group.from_texts(q, (q.upper(), "no"), (1.0, 0.0)) for q in "abcd"]
    >>> [len(g.query["examples"]) for g in with_examples(pairs, 2)]
    [2, 1, 1, 2]
    >>> with_examples(pairs, 2)[1].query
    {'text': 'b', 'examples': [('c', 'C')]}
    """
    pairs = [(text_of(g.query), g.texts[_best(g)]) for g in groups]
    batch = zlib.crc32("\n".join(query for query, _ in pairs).encode())
    out = []
    for i, group in enumerate(groups):
        rng = random.Random(f"{seed}/{batch}/{i}")
        others = [pair for pair in pairs if pair[0] != pairs[i][0]]
        drawn = rng.sample(others, min(rng.randint(0, most), len(others)))
        out.append(replace(group, query={"text": pairs[i][0], "examples": drawn}))
    return out


def _best(group: Group) -> int:
    values = group.grades or group.labels
    return max(range(len(values)), key=values.__getitem__)
