"""The driver: budgets, fallbacks, what the trace says."""

import math
import time
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest

from anyrank.core.errors import InputError, JudgeError, ModelError
from anyrank.core.groupings import Heap, Pointwise, Sliding, Tournament
from anyrank.core.rerank import Rerank
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Judgement, Ranking
from anyrank.judges.both_orders import BothOrders
from anyrank.testing import Hostile, Oracle, Scripted, check_stage, toy


def test_pointwise_scores_become_the_rankings_scores():
    after = Rerank(Scripted(lambda q, m: [len(c.content) for c in m]))(Ranking.of("q", ["a", "abc", "ab"]))
    assert list(zip(after.ids, after.scores)) == [("1", 3.0), ("2", 2.0), ("0", 1.0)]
    assert after.status == "ok"
    assert after.cost.usage == Usage(calls=3)


def test_depth_reranks_the_head_and_keeps_the_tail():
    ranking, truth = toy(30)
    after = Rerank(Oracle(truth), depth=10)(ranking)
    assert after.ids[10:] == ranking.ids[10:]
    assert after.ids[:10] == sorted(ranking.ids[:10], key=lambda i: -truth[i])
    assert after.scores == sorted(after.scores, reverse=True)
    assert after.cost.usage.calls == 10


def test_a_call_budget_ends_the_judging_and_says_so():
    ranking, truth = toy(30)
    after = Rerank(Oracle(truth), max_calls=12)(ranking)
    assert after.cost.usage.calls == 12
    assert after.cost.usage.fallback == 18
    assert after.status == "partial"
    assert after.trace[-1].notes == ("budget spent: max_calls=12",)
    assert after.ids[12:] == ranking.ids[12:]
    heap = Rerank(Oracle(truth), Heap(3, 10), max_calls=5)(ranking)
    assert heap.cost.usage.calls == 5
    assert sorted(heap.ids) == sorted(ranking.ids)


def test_a_budget_is_each_querys_own():
    made = [toy(n, query=f"q{n}") for n in (5, 20)]
    stage = Rerank(Oracle({k: v for _, t in made for k, v in t.items()}), max_calls=8)
    short, long = stage.batch([r for r, _ in made])
    assert (short.status, long.status) == ("ok", "partial")
    assert (short.cost.usage.calls, long.cost.usage.calls) == (5, 8)


def test_a_token_budget_is_overspent_by_at_most_one_sub_batch():
    ranking, _ = toy(40)

    def judge(groups):
        return [Judgement([1.0] * len(m), Usage(calls=1, prompt_tokens=10)) for _, m in groups]

    after = Rerank(judge, max_tokens=100, chunk=4)(ranking)
    assert 100 <= after.cost.usage.tokens < 140
    assert "max_tokens=100" in after.trace[-1].notes[0]


class Dear:
    """A judge that makes ``price(members)`` calls a group."""

    def __init__(self, price, truth):
        self.price, self.inner, self.batches = price, Oracle(truth), 0

    def __call__(self, groups):
        self.batches += 1
        said = self.inner(groups)
        return [replace(j, usage=Usage(calls=self.price(m))) for j, (_, m) in zip(said, groups)]


PRICES = {"one": lambda m: 1, "each member": len, "three": lambda m: 3, "pairs": lambda m: len(m) * (len(m) - 1)}


@pytest.mark.parametrize("price", PRICES)
@pytest.mark.parametrize("grouping", [Pointwise(), Sliding(5, 2), Heap(3, 4), Heap(2, 4, pairs=True), Tournament(6, 3)])
@pytest.mark.parametrize("limit", [1, 2, 7, 20, 41])
def test_a_call_budget_counts_the_calls_that_a_judge_makes(price, grouping, limit):
    """No query spends more, but by the first group of the batch, whose price no one knows."""
    made = [toy(n, query=f"q{n}") for n in (30, 1, 17)]
    judge = Dear(PRICES[price], {k: v for _, t in made for k, v in t.items()})
    after = Rerank(judge, grouping, max_calls=limit).batch([r for r, _ in made])
    full = Rerank(judge, grouping).batch([r for r, _ in made])
    for i, (r, whole) in enumerate(zip(after, full)):
        calls, needed = r.cost.usage.calls, whole.cost.usage.calls
        first = PRICES[price](range(grouping.size if hasattr(grouping, "size") else 4)) if i == 0 else 0
        assert calls <= max(limit, first)
        assert (r.status == "ok") == (needed <= limit or (i == 0 and needed == calls))
        if r.status == "ok":
            assert r.ids == whole.ids
        elif calls:
            assert r.trace[-1].notes == (f"budget spent: max_calls={limit}",)


