"""Relevance feedback in texts: the candidates ranked first are added to the query, which judges all of them again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ..core.content import text_of
from ..core.errors import InputError
from ..core.fusion import ArrayFusion, Combine, Fusion
from ..core.passages import passages
from ..core.rerank import Group, Judge
from ..core.trace import Usage
from ..core.types import Candidate, Judgement, Query

if TYPE_CHECKING:
    from ..core.fusion import Floats, Ints

How = Literal["truncate", "aggregate", "sliding"]
Merge = Literal["average", "max", "borda"]


@dataclass(frozen=True)
class BordaShare(ArrayFusion):
    """Borda count by shares: a run of n candidates gives that of rank r the points (n - r + 1) / n, and none to those
    that it doesn't hold.

    >>> runs = ["abcd", "badc", "cba"]
    >>> fused = BordaShare()([{c: -float(i) for i, c in enumerate(run)} for run in runs], [1, 1, 1])
    >>> {c: round(points, 6) for c, points in fused.items()}
    {'a': 2.083333, 'b': 2.416667, 'c': 1.75, 'd': 0.75}
    """

    def fuse(self, items: Sequence[Ints], scores: Sequence[Floats], n: int, weights: Sequence[float]) -> Floats:
        import numpy as np

        fused = np.zeros(n)
        for mine, weight in zip(items, weights):
            fused[mine] += weight * (1 - np.arange(len(mine)) / max(len(mine), 1))
        return fused


MERGES: dict[Merge, Fusion] = {
    "average": Combine(normalise="none"),
    "max": Combine(how="max", normalise="none"),
    "borda": BordaShare(),
}
"""The fusions of the scores by several queries; the average as a sum."""


@dataclass(frozen=True)
class Expansion:
    """The queries that feedback texts make of a query. In words, cut to ``words`` in all:

    ``truncate``   one query: the query and all texts, one after another (concatenate and truncate);
    ``aggregate``  a query for each text: the query and that text (concatenate and aggregate);
    ``sliding``    a query for each window of ``window`` words of all texts, one every ``stride``: the query and that
                   window, until a window has the last word.

    >>> Expansion("sliding", window=3, stride=2)("q", ["a b c", "d e"])
    ['q a b c', 'q c d e']
    >>> Expansion("aggregate", words=3)("q", ["a b c", "d"]), Expansion()("q", ["a", "b"]), Expansion()("q", [])
    (['q a b', 'q d'], ['q a b'], ['q'])
    """

    how: How = "truncate"
    words: int = 256
    window: int = 65
    stride: int = 32

    def __post_init__(self) -> None:
        if self.how not in ("truncate", "aggregate", "sliding"):
            raise InputError(f"how={self.how!r}: choose one of truncate, aggregate, sliding")
        if self.words < 1 or not 1 <= self.stride <= self.window:
            raise InputError(
                f"words={self.words}, window={self.window}, stride={self.stride}: expected at least 1 word, and a "
                "stride from 1 to the window"
            )

    def __call__(self, query: str, texts: Sequence[str]) -> list[str]:
        texts = [text for text in texts if text.strip()]
        if not texts:
            return [query]
        if self.how == "truncate":
            parts = [" ".join(texts)]
        elif self.how == "aggregate":
            parts = list(texts)
        else:
            parts = passages(" ".join(texts), self.window, self.stride)
        return [" ".join(f"{query} {part}".split()[: self.words]) for part in parts]


@dataclass(frozen=True)
class TextFeedback:
    """A judge of whole rankings: the first ``k`` members of a group expand the query, ``judge`` scores all members for
    each query so made, each member alone, and ``merge`` makes one score of them. With ``k=0``, and where the first
    members have no text, the scores are the judge's own.

    A member that the judge couldn't score for one query (NaN) is left out there; one that has no score at all is NaN.
    """

    judge: Judge
    k: int = 3
    expansion: Expansion = Expansion()
    merge: Merge = "average"

    def __post_init__(self) -> None:
        if self.k < 0:
            raise InputError(f"k={self.k}: expected a number of feedback documents of at least 0")
        if self.merge not in MERGES:
            raise InputError(f"merge={self.merge!r}: choose one of {', '.join(MERGES)}")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        requests: list[Group] = []
        sizes: list[int] = []  # queries of each group
        for query, members in groups:
            queries = self.queries(query, members)
            sizes.append(len(queries))
            requests += [(q, [member]) for q in queries for member in members]
        answers = iter(self.judge(requests))
        out = []
        for (_, members), size in zip(groups, sizes):
            votes = [[next(answers) for _ in members] for _ in range(size)]
            usage = sum((answer.usage for vote in votes for answer in vote), Usage())
            note = next((answer.note for vote in votes for answer in vote if answer.note), "")
            scores = [[float(answer.scores[0]) for answer in vote] for vote in votes]
            out.append(Judgement(self.merged(scores), usage, note))
        return out

    def queries(self, query: Query, members: Sequence[Candidate]) -> list[Query]:
        """The query with the texts of the first members; the query itself if they have none."""
        texts = [text_of(member.content) for member in members[: self.k]]
        if not any(text.strip() for text in texts):
            return [query]
        return [replace(query, content=text) for text in self.expansion(text_of(query.content), texts)]

    def merged(self, votes: Sequence[Sequence[float]]) -> list[float]:
        """One score a member, of its scores for each query; a single query's are left as they are."""
        if len(votes) == 1:
            return list(votes[0])
        runs = []
        for scores in votes:
            known = [i for i, s in enumerate(scores) if not math.isnan(s)]
            runs.append({str(i): scores[i] for i in sorted(known, key=lambda i: -scores[i])})
        weight = 1 / len(votes) if self.merge == "average" else 1.0
        fused = MERGES[self.merge](runs, [weight] * len(runs))
        return [fused.get(str(i), math.nan) for i in range(len(votes[0]))]
