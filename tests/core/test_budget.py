"""Budgets: the stricter limit holds, prices are learnt, and no ranking is lost to a limit."""

import math
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anyrank.core.budget import Account, Bound, Budget, CallEstimate, affordable
from anyrank.core.errors import InputError
from anyrank.core.groupings import Bubble, Heap, MergeSort, Pointwise, Sliding, Tournament
from anyrank.core.limits import Limits
from anyrank.core.rerank import Rerank
from anyrank.core.stage import Fuse
from anyrank.core.trace import Step, Usage
from anyrank.core.types import Judgement
from anyrank.testing import Oracle, toy


def test_limits_less_what_was_spent():
    limits = Limits(deadline=9.0, max_calls=10, max_tokens=100)
    assert limits.less(Usage(calls=4, prompt_tokens=30, completion_tokens=20)) == Limits(9.0, 6, 50)
    assert limits.less(Usage(calls=40, prompt_tokens=300)) == Limits(9.0, 0, 0)
    assert Limits().less(Usage(calls=4)) == Limits()
    with pytest.raises(InputError, match="max_calls=-1"):
        Limits(max_calls=-1)
    with pytest.raises(InputError, match="max_tokens=0"):
        Limits.within(max_tokens=0)
    with pytest.raises(InputError, match="seconds=0"):
        Limits.within(0)


def test_the_stricter_bound_of_each_kind_counts():
    own = Budget.of_stage(max_calls=5, max_tokens=900, max_seconds=2.0, start=100.0)
    shared = Budget.of_limits(Limits(101.0, 20, 1000), Usage(calls=12, prompt_tokens=200))
    both = own.stricter(shared)
    assert both == shared.stricter(own)
    assert both.calls == Bound(5, "max_calls=5")
    assert both.tokens == Bound(800, "limits.max_tokens=1000")
    assert both.deadline == Bound(101.0, "limits.deadline")
    assert both.exceeded(Usage(calls=5), 1, 0.0) == "max_calls=5"
    assert both.exceeded(Usage(prompt_tokens=800), 1, 0.0) == "limits.max_tokens=1000"
    assert both.exceeded(Usage(), 1, 101.0) == "limits.deadline"
    assert both.exceeded(Usage(calls=4, prompt_tokens=799), 1, 100.9) == ""
    assert Budget().exceeded(Usage(calls=10**9, prompt_tokens=10**9), 10**9, 1e9) == ""


def test_the_price_of_a_group_is_learnt_by_its_size():
    estimate = CallEstimate()
    assert (estimate.expect(7), estimate.knows(7)) == (1, False)
    estimate.learn(4, 4)
    assert [estimate.expect(n) for n in (2, 4, 5, 8)] == [4, 4, 5, 8]
    estimate.learn(4, 3)  # a cheaper one doesn't lower it
    assert estimate.expect(4) == 4
    single = CallEstimate()
    single.learn(4, 1)
    assert single.expect(400) == 1


def test_a_group_waits_for_the_price_of_the_first_and_is_refused_where_nothing_is_left():
    budget = Budget(calls=Bound(10, "max_calls=10"))
    accounts = [Account(budget), Account(budget)]
    groups = [(account, 4) for account in accounts for _ in range(4)]
    estimate = CallEstimate()
    first = affordable(groups, estimate, time=0.0, chunk=64)
    assert (first.now, first.refused) == ([0], [])
    estimate.learn(4, 4)
    accounts[0].usage += Usage(calls=4)
    rest = [groups[i] for i in first.later]  # three of the first query, four of the second
    second = affordable(rest, estimate, time=0.0, chunk=64)
    assert (second.now, second.later, second.refused) == ([0, 3, 4], [1, 2, 5, 6], [])
    for i in second.now:
        rest[i][0].usage += Usage(calls=4)
    third = affordable([rest[i] for i in second.later], estimate, time=0.0, chunk=64)
    assert (third.now, third.later, third.refused) == ([], [], [0, 1, 2, 3])
    assert {account.ended_by for account in accounts} == {"max_calls=10"}


