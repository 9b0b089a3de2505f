"""The round trip of synthetic pairs, where a search for the query must return the document, and negatives from its
results."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ..core.content import is_blank
from ..core.stage import Stage
from ..core.types import Candidate, Query, Ranking
from ..train.group import Group
from ..train.same_text import normalised
from .job import Made


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Searches for the query of each group and keeps the groups whose document is among the first ``top`` (0: all).
    The kept ones get negatives: of the last ``tail`` of the first ``depth`` results the first ``hard`` that have
    content and aren't a copy of the document (DUQGen: 100, 8 and 4), and ``easy`` random documents of ``others``. Their
    draw is fixed by ``seed`` and the group's id. Without ``tail``, hard ones are the best results."""

    stage: Stage
    top: int = 20
    depth: int = 100
    tail: int = 0
    hard: int = 4
    easy: int = 0
    others: Sequence[Candidate] = ()
    seed: int = 0

    def __call__(self, made: Sequence[Made]) -> list[Made]:
        groups = [g for each in made for g in each.groups]
        results = iter((self.stage % self.depth).batch([Ranking(Query(g.id, g.query)) for g in groups]))
        out = []
        for each in made:
            kept: list[Group] = []
            rejected = dict(each.rejected)
            for group in each.groups:
                ranking = next(results)
                if self.top and group.candidates[0].id not in ranking.ids[: self.top]:
                    reason = f"not found in the first {self.top}"
                    rejected[reason] = rejected.get(reason, 0) + 1
                else:
                    kept.append(self._with_negatives(group, ranking))
            out.append(replace(each, groups=tuple(kept), rejected=rejected))
        return out

    def _with_negatives(self, group: Group, ranking: Ranking) -> Group:
        positive = group.candidates[0]
        pool = list(ranking)[-self.tail :] if self.tail else list(ranking)
        hard = unlike(positive, pool, self.hard)
        rng = random.Random(f"{self.seed}/{group.id}")
        drawn = rng.sample(range(len(self.others)), min(len(self.others), 2 * self.easy))
        known = {c.id for c in hard}
        unknown = (self.others[i] for i in drawn if self.others[i].id not in known)
        easy = unlike(positive, unknown, self.easy)
        members = (positive, *(Candidate(c.id, c.content) for c in (*hard, *easy)))
        return Group(group.query, members, (1.0, *[0.0] * (len(members) - 1)), group.id)


def unlike(positive: Candidate, candidates: Iterable[Candidate], n: int | None = None) -> list[Candidate]:
    """The first ``n`` candidates that have content and are neither the positive nor a copy of its text. No more are
    read than that takes.

    >>> [c.id for c in unlike(Candidate("a", "Lift"), [Candidate("b", "lift"), Candidate("c", "drag")])]
    ['c']
    """
    own = normalised(positive.content)
    other = (c for c in candidates if c.id != positive.id and not is_blank(c.content) and normalised(c.content) != own)
    return list(islice(other, n))