@pytest.mark.parametrize(("price", "calls"), [("one", 20), ("each member", 20), ("three", 18)])
def test_a_call_budget_is_used_up_as_far_as_whole_groups_go(price, calls):
    ranking, truth = toy(60)
    assert Rerank(Dear(PRICES[price], truth), Pointwise(), max_calls=20)(ranking).cost.usage.calls == calls


def test_a_call_budget_counts_both_orders_and_leaves_free_answers_out():
    ranking, truth = toy(30)
    assert Rerank(BothOrders(Oracle(truth)), Sliding(2, 1, 3), max_calls=21)(ranking).cost.usage.calls == 20
    free = Dear(PRICES["one"], truth)

    def cached(groups):
        return [replace(j, usage=Usage(cached=1)) for j in free(groups)]

    after = Rerank(cached, Pointwise(), max_calls=2)(ranking)
    assert (after.status, after.cost.usage.cached) == ("ok", 30)


def test_a_call_budget_keeps_batches_together():
    """One group alone, to learn what a group takes; then all that the budget holds."""
    ranking, truth = toy(60)
    judge = Dear(PRICES["one"], truth)
    Rerank(judge, Pointwise(), max_calls=50)(ranking)
    assert judge.batches == 2


def test_a_time_budget_ends_a_slow_judge():
    ranking, _ = toy(40)

    def slow(groups):
        time.sleep(0.02)
        return [Judgement([1.0] * len(m)) for _, m in groups]

    after = Rerank(slow, max_seconds=0.05, chunk=1)(ranking)
    assert 1 <= after.cost.usage.calls < 40
    assert after.ids == ranking.ids
    assert after.status == "partial"


def test_every_query_of_a_batch_has_milliseconds_of_its_own(monkeypatch):
    clock = [0.0]
    now = SimpleNamespace(perf_counter=lambda: clock[0], monotonic=lambda: clock[0])
    monkeypatch.setattr("anyrank.core.rerank.time", now)
    sizes = []

    def judge(groups):  # 10 ms for every member
        sizes.append(sum(len(m) for _, m in groups))
        clock[0] += 0.01 * sizes[-1]
        return [Judgement([1.0] * len(m), Usage(calls=1)) for _, m in groups]

    rankings = [toy(30, seed)[0] for seed in range(3)]
    after = Rerank(judge, max_ms=55).batch(rankings)
    assert [r.cost.usage.calls for r in after] == [5, 5, 5]
    assert all(r.trace[-1].notes == ("budget spent: max_ms=55",) for r in after)
    assert [round(r.trace[-1].seconds, 6) for r in after] == [0.05] * 3
    assert sizes[0] == 4  # a few, that show the pace
    assert [r.ids for r in after] == [r.ids for r in rankings]
    assert [r.cost.usage.calls for r in Rerank(judge, max_ms=1).batch(rankings)] == [4, 1, 1]  # never none
    assert [r.status for r in Rerank(judge, max_ms=1000).batch(rankings)] == ["ok"] * 3


def test_one_poisoned_document_costs_only_itself():
    ranking, truth = toy(32)
    bad = ranking.ids[7]

    def judge(groups):
        if any(c.id == bad for _, m in groups for c in m):
            raise RuntimeError("cannot read this one")
        return Oracle(truth)(groups)

    after = Rerank(judge)(ranking)
    assert after.ids[-1] == bad
    assert after.ids[:-1] == sorted((i for i in ranking.ids if i != bad), key=lambda i: -truth[i])
    assert after.cost.usage.fallback == 1
    assert after.trace[-1].notes == ("RuntimeError: cannot read this one",)
    with pytest.raises(RuntimeError, match="cannot read"):
        Rerank(judge, strict=True)(ranking)


def test_a_dead_judge_passes_the_input_through_with_bounded_effort():
    calls = []

    def dead(groups):
        calls.append(len(groups))
        raise ConnectionError("refused")

    ranking, _ = toy(1000)
    after = Rerank(dead)(ranking)
    assert after.ids == ranking.ids
    assert after.status == "fallback"
    assert len(calls) < 200


def test_errors_that_no_fallback_can_mend_are_raised():
    def judge(groups):
        raise ModelError("no such model")

    with pytest.raises(ModelError):
        Rerank(judge)(toy(3)[0])