def test_a_bounded_group_waits_while_an_unbounded_one_shows_the_price():
    bounded = Account(Budget(calls=Bound(1, "max_calls=1")))
    groups, estimate = [(Account(), 4), (bounded, 4)], CallEstimate()
    assert affordable(groups, estimate, time=0.0, chunk=64) == ([0], [1], [])
    estimate.learn(4, 3)
    assert affordable(groups[1:], estimate, time=0.0, chunk=64) == ([], [], [0])


def test_batches_are_small_where_the_price_is_known_only_afterwards():
    timed = Account(Budget(deadline=Bound(5.0, "max_seconds=5")))
    free = [(Account(), 1)] * 3
    assert affordable([*free, (timed, 1)], CallEstimate(), time=0.0, chunk=2) == ([0, 1], [2, 3], [])
    assert affordable(free, CallEstimate(), time=0.0, chunk=2) == ([0, 1, 2], [], [])
    assert affordable([(timed, 1)], CallEstimate(), time=5.0, chunk=2) == ([], [], [0])
    assert timed.ended_by == "max_seconds=5"


PRICES = {"one": lambda n: 1, "each member": lambda n: n, "three": lambda n: 3}
GROUPINGS = [Pointwise(), Sliding(5, 2), Heap(3, 4), Bubble(3, 4), MergeSort(), Tournament(6, 3)]
small = st.none() | st.integers(0, 40)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    limits=st.lists(st.tuples(small, small, st.sampled_from([None, "past", "future"])), min_size=1, max_size=4),
    own=st.none() | st.integers(1, 30),
    before=st.integers(0, 20),
    price=st.sampled_from(sorted(PRICES)),
    grouping=st.sampled_from(GROUPINGS),
    chunk=st.integers(1, 70),
)
def test_with_any_limits_nothing_is_lost_and_no_more_is_spent(limits, own, before, price, grouping, chunk):
    """Only the first group of a batch may overspend calls, and one sub-batch tokens; a limit that is spent before the
    stage begins is never passed."""
    sizes, truth, rankings = [18, 1, 9, 0], {}, []
    for i, (calls, tokens, moment) in enumerate(limits):
        ranking, scores = toy(sizes[i], query=f"q{i}")
        truth |= scores
        deadline = {None: None, "past": 0.0, "future": math.inf}[moment]
        spent = Step("before", usage=Usage(calls=before, prompt_tokens=before))
        rankings.append(type(ranking)(ranking.query, ranking.candidates, (spent,), Limits(deadline, calls, tokens)))

    def judge(groups):
        answers = Oracle(truth)(groups)
        usages = [Usage(calls=PRICES[price](len(m)), prompt_tokens=2 * len(m)) for _, m in groups]
        return [Judgement(a.scores, u) for a, u in zip(answers, usages)]

    first_of_batch = True
    for old, new in zip(rankings, Rerank(judge, grouping, max_calls=own, chunk=chunk).batch(rankings), strict=True):
        assert sorted(new.ids) == sorted(old.ids)
        assert new.limits == old.limits
        step = new.trace[-1]
        left = old.limits.less(Usage(calls=before, prompt_tokens=before))
        most = min(math.inf if c is None else c for c in (left.max_calls, own))
        allowed = max(most, PRICES[price](6)) if first_of_batch and most > 0 else most
        assert step.usage.calls <= allowed
        first_of_batch = first_of_batch and not step.usage.calls
        if left.max_tokens is not None:
            assert step.usage.tokens < left.max_tokens + max(chunk * 12, 1)
        over = (left.max_calls == 0, left.max_tokens == 0, left.deadline == 0.0)
        if any(over) and len(old) > 1:
            assert (step.usage.calls, step.status, new.ids) == (0, "fallback", old.ids)
            names = ["limits.max_calls", "limits.max_tokens", "limits.deadline"]
            spent = [n for n, hit in zip(names, over) if hit] + ([] if own is None else ["max_calls"])
            assert step.notes[0].removeprefix("budget spent: ").partition("=")[0] in spent


