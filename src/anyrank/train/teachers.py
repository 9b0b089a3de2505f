"""Teachers: any stage or judge of ours labels texts with its scores, alone or several together."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from ..core.errors import InputError
from ..core.fusion import Combine, Fusion
from ..core.stage import Stage
from ..core.types import Query, Ranking
from .group import Group

T = TypeVar("T")
log = logging.getLogger(__name__)

_SUM = Combine()


def ranking_of(group: Group) -> Ranking:
    """A group's candidates, in their order, with its priors as scores (n, n-1, … if it has none)."""
    members = group.named()
    scores = group.priors or [float(len(members) - i) for i in range(len(members))]
    query = Query(group.id or "q", group.query)
    return Ranking(query, tuple(c.rescored(s) for c, s in zip(members, scores, strict=True)))


def judged_whole(ranking: Ranking) -> bool:
    """Whether the judge scored every candidate: no group fell back to its order, no score was filled in."""
    return not any(s.usage.fallback or s.untouched or s.usage.repairs.get("not a number") for s in ranking.trace)


def taught(before: Ranking, after: Ranking) -> Group:
    """The candidates of ``before`` in their order: their scores there as priors, those of ``after`` as labels.

    Raises InputError if the teacher dropped a candidate, and on a candidate without content.
    """
    scores = dict(zip(after.ids, after.scores))
    for c in before:
        if c.id not in scores:
            raise InputError(f"the teacher dropped {c.id!r} of query {before.query.id!r}: leave cut-offs out of it")
    return Group.of(before.query, before.candidates, [scores[i] for i in before.ids])


def distilled(queries: Iterable[Query], candidates: Stage, teacher: Stage, size: int = 16) -> Iterator[Group]:
    """A group a query: the candidates of one stage, labelled by another (a z-score sum, for ``splade + minilm``).
    Queries without candidates, or that the teacher judged only in part, are left out and logged."""
    for batch in _chunks(queries, size):
        before = candidates.batch([Ranking(q) for q in batch])
        for old, new in zip(before, teacher.batch(before)):
            if len(old) and judged_whole(new):
                yield taught(old, new)
            else:
                reason = "; ".join(new.cost.notes) or ("no scores" if len(old) else "no candidates")
                log.warning("query %s is left out: %s", old.query.id, reason)


def labelled(groups: Iterable[Group], teacher: Stage, size: int = 16) -> Iterator[Group]:
    """The same groups with a teacher's scores as labels; those that it judged only in part are left out and logged."""
    for batch in _chunks(groups, size):
        before = [ranking_of(g) for g in batch]
        for group, old, new in zip(batch, before, teacher.batch(before)):
            if judged_whole(new):
                yield relabelled(group, taught(old, new).labels)
            else:
                log.warning("query %s is left out: %s", group.id or group.query, "; ".join(new.cost.notes))


def relabelled(group: Group, labels: Sequence[float]) -> Group:
    """A group with a teacher's labels. Its old ones stay as its grades if they are judgements: whole numbers, the
    lowest 0 and another one above it.

    >>> relabelled(Group.from_texts("why?", ("so", "no"), (1.0, 0.0)), (9.5, 2.5)).grades
    (1.0, 0.0)
    """
    old = group.labels
    judged = 0 == min(old, default=1.0) < max(old, default=0.0) and not any(x % 1 for x in old)
    return replace(group, labels=tuple(labels), grades=group.grades or (old if judged else ()))


def ensemble(parts: Sequence[Group], method: Fusion = _SUM, weights: Sequence[float] | None = None) -> Group:
    """One group out of several of the same texts labelled by several teachers (files of teacher scores, say): the sum
    of their z-scores, or as ``method`` says; the plain mean is ``Combine(normalise="none")`` with weights 1/n.

    Raises InputError if the parts differ in query or texts.

    >>> a, b = Group.from_texts("q", ("x", "y"), (3.0, 1.0)), Group.from_texts("q", ("y", "x"), (8.0, 6.0))
    >>> ensemble([a, b], Combine(normalise="none"), [0.5, 0.5]).labels
    (4.5, 4.5)
    """
    first = parts[0]
    for part in parts[1:]:
        if part.query != first.query or sorted(part.ids or part.texts) != sorted(first.ids or first.texts):
            raise InputError(f"{first.name}: the teachers labelled different texts")
    scores = method([dict(zip(p.ids or p.texts, p.labels)) for p in parts], weights or [1.0] * len(parts))
    return replace(first, labels=tuple(scores[name] for name in first.ids or first.texts))


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch
