"""Leaves the query itself out of its results, in collections whose queries are documents (ArguAna, near duplicates)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.stage import Limited, Stage, cut_results
from ..core.types import Ranking


@dataclass(frozen=True)
class IgnoreSelf(Limited):
    """The ``k`` best results of a retriever without the document whose id is the query's. The retriever must give one
    more, so that k are left."""

    stage: Stage
    k: int

    def limit(self, k: int) -> IgnoreSelf:
        least = min(k, self.k)
        stage = self.stage.limit(least + 1) if isinstance(self.stage, Limited) else self.stage
        return IgnoreSelf(stage, least)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return cut_results([without_self(r) for r in self.stage.batch(rankings)], self.k)


def without_self(ranking: Ranking) -> Ranking:
    """The ranking without the candidate whose id is the query's.

    >>> from anyrank.core.types import Query
    >>> without_self(Ranking.of(Query("a", "why?"), ["x", "y"], ids=["a", "b"])).ids
    ['b']
    """
    ids, query = ranking.ids, str(ranking.query.id)
    if query not in ids:
        return ranking
    left = [i for i, id in enumerate(ids) if id != query]
    if (matches := ranking.matches) is not None:
        others = matches.reordered(left, [float(matches.scores[i]) for i in left])
        return Ranking.of_matches(ranking.query, others, ranking.trace, ranking.limits)
    return replace(ranking, candidates=tuple(ranking.candidates[i] for i in left))
