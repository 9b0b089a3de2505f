"""Lists of candidates for queries: short ones to learn from, with hard and random negatives, and whole ones to judge
by."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..core.content import text_of
from ..core.stage import Stage
from ..core.types import Candidate, Query, Ranking
from ..train.group import Group
from .negatives import unlike


def part_of(id: str, seed: int = 0) -> float:
    """A number from 0 to 1 by which a document falls into a part of the data: the same in every run.

    >>> part_of("d1") == part_of("d1"), 0 <= part_of("d1") < 1
    (True, True)
    """
    return zlib.crc32(f"{seed}/{id}".encode()) / 2**32


def learning(
    pairs: Sequence[Group], find: Stage, others: Sequence[Candidate], *, texts: int = 8, depth: int = 20, seed: int = 0
) -> list[Group]:
    """For each pair of a query and its document a group of ``texts``: the document, hard negatives from the first
    ``depth`` results of a search, and for a quarter of the texts random ones of ``others``; graded 1 and 0."""
    easy = texts // 4
    out = []
    for pair, ranking in zip(pairs, _found(pairs, find, depth + 1)):
        rng = random.Random(f"{seed}/{pair.id}")
        positive = pair.candidates[0]
        chosen = unlike(positive, rng.sample(list(ranking), len(ranking)), texts - 1 - easy)
        known = {c.id for c in chosen}
        drawn = (c for c in rng.sample(list(others), min(len(others), 2 * texts)) if c.id not in known)
        chosen += unlike(positive, drawn, texts - 1 - len(chosen))
        out.append(_group(pair, [*chosen, positive]))
    return [g for g in out if len(g.candidates) > 1]


def whole(pairs: Sequence[Group], find: Stage, depth: int = 20) -> list[Group]:
    """For each pair the first ``depth`` results of a search with the pair's document among them, last. Its text there
    is the pair's, which is without the query where that was taken from it."""
    out = []
    for pair, ranking in zip(pairs, _found(pairs, find, depth + 1)):
        positive = pair.candidates[0]
        out.append(_group(pair, [*unlike(positive, ranking, depth - 1), positive]))
    return [g for g in out if len(g.candidates) > 1]


def judged(
    queries: Sequence[Query], qrels: Mapping[str, Mapping[str, int]], find: Stage, depth: int = 20
) -> list[Group]:
    """The first ``depth`` results of a search for judged queries, graded; queries without both a relevant and another
    document among them are left out, since no order of theirs is better than another."""
    out = []
    for ranking in (find % depth).batch([Ranking(q) for q in queries]):
        grades = [float(max(qrels.get(ranking.query.id, {}).get(c.id, 0), 0)) for c in ranking]
        if len(set(grades)) > 1:
            out.append(replace(Group.of(ranking.query, list(ranking), grades), priors=(), grades=tuple(grades)))
    return out


def _found(pairs: Sequence[Group], find: Stage, depth: int) -> list[Ranking]:
    return (find % depth).batch([Ranking(Query(p.id, p.query)) for p in pairs])


def _group(pair: Group, members: Sequence[Candidate]) -> Group:
    """The members, the last of which is relevant. A text that isn't the stored document's has an id of its own, so that
    stored vectors of the whole document don't stand for it."""
    named = [Candidate(c.id, text_of(c.content)) for c in members[:-1]]
    named.append(Candidate(f"{members[-1].id} (in part)", text_of(members[-1].content)))
    grades = (*[0.0] * len(members[:-1]), 1.0)
    return Group(pair.query, tuple(named), grades, pair.id, grades=grades)
