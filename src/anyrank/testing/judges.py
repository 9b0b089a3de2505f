"""Fake judges: one that knows the truth, one that reads a script, one that counts, one that misbehaves."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.rerank import Group, Judge
from ..core.trace import Usage
from ..core.types import Candidate, Judgement, Query, Ranking


def toy(n: int, seed: int = 0, query: str = "q") -> tuple[Ranking, dict[str, float]]:
    """A shuffled ranking of n candidates of query ``query``, and the true score of each id (all distinct).

    >>> ranking, truth = toy(3)
    >>> sorted(truth, key=truth.get)[-1] == Oracle(truth).best(ranking)
    True
    """
    rng = random.Random(f"{seed}/{query}/{n}")
    truth = {f"{query}-{i}": float(v) for i, v in enumerate(rng.sample(range(n), n))}
    candidates = (Candidate(i, f"text of {i}", float(n - r)) for r, i in enumerate(truth))
    return Ranking(Query(query, f"question {query}"), tuple(candidates)), truth


@dataclass(frozen=True)
class Oracle:
    """A judge that knows the true score of every id."""

    truth: Mapping[str, float]

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        return [Judgement([self.truth[c.id] for c in members]) for _, members in groups]

    def best(self, ranking: Ranking) -> str:
        return max(ranking.ids, key=lambda i: self.truth[i])


@dataclass(frozen=True)
class Scripted:
    """A judge whose scores come from a function of (query, members); ``log`` keeps the ids of every group it saw."""

    script: Callable[[Query, Sequence[Candidate]], Sequence[float]]
    log: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        self.log.extend(tuple(c.id for c in members) for _, members in groups)
        return [Judgement(self.script(query, members)) for query, members in groups]


@dataclass
class Counting:
    """A judge that counts the batches and groups that another one is given."""

    judge: Judge
    batches: int = 0
    groups: int = 0

    def __call__(self, groups: Sequence[Group]) -> Sequence[Judgement]:
        self.batches += 1
        self.groups += len(groups)
        return self.judge(groups)


FAULTS = ("nan", "inf", "-inf", "short", "long", "empty", "raise", "junk", "constant", "huge", "fine")


@dataclass(frozen=True)
class Hostile:
    """A judge that misbehaves in a way fixed by the seed and each group's ids: NaN, infinities, wrong lengths,
    exceptions, junk types, constant and huge scores. A group's answer doesn't depend on the rest of the batch."""

    seed: int = 0
    faults: Sequence[str] = FAULTS

    def __call__(self, groups: Sequence[Group]) -> list[Any]:
        return [self._one(q, members) for q, members in groups]

    def _one(self, query: Query, members: Sequence[Candidate]) -> Any:
        rng = random.Random(f"{self.seed}/{query.id}/{[c.id for c in members]}")
        scores: list[Any] = [rng.random() for _ in members]
        fault = rng.choice(self.faults)
        if fault in ("nan", "inf", "-inf"):
            scores[rng.randrange(len(scores))] = float(fault)
        elif fault == "short":
            scores.pop()
        elif fault == "long":
            scores.append(0.5)
        elif fault == "empty":
            scores = []
        elif fault == "raise":
            raise RuntimeError(f"no answer for {members[0].id}")
        elif fault == "junk":
            return rng.choice([None, "seven", Judgement([None] * len(scores)), Judgement(["x"] * len(scores))])  # type: ignore[list-item]
        elif fault == "constant":
            scores = [1.0] * len(scores)
        elif fault == "huge":
            scores = [s * 10.0**300 for s in scores]
        return Judgement(scores, Usage(calls=1))
