"""Consensus over shuffles, against a judge with a bias for places."""

import math
from dataclasses import replace
from itertools import permutations

import pytest

from anyrank.core.errors import InputError
from anyrank.core.groupings import Sliding
from anyrank.core.limits import Limits
from anyrank.core.rerank import Rerank
from anyrank.core.trace import Step, Usage
from anyrank.core.types import Ranking
from anyrank.judges.consensus import SelfConsistency, borda, kemeny
from anyrank.papers import load
from anyrank.testing import Counting, Hostile, Oracle, OracleModel, Scripted, check_stage, toy


def test_borda_points():
    assert borda([[0, 1, 2], [1, 0, 2], [1, 2, 0]], 3) == pytest.approx([1.0, 5 / 3, 1 / 3])
    assert borda([[2, 0, 1]], 3) == [1.0, 0.0, 2.0]


def distance(order, orders):
    """Pairs on which rankings differ from an order (Kendall), summed over the rankings."""
    place = [{i: r for r, i in enumerate(o)} for o in orders]
    return sum(p[a] > p[b] for p in place for i, a in enumerate(order) for b in order[i + 1 :])


def test_kemeny_is_as_near_as_the_best_of_all_orders():
    orders = [[0, 1, 2, 3], [1, 2, 0, 3], [2, 0, 1, 3], [1, 0, 3, 2], [0, 2, 1, 3]]
    order = kemeny(orders, borda(orders, 4))
    assert distance(order, orders) == min(distance(list(o), orders) for o in permutations(range(4)))


@pytest.mark.parametrize("how", ["borda", "kemeny"])
def test_a_bias_for_the_first_place_is_averaged_out(how):
    """A judge that adds to whatever stands first in a window: alone wrong, right on the mean of shuffles."""
    ids = [str(i) for i in range(8)]
    ranking = Ranking.of("q", ids, ids)

    def biased(query, members):
        return [float(c.id) + (20.0 if place == 0 else 0.0) for place, c in enumerate(members)]

    alone = Rerank(Scripted(biased), Sliding(8, 8))
    assert alone(ranking).ids[0] == "0"
    after = SelfConsistency(alone, 15, how)(ranking).ids
    assert after[0] == "7"
    assert after.index("0") >= 6
    assert how == "borda" or after == ids[::-1]


def test_all_shuffles_go_in_one_batch_and_are_all_paid_for():
    ranking, truth = toy(20)
    judge = Counting(Oracle(truth))
    after = SelfConsistency(Rerank(judge, Sliding(20, 10)), 4)(ranking)
    assert (judge.batches, judge.groups, after.cost.usage.calls) == (1, 4, 4)
    (step,) = after.trace
    assert step.name == "self_consistency"


def test_a_shuffle_that_was_only_passed_through_is_no_vote():
    ranking, truth = toy(12)
    first = ranking.ids

    def choosy(query, members):
        here = [c.id for c in members]
        return [truth[i] for i in here] if here == first else [math.nan] * len(here)

    after = SelfConsistency(Rerank(Scripted(choosy), Sliding(12, 12)), 5)(ranking)
    assert after.ids == sorted(first, key=lambda i: -truth[i])
    assert after.cost.usage.repairs == {"shuffle not ranked": 4}
    dead = SelfConsistency(Rerank(Hostile(faults=("raise",)), Sliding(12, 12)), 3)(ranking)
    assert (dead.ids, dead.status) == (first, "fallback")
    unread = Scripted(lambda query, members: [math.nan] * len(members))
    paid = SelfConsistency(Rerank(unread, Sliding(12, 12)), 3)(ranking)
    assert (paid.ids, paid.status, paid.cost.usage.calls) == (first, "fallback", 3)


def test_contract_and_limits():
    toys = [toy(n, query=f"q{n}") for n in (0, 1, 9)]
    truth = {k: v for _, t in toys for k, v in t.items()}
    check_stage(SelfConsistency(Rerank(Oracle(truth), Sliding(4, 2)), 3, "kemeny"), [r for r, _ in toys])
    with pytest.raises(InputError, match="shuffles=0"):
        SelfConsistency(Rerank(Oracle({})), 0)
    with pytest.raises(InputError, match="how='vote'"):
        SelfConsistency(Rerank(Oracle({})), 3, "vote")


def test_a_budget_is_shared_out_among_the_shuffles():
    ranking, truth = toy(60)
    stage = SelfConsistency(load("rankgpt").build(OracleModel(truth)), shuffles=3)
    assert stage(ranking).cost.usage.calls == 15
    after = stage.within(max_calls=10)(ranking)
    assert (after.cost.usage.calls, after.status) == (9, "partial")
    assert after.cost.notes == ("budget spent: max_calls=3",)
    assert stage.within(max_seconds=60.0)(ranking).status == "ok"
    assert stage.within(max_ms=60.0).stage.max_ms == 60.0 / stage.shuffles
    with pytest.raises(InputError, match="max_calls=2: less than one for each of 3 shuffles"):
        stage.within(max_calls=2)
    with pytest.raises(InputError, match="takes no depth"):
        stage.within(depth=5)


def test_a_rankings_limits_are_shared_out_among_its_shuffles():
    ranking, truth = toy(60)
    stage = SelfConsistency(load("rankgpt").build(OracleModel(truth)), shuffles=3)  # five windows a shuffle
    spent = Step("before", usage=Usage(calls=20))
    after = stage(replace(ranking, trace=(spent,), limits=Limits(max_calls=30)))
    assert (after.trace[-1].usage.calls, after.trace[-1].status) == (9, "partial")
    assert after.trace[-1].notes == ("budget spent: limits.max_calls=3",)
    assert after.limits == Limits(max_calls=30)
    fewer = stage(replace(ranking, trace=(spent,), limits=Limits(max_calls=22)))
    assert fewer.trace[-1].usage.calls == 2
    none = stage(replace(ranking, trace=(spent,), limits=Limits(max_calls=20)))
    assert (none.ids, none.trace[-1].status) == (ranking.ids, "fallback")
    assert none.trace[-1].notes == ("budget spent: limits.max_calls=20",)
    late = stage(replace(ranking, limits=Limits(deadline=0.0)))
    assert (late.ids, late.trace[-1].usage.calls) == (ranking.ids, 0)
    assert late.trace[-1].notes == ("budget spent: limits.deadline",)


def test_shuffles_differ_and_the_first_is_the_input():
    seen = []

    def judge(query, members):
        return [0.0] * len(members)

    script = Scripted(judge)
    ranking = Ranking.of("q", "abcdefgh")
    SelfConsistency(Rerank(script, Sliding(8, 8)), 5)(ranking)
    seen = script.log
    assert seen[0] == tuple(ranking.ids)
    assert len(set(seen)) == 5


def test_half_of_the_rankings_are_no_majority():
    """A tie keeps the order of the start, and Borda counts the candidates below."""
    assert kemeny([[0, 1], [1, 0]], [1.0, 1.0]) == [0, 1]
    assert borda([[0, 1, 2]], 3) == [2.0, 1.0, 0.0]
