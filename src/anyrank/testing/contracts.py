"""Contract suites: the promises that every grouping, judge, stage, encoder and index must keep."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.groupings import Grouping
from ..core.rerank import Group, Judge, Rerank
from ..core.stage import Stage
from ..core.types import Ranking
from ..index.base import Index
from ..store.filters import Filter
from ..vectors import Encoder
from .judges import Hostile, Oracle, toy


def check_grouping(
    grouping: Grouping, sizes: Sequence[int] = (0, 1, 2, 3, 7, 20, 45), top: int = 0, seeds: int = 3
) -> None:
    """A grouping ends, yields only groups of distinct valid indices, returns distinct valid indices, keeps the present
    order under equal scores, gives a permutation under any judge and the same ranking in lockstep as alone, and with an
    oracle has the best ``top`` right. Scores it returns fall and belong to its order."""
    for n in sizes:
        _check_plan(grouping, n)
    for seed in range(seeds):
        toys = [toy(n, seed, f"q{i}") for i, n in enumerate(sizes)]
        rankings = [ranking for ranking, _ in toys]
        truth = {id: score for _, scores in toys for id, score in scores.items()}
        for judge in (Oracle(truth), Hostile(seed)):
            stage = Rerank(judge, grouping)
            together = stage.batch(rankings)
            for before, after in zip(rankings, together):
                assert sorted(after.ids) == sorted(before.ids), (
                    f"{grouping} lost or doubled a candidate of {len(before)}"
                )
                assert _falling(after.scores), f"{grouping}: scores rise down the list"
                alone = stage(before)
                assert alone.ids == after.ids, f"{grouping}: another order alone than in lockstep"
                if isinstance(judge, Oracle) and top:
                    ideal = sorted(before.ids, key=lambda i: -truth[i])[:top]
                    assert after.ids[:top] == ideal, (
                        f"{grouping}: the best {top} of {len(before)} are wrong with an oracle"
                    )


def _check_plan(grouping: Grouping, n: int) -> None:
    """Run a grouping of n without a driver, all scores equal."""
    plan = grouping(n)
    rounds, most = 0, 10 * (n + 2) ** 2
    try:
        groups = next(plan)
        while True:
            for group in groups:
                assert group, f"{grouping}: an empty group, of {n}"
                assert len(set(group)) == len(group), f"{grouping}: {list(group)} holds an index twice, of {n}"
                assert all(0 <= i < n for i in group), f"{grouping}: {list(group)} is out of range, of {n}"
            rounds += 1
            assert rounds <= most, f"{grouping}: no end after {most} rounds of {n}"
            groups = plan.send([[0.5] * len(group) for group in groups])
    except StopIteration as end:
        result = end.value
    order = list(result)
    assert len(set(order)) == len(order), f"{grouping}: the order {order} holds an index twice"
    assert set(order) <= set(range(n)), f"{grouping}: the order {order} is out of range, of {n}"
    rest = [i for i in range(n) if i not in set(order)]
    assert order + rest == list(range(n)), f"{grouping}: equal scores became the order {order}"
    if isinstance(result, Mapping):
        assert _falling(list(result.values())), f"{grouping}: its scores rise down the order"


def check_judge(judge: Judge, groups: Sequence[Group], tolerance: float = 1e-4) -> None:
    """A judge gives one judgement a group, one finite score a member, and the same scores whatever else is in the
    batch. ``tolerance`` is relative to the spread of the scores."""
    whole = judge(groups)
    assert len(whole) == len(groups), f"{len(whole)} judgements for {len(groups)} groups"
    assert list(judge([])) == [], "no groups must give no judgements"
    for (_, members), judgement in zip(groups, whole):
        scores = judgement.scores
        assert len(scores) == len(members), f"{len(scores)} scores for {len(members)} members"
        assert all(map(math.isfinite, scores)), f"a score is not finite: {list(scores)}"
        assert judgement.usage.calls + judgement.usage.cached >= 1, "usage counts no call"
    every = [s for j in whole for s in j.scores]
    allowed = tolerance * max(max(every) - min(every), 1.0)
    order = list(range(len(groups)))
    random.Random(0).shuffle(order)
    for batch in ([[i] for i in order], [order]):
        for part in batch:
            for i, judgement in zip(part, judge([groups[i] for i in part])):
                gap = max(abs(a - b) for a, b in zip(judgement.scores, whole[i].scores))
                assert gap <= allowed, f"group {i} scores differ by {gap:.3g} > {allowed:.3g} with the batch"


def check_stage(stage: Stage, rankings: Sequence[Ranking], permutes: bool = True) -> None:
    """A stage gives one ranking a ranking, in order, keeps the query, extends the trace, and answers the same alone.
    With ``permutes`` it neither loses nor adds a candidate (rerankers; not retrievers and cut-offs)."""
    after = stage.batch(rankings)
    assert len(after) == len(rankings), f"{len(after)} rankings for {len(rankings)}"
    assert stage.batch([]) == [], "no rankings must give no rankings"
    for old, new in zip(rankings, after):
        assert new.query.id == old.query.id, f"query {old.query.id!r} became {new.query.id!r}"
        assert _falling(new.scores), "scores rise down the list"
        assert all(math.isfinite(s) for s in new.scores), "a score is not finite"
        assert new.trace[: len(old.trace)] == old.trace, "the earlier trace was dropped"
        if permutes:
            assert sorted(new.ids) == sorted(old.ids), f"not a permutation of the input for query {old.query.id!r}"
        assert stage(old).ids == new.ids, f"another order alone than in a batch for query {old.query.id!r}"


def check_encoder(encoder: Encoder, contents: Sequence[Any], tolerance: float = 1e-3) -> None:
    """An encoder gives one row a content (none for none), and the same row at any batch size and order: the cosine
    between the two is at least 1 - ``tolerance``."""
    for query in (False, True):
        whole = encoder.encode(contents, query=query).vectors
        assert len(whole) == len(contents), f"{len(whole)} rows for {len(contents)} contents"
        assert len(encoder.encode([], query=query).vectors) == 0, "no contents must give no rows"
        back = encoder.encode(contents[::-1], query=query).vectors
        for i in range(len(contents)):
            row = whole.take([i])
            size = float(row.near(row)[0])
            assert np.isfinite(size), f"row {i} is not finite"
            single = encoder.encode([contents[i]], query=query).vectors
            for other in (single, back.take([len(contents) - 1 - i])):
                norm = math.sqrt(size * float(other.near(other)[0]))
                cosine = float(other.near(row)[0]) / norm if norm else 1.0
                assert cosine >= 1 - tolerance, f"row {i} differs with the batch: cosine {cosine:.6f}"


def check_index(
    index: Index, queries: Any, ids: Sequence[str], among: Filter | None = None, passing: Sequence[str] = ()
) -> None:
    """An index returns per query distinct known ids with falling finite scores, at most k, and its best k are the
    beginning of its best k + 5. With a filter ``among`` it returns none but those ``passing`` it."""
    for result in index.search(queries, len(ids) + 10, among) if among is not None else ():
        wrong = sorted({i for i, _ in result} - set(passing))
        assert not wrong, f"{', '.join(wrong)} don't pass the filter"
    for k in (1, 3, len(ids) + 10):
        results, more = index.search(queries, k), index.search(queries, k + 5)
        assert len(results) == len(queries), f"{len(results)} results for {len(queries)} queries"
        for one, longer in zip(results, more):
            names, scores = [i for i, _ in one], [s for _, s in one]
            assert len(one) <= k, f"{len(one)} results for k={k}"
            assert len(set(names)) == len(names), "a repeated id"
            assert set(names) <= set(ids), "an unknown id"
            assert _falling(scores), "scores rise"
            assert all(map(math.isfinite, scores)), "a score is not finite"
            assert np.allclose(scores, [s for _, s in longer[:k]]), f"the best {k} change with k"


def _falling(scores: Sequence[float]) -> bool:
    return all(a >= b for a, b in pairwise(scores))
