"""A judge whose server is dead or hangs is not called for ever; one that fails now and then is."""

import math

import pytest

from anyrank.core import outage as outages
from anyrank.core.groupings import Heap, Pointwise, Sliding
from anyrank.core.language import Completion
from anyrank.core.outage import NEVER_SERVED, SERVED_BEFORE, Outage
from anyrank.core.rerank import Rerank
from anyrank.core.trace import UNREACHABLE, Usage
from anyrank.core.types import Judgement
from anyrank.papers import load
from anyrank.testing import Oracle, toy

DEAD = Usage(calls=1, repairs={UNREACHABLE: 1})


class Server:
    """A judge over a server that answers the groups of the given numbers (counted from 0) and none of the others."""

    def __init__(self, truth, lives, raises=None):
        self.truth, self.lives, self.raises, self.groups = truth, lives, raises, 0

    def __call__(self, groups):
        judgements = []
        for _, members in groups:
            self.groups += 1
            if self.lives(self.groups - 1):
                judgements.append(Judgement([self.truth[c.id] for c in members]))
            elif self.raises:
                raise self.raises
            else:
                judgements.append(Judgement([math.nan] * len(members), DEAD, "TimeoutError: no whole answer"))
        return judgements


@pytest.mark.parametrize("grouping", [Heap(3, 10), Sliding(2, 1, 5), Heap(2, 10, pairs=True)])
@pytest.mark.parametrize("raises", [None, ConnectionError("refused"), TimeoutError("late")])
def test_a_server_that_never_answered_is_left_alone_after_two_failures(grouping, raises):
    ranking, truth = toy(40)
    server = Server(truth, lambda n: False, raises)
    after = Rerank(server, grouping)(ranking)
    assert server.groups == NEVER_SERVED
    assert (after.ids, after.status) == (ranking.ids, "fallback")
    assert any("not called any more after 2 failures in a row" in note for note in after.cost.notes)
    assert after.trace[-1].failed  # so that a job tries it again


def test_a_dead_server_is_not_called_for_the_next_batch_of_a_job():
    made = [toy(20, query=f"q{i}") for i in range(12)]
    server = Server({}, lambda n: False)
    stage = Rerank(server, Heap(3, 5))
    for start in range(0, 12, 4):
        stage.batch([ranking for ranking, _ in made[start : start + 4]])
    assert server.groups == 4  # the first round of the first batch


def test_a_server_that_dies_on_the_way_keeps_what_it_answered():
    ranking, truth = toy(60)
    server = Server(truth, lambda n: n < 10)
    after = Rerank(server, Sliding(4, 2))(ranking)
    assert server.groups == 10 + SERVED_BEFORE
    assert after.status == "partial"
    assert after.ids != ranking.ids
    assert sorted(after.ids) == sorted(ranking.ids)


@pytest.mark.parametrize("lost", [0, 1, 5])
@pytest.mark.parametrize("raises", [None, ConnectionError("reset"), TimeoutError("late")])
def test_one_failed_prompt_is_no_dead_server(lost, raises):
    ranking, truth = toy(12)
    server = Server(truth, lambda n: n != lost, raises)
    after = Rerank(server, Sliding(2, 1, 3))(ranking)
    assert after.cost.usage.fallback == 1
    assert after.status == "partial"


def test_a_batch_in_which_one_of_many_was_answered_shows_a_living_server():
    ranking, truth = toy(30)
    server = Server(truth, lambda n: n == 29)
    stage = Rerank(server, Pointwise())
    assert stage(ranking).cost.usage.fallback == 29
    assert stage(ranking).cost.usage.calls == 30
    assert server.groups == 60


def test_other_errors_are_no_outage():
    """A refused prompt, an unreadable answer and a bug come from a server that lives."""
    ranking, _ = toy(30)

    def refused(groups):
        usage = Usage(calls=1, repairs={"no answer": 1})
        return [Judgement([math.nan] * len(m), usage) for _, m in groups]

    assert Rerank(refused, Sliding(4, 2))(ranking).cost.usage.calls == 14
    calls = []

    def broken(groups):
        calls.append(len(groups))
        raise RuntimeError("a bug")

    Rerank(broken, Sliding(4, 2))(ranking)
    assert len(calls) == 14


def test_a_dead_model_beside_a_living_one_costs_nothing_of_its_success():
    ranking, truth = toy(20)
    dead, alive = Rerank(Server(truth, lambda n: False), Heap(3, 20)), Rerank(Oracle(truth))
    after = (dead + alive)(ranking)
    assert after.ids[:5] == sorted(ranking.ids, key=lambda i: -truth[i])[:5] or after.status == "fallback"
    assert set(after.ids) == set(ranking.ids)
    assert [step.status for step in after.trace] == ["fallback", "ok"]
    assert (dead >> alive)(ranking).ids == sorted(ranking.ids, key=lambda i: -truth[i])


def test_after_a_pause_a_server_is_called_again(monkeypatch):
    ranking, truth = toy(10)
    now = [0.0]
    monkeypatch.setattr("anyrank.core.rerank.time.monotonic", lambda: now[0])
    lives = [False]
    stage = Rerank(Server(truth, lambda n: lives[0]), Heap(3, 10))
    assert stage(ranking).status == "fallback"
    lives[0] = True
    assert stage(ranking).status == "fallback"
    now[0] = outages.PAUSE + 1
    assert stage(ranking).ids == sorted(ranking.ids, key=lambda i: -truth[i])


def test_an_outage_is_neither_shown_nor_compared():
    ranking, truth = toy(3)
    judge = Oracle(truth)
    used, fresh = Rerank(judge), Rerank(judge)
    used(ranking)
    assert used == fresh
    assert "utage" not in repr(used)
    assert used.outage != Outage()


@pytest.mark.parametrize("name", ["setwise", "rankgpt", "prp", "rank_r1", "lrl", "tournament"])
def test_methods_of_the_literature_leave_a_dead_model_alone(name):
    class Dead:
        calls = 0

        def generate(self, prompts, **settings):
            self.calls += len(prompts)
            return [Completion("", DEAD, "error", "ConnectionRefusedError: refused") for _ in prompts]

    model, (ranking, _) = Dead(), toy(90)
    after = load(name).build(model)(ranking)
    assert (after.ids, after.status) == (ranking.ids, "fallback")
    assert model.calls <= 10  # a first round side by side, or a few calls one after another