def test_a_pipelines_stages_share_a_querys_limits():
    ranking, truth = toy(30)
    limited = type(ranking)(ranking.query, ranking.candidates, (), Limits(max_calls=40))
    stage = Rerank(Oracle(truth), name="first") >> Rerank(Oracle(truth), name="second")
    after = stage(limited)
    assert [s.usage.calls for s in after.trace] == [30, 10]
    assert after.trace[0].notes == ()
    assert after.trace[1].notes == ("budget spent: limits.max_calls=40",)
    assert after.trace[1].status == "partial"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    limits=st.lists(st.tuples(small, small), min_size=1, max_size=3),
    before=st.integers(0, 10),
    groupings=st.lists(st.sampled_from(GROUPINGS[1:]), min_size=2, max_size=3),
    weight=st.floats(-2, 2),
)
def test_fused_stages_share_a_querys_limits(limits, before, groupings, weight):
    sizes, truth, rankings = [18, 1, 9], {}, []
    for i, (calls, tokens) in enumerate(limits):
        ranking, scores = toy(sizes[i], query=f"q{i}")
        truth |= scores
        spent = Step("before", usage=Usage(calls=before))
        rankings.append(type(ranking)(ranking.query, ranking.candidates, (spent,), Limits(None, calls, tokens)))

    def judge(groups):
        return [Judgement(a.scores, Usage(calls=1, prompt_tokens=3)) for a in Oracle(truth)(groups)]

    parts = [Rerank(judge, grouping, chunk=1) for grouping in groupings]
    fused = Fuse((weight * parts[0], *parts[1:]))
    for old, new in zip(rankings, fused.batch(rankings), strict=True):
        assert sorted(new.ids) == sorted(old.ids)
        assert new.limits == old.limits
        assert len(new.trace) == 1 + len(parts)
        usage = new.cost.usage
        if old.limits.max_calls is not None:
            assert usage.calls <= max(old.limits.max_calls, before)
        if old.limits.max_tokens is not None:
            assert usage.tokens < old.limits.max_tokens + 3
        free = fused(type(old)(old.query, old.candidates, old.trace)).cost.usage
        if (old.limits.max_calls or 0) >= free.calls and (old.limits.max_tokens or 0) > free.tokens:
            assert usage == free


def test_a_part_of_a_fusion_gets_what_the_parts_before_have_left():
    ranking, truth = toy(30)
    limited = type(ranking)(ranking.query, ranking.candidates, (), Limits(max_calls=40))
    after = (Rerank(Oracle(truth), name="a") + Rerank(Oracle(truth), name="b") + Rerank(Oracle(truth), name="c"))(
        limited
    )
    assert [s.usage.calls for s in after.trace] == [30, 10, 0]
    assert after.limits == Limits(max_calls=40)


def test_a_stages_own_option_is_named_where_it_is_the_stricter():
    ranking, truth = toy(30)
    limited = type(ranking)(ranking.query, ranking.candidates, (), Limits(max_calls=20))
    after = Rerank(Oracle(truth), max_calls=10)(limited)
    assert (after.cost.usage.calls, after.trace[-1].notes) == (10, ("budget spent: max_calls=10",))


def test_a_deadline_that_has_passed_leaves_the_input_as_it_was():
    ranking, truth = toy(10)
    late = type(ranking)(ranking.query, ranking.candidates, (), Limits(deadline=time.monotonic() - 1.0))
    after = Rerank(Oracle(truth))(late)
    assert (after.ids, after.status, after.cost.usage.calls) == (ranking.ids, "fallback", 0)
    assert after.trace[-1].notes == ("budget spent: limits.deadline",)