def test_wrong_number_of_judgements():
    ranking, truth = toy(4)
    after = Rerank(lambda groups: Oracle(truth)(groups)[:-1])(ranking)
    assert after.ids == ranking.ids
    assert after.status == "fallback"
    with pytest.raises(JudgeError, match="3 judgements for 4 groups"):
        Rerank(lambda groups: Oracle(truth)(groups)[:-1], strict=True)(ranking)


class Unruly:
    """An object of a client library whose every use raises."""

    def __init__(self, error):
        self.error = error

    def __float__(self):
        raise self.error

    __str__ = __repr__ = __float__


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("not even a text")


BROKEN = {
    "a number too large": lambda: Judgement([10**400, 1.0]),
    "no usage": lambda: Judgement([1.0, 2.0], None),
    "a usage of another kind": lambda: Judgement([1.0, 2.0], {"calls": 1}),
    "a count that is text": lambda: Judgement([1.0, 2.0], Usage(calls="1")),
    "a negative count": lambda: Judgement([1.0, 2.0], Usage(calls=-5)),
    "a count that is NaN": lambda: Judgement([1.0, 2.0], Usage(prompt_tokens=math.nan)),
    "repairs of another kind": lambda: Judgement([1.0, 2.0], Usage(repairs={"repeat": None})),
    "repairs that are no mapping": lambda: Judgement([1.0, 2.0], Usage(repairs=3)),
    "a score that raises": lambda: Judgement([Unruly(RuntimeError("no")), 1.0]),
    "a score that raises an error without text": lambda: Judgement([Unruly(Mute()), 1.0]),
    "a note that raises": lambda: Judgement([1.0, 2.0], Usage(calls=1), Unruly(RuntimeError("no"))),
    "scores that raise": lambda: Judgement(1 / 0 for _ in "ab"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("budget", [{}, {"max_calls": 50}, {"max_tokens": 1000}])
def test_a_broken_judgement_costs_its_own_group_only(fault, budget):
    def judge(groups):
        return [BROKEN[fault]() if q.content == "bad" else Judgement([1.0, 2.0]) for q, _ in groups]

    rankings = [Ranking.of(q, ["a", "b"]) for q in ("good", "bad", "good")]
    before, bad, after = Rerank(judge, Sliding(2, 1), **budget).batch(rankings)
    assert (before.ids, before.status) == (after.ids, after.status) == (["1", "0"], "ok")
    assert (bad.ids, bad.status) == (["0", "1"], "fallback")
    assert bad.cost.notes[0].startswith("unreadable judgement: ")


def test_a_note_that_is_no_text_is_made_one():
    after = Rerank(lambda groups: [Judgement([1.0], note=["why"]) for _ in groups])(Ranking.of("q", ["a"]))
    assert after.cost.notes == ("['why']",)


def test_unread_members_go_behind_and_are_counted():
    def judge(groups):
        return [Judgement([math.nan if c.id == "1" else 1.0 for c in m]) for _, m in groups]

    after = Rerank(judge, Sliding(10, 5))(Ranking.of("q", "abcd"))
    assert after.ids == ["0", "2", "3", "1"]
    assert after.status == "repaired"
    assert after.cost.usage.repairs == {"not a number": 1}


def test_a_judges_note_reaches_the_trace():
    def judge(groups):
        return [Judgement([math.nan] * len(m), Usage(calls=1), "HTTP 401: no such key") for _, m in groups]

    after = Rerank(judge, Sliding(2, 1))(Ranking.of("q", ["a", "b"]))
    assert (after.status, after.cost.notes) == ("fallback", ("HTTP 401: no such key",))
    pair = Rerank(BothOrders(judge), Sliding(2, 1))(Ranking.of("q", ["a", "b"]))
    assert (pair.status, pair.cost.notes) == ("fallback", ("HTTP 401: no such key",))


def test_a_pair_with_one_unread_order_is_a_tie_and_counted():
    def judge(query, members):
        return [math.nan] * 2 if members[0].id == "1" else [1.0, 0.0]

    after = Rerank(BothOrders(Scripted(judge)), Sliding(2, 1))(Ranking.of("q", ["a", "b"]))
    assert (after.ids, after.status, after.cost.usage.repairs) == (["0", "1"], "partial", {"unread pair": 1})


def test_a_spent_budget_is_known_by_a_flag_and_not_by_a_word():
    """A job is done where a budget is spent, and tries again where a server failed, whatever the server says."""

    def judge(groups):
        return [Judgement([math.nan] * len(m), Usage(calls=1), "HTTP 429: budget spent") for _, m in groups]

    ranking, truth = toy(9)
    server = Rerank(judge)(ranking).trace[-1]
    spent = Rerank(Oracle(truth), max_calls=3)(ranking).trace[-1]
    both = Rerank(judge, max_calls=3)(ranking).trace[-1]
    none = Rerank(Oracle(truth))(ranking).trace[-1]
    assert [step.failed for step in (server, spent, both, none)] == [True, False, True, False]
    assert (spent.refused, both.refused) == (6, 6)


def test_a_note_says_how_many_texts_were_cut():
    judge = lambda groups: [Judgement([1.0], Usage(calls=1, truncated=int(m[0].id != "b"))) for _, m in groups]  # noqa: E731
    after = Rerank(judge)(Ranking.of("q", "abc", "abc"))
    assert after.status == "ok"
    assert after.cost.notes == ("2 texts of 3 candidates were cut to the model's length: passages(…) reads them whole",)


def test_a_pair_is_won_only_in_both_orders():
    def first(query, members):  # prefers whatever stands first
        return [1.0, 0.0]

    assert BothOrders(Scripted(first))([(None, [Candidate("a"), Candidate("b")])])[0].scores == [0.0, 0.0]
    wins = BothOrders(Scripted(lambda q, m: [float(c.id == "b") for c in m]))
    said = wins([(None, [Candidate("a"), Candidate("b")])])[0]
    assert (said.scores, said.usage.calls) == ([0.0, 1.0], 2)


def test_a_pair_read_in_neither_order_is_not_judged():
    """In one order it is a tie, which is partial; in none it is a group that nobody judged."""

    def reads(orders):
        def judge(groups):
            return [Judgement([1.0, 0.0] if m[0].id in orders else [math.nan] * 2) for _, m in groups]

        return Rerank(BothOrders(judge), Sliding(2, 1))(Ranking.of("q", ["a", "b"]))

    assert [(r.status, r.ids) for r in map(reads, ("", "0", "1"))] == [
        ("fallback", ["0", "1"]),
        ("partial", ["0", "1"]),
        ("partial", ["0", "1"]),
    ]
    assert reads("").cost.usage == Usage(calls=2, fallback=1)


def test_bad_budgets_and_bad_groupings_are_refused():
    with pytest.raises(InputError, match="max_calls=0"):
        Rerank(Oracle({}), max_calls=0)

    def doubled(n):
        yield [[0, 0]]
        return []

    with pytest.raises(InputError, match="distinct indices"):
        Rerank(Oracle({}), doubled)(toy(3)[0])


@pytest.mark.parametrize("budget", [{}, {"max_calls": 7}, {"max_tokens": 3, "chunk": 2}, {"depth": 5}])
def test_stage_contract_under_hostility(budget):
    rankings = [toy(n, query=f"q{n}")[0] for n in (0, 1, 2, 30)]
    for grouping in (Pointwise(), Sliding(5, 2), Heap(3, 4)):
        check_stage(Rerank(Hostile(3), grouping, **budget), rankings)


@pytest.mark.parametrize("grouping", [Heap(3, 10), Heap(2, 10, pairs=True), Sliding(4, 2), Pointwise()], ids=repr)
def test_where_nothing_is_scored_the_input_stands(grouping):
    """A sort by ties alone may move candidates: a heap does."""
    ranking, _ = toy(30)
    after = Rerank(Scripted(lambda q, m: [math.nan] * len(m)), grouping)(ranking)
    assert (after.ids, after.scores) == (ranking.ids, ranking.scores)
    assert after.cost.usage.fallback == after.cost.usage.calls > 0


def test_scores_fall_below_the_depth_too():
    """Programs that sort a run by score keep the tail's order only if no two of its scores are equal."""
    ranking, truth = toy(12)
    scores = Rerank(Oracle(truth), depth=4)(ranking).scores
    assert all(a > b for a, b in pairwise(scores[3:]))
    assert scores[4:] == [scores[3] - 1.0 - i for i in range(8)]


def test_a_batchs_time_is_shared_among_its_groups(monkeypatch):
    """The seconds of a batch's queries add up to the time that the judge took, however many were judged together."""
    now = [0.0]
    monkeypatch.setattr("anyrank.core.rerank.time.perf_counter", lambda: now[0])

    def judge(groups):
        now[0] += 6.0
        return [Judgement([1.0] * len(m)) for _, m in groups]

    rankings = [Ranking.of("a", "xy"), Ranking.of("b", "xyzw")]
    assert [r.cost.seconds for r in Rerank(judge).batch(rankings)] == [pytest.approx(2.0), pytest.approx(4.0)]
