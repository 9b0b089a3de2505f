"""Groupings: permutations under any judge, the top k with an oracle, call counts."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.groupings import AllPairs, Bubble, Heap, MergeSort, Pointwise, Sliding, Tournament, Uncertain
from anyrank.core.rerank import Rerank
from anyrank.core.types import Ranking
from anyrank.judges.both_orders import BothOrders
from anyrank.testing import Counting, Hostile, Oracle, Scripted, check_grouping, toy

EXACT = [
    Pointwise(), AllPairs(), AllPairs(how="sum"), MergeSort(), Sliding(20, 10), Sliding(100, 100), Sliding(2, 1, 10),
    Sliding(4, 2, 9), Heap(2, 10), Heap(3, 10), Heap(19, 10), Heap(2, 10, pairs=True), Bubble(1, 10), Bubble(3, 10),
    Bubble(19, 10),
]  # fmt: skip


@pytest.mark.parametrize("grouping", EXACT, ids=repr)
def test_contract_with_the_top_ten_right(grouping):
    check_grouping(grouping, top=10)


@pytest.mark.parametrize("grouping", [Tournament(20, 10), Tournament(4, 2), Sliding(3, 2), Heap(3, 1)], ids=repr)
def test_contract_of_the_lossy_ones(grouping):
    check_grouping(grouping, top=1)


groupings = st.one_of(
    st.sampled_from([Pointwise(), AllPairs(), MergeSort()]),
    st.builds(lambda w, s, p: Sliding(max(w, s), s, p), st.integers(2, 30), st.integers(1, 30), st.integers(1, 3)),
    st.builds(Heap, st.integers(2, 20), st.integers(1, 30), st.booleans()),
    st.builds(Bubble, st.integers(1, 20), st.integers(1, 30)),
    st.builds(lambda s: Tournament(s, s // 2), st.integers(2, 30)),
    st.builds(Uncertain, st.integers(2, 20), st.integers(1, 12), st.sampled_from([0.01, 0.1, 0.3]), st.integers(1, 3)),
)


@settings(max_examples=300, deadline=None)
@given(grouping=groupings, sizes=st.lists(st.integers(0, 40), max_size=5), seed=st.integers(0, 10**6))
def test_any_grouping_with_a_hostile_judge_returns_a_permutation_and_the_same_alone(grouping, sizes, seed):
    rankings = [toy(n, seed, f"q{i}")[0] for i, n in enumerate(sizes)]
    stage = Rerank(Hostile(seed), grouping)
    for before, after in zip(rankings, stage.batch(rankings), strict=True):
        assert sorted(after.ids) == sorted(before.ids)
        alone = stage(before)
        assert alone.ids == after.ids
        assert alone.cost.usage == after.cost.usage


@settings(max_examples=100, deadline=None)
@given(grouping=groupings, n=st.integers(0, 40))
def test_constant_scores_keep_the_order(grouping, n):
    ranking, truth = toy(n)
    after = Rerank(Oracle(dict.fromkeys(truth, 0.5)), grouping)(ranking)
    assert after.ids == ranking.ids


def counted(grouping, order, both=False):
    """(calls, whether the top 10 is right) for 100 candidates that stand in ``order`` (0 is the best)."""
    judge = Counting(Oracle({str(i): -float(i) for i in range(100)}))
    ids = [str(i) for i in order]
    after = Rerank(BothOrders(judge) if both else judge, grouping)(Ranking.of("q", ids, ids))
    return judge.groups, after.ids[:10] == [str(i) for i in range(10)]


BEST = list(range(100))
SHUFFLED = random.Random(1).sample(BEST, 100)


@pytest.mark.parametrize(
    ("grouping", "best", "worst"), [(Heap(19, 10), 19, 25), (Heap(3, 10), 69, 83), (Heap(2, 10), 102, 147)], ids=str
)
def test_heap_sort_costs_what_its_reference_costs(grouping, best, worst):
    """Reference counts of setwise heap sort for n=100, k=10 on best-first and worst-first inputs."""
    assert counted(grouping, BEST) == (best, True)
    assert counted(grouping, BEST[::-1]) == (worst, True)


@pytest.mark.parametrize(("children", "calls"), [(19, (15, 54, 51)), (3, (42, 317, 303)), (2, (59, 475, 464))])
def test_bubble_sort_costs_what_its_reference_costs(children, calls):
    """Reference counts of setwise bubble sort for n=100, k=10 on best-first, worst-first and shuffled inputs. On the
    first the reference asks about empty windows; here as many windows hold candidates that no one has compared."""
    shuffled = list(range(1, 101))
    random.Random(1).shuffle(shuffled)  # gains, as the reference's own input
    for order, count in zip((BEST, BEST[::-1], [100 - gain for gain in shuffled]), calls, strict=True):
        assert counted(Bubble(children, 10), order) == (count, True)


def full_passes(gains, children, k):
    """Bubble sort without shortcuts: (order, windows)."""
    order, windows = list(range(len(gains))), 0
    for done in range(min(k, len(order))):
        end = len(order)
        while end - done > 1:
            start = max(done, end - children - 1)
            best = max(range(start, end), key=lambda i: gains[order[i]])
            order[start], order[best] = order[best], order[start]
            end, windows = start + 1, windows + 1
    return order, windows


@settings(max_examples=500, deadline=None)
@given(
    gains=st.lists(st.integers(0, 25), max_size=25),
    children=st.integers(1, 7),
    k=st.integers(1, 12),
    swaps=st.sampled_from([None, 0, 1, 3]),
    seed=st.integers(0, 10**6),
)
def test_bubble_sort_leaves_out_no_window_that_matters(gains, children, k, swaps, seed):
    """Nearly sorted inputs too, where most windows are left out. No window is empty or of one."""
    rng = random.Random(seed)
    if swaps is not None and len(gains) > 1:
        gains.sort(reverse=True)
        for _ in range(swaps):
            i, j = rng.sample(range(len(gains)), 2)
            gains[i], gains[j] = gains[j], gains[i]
    plan, windows = Bubble(children, k)(len(gains)), 0
    try:
        asked = next(plan)
        while True:
            assert all(len(window) > 1 for window in asked)
            windows += len(asked)
            asked = plan.send([[float(gains[i]) for i in window] for window in asked])
    except StopIteration as end:
        order = end.value
    expected, most = full_passes(gains, children, k)
    assert order == expected
    assert windows <= most


@pytest.mark.parametrize(
    ("grouping", "calls"),
    [(AllPairs(), 9900), (Sliding(2, 1, 10), 945), (Sliding(20, 10), 9), (Sliding(100, 100), 1), (Pointwise(), 100)],
    ids=str,
)
def test_fixed_costs(grouping, calls):
    assert counted(grouping, SHUFFLED) == (calls, True)


def test_pairs_asked_in_both_orders_cost_two_calls():
    assert counted(Sliding(2, 1, 10), SHUFFLED, both=True) == (1890, True)
    assert counted(Sliding(2, 1, 1), BEST, both=True)[0] == 198


def test_lockstep_needs_far_fewer_batches():
    rankings = [toy(100, query=f"q{i}") for i in range(13)]
    judge = Counting(Oracle({k: v for _, t in rankings for k, v in t.items()}))
    Rerank(judge, Heap(19, 10)).batch([r for r, _ in rankings])
    together = judge.batches
    judge.batches = 0
    for ranking, _ in rankings:
        Rerank(judge, Heap(19, 10))(ranking)
    assert together * 8 < judge.batches


def test_tournament_loses_the_surplus_of_one_group():
    """Twelve best in one group of twenty, ten go on: the last two fall behind, and nothing else is lost."""
    best_together = [g + 5 * place for g in range(5) for place in range(20)]  # dealt out by fives
    ids = [""] * 100
    for rank, place in enumerate(best_together):
        ids[place] = str(rank)
    after = Rerank(Oracle({str(i): -float(i) for i in range(100)}), Tournament(20, 10))(Ranking.of("q", ids, ids))
    assert after.ids[:10] == [str(i) for i in range(10)]
    assert after.ids[10:12] != ["10", "11"]


@pytest.mark.parametrize("how", ["sum", "wins"])
def test_one_unread_pair_does_not_sink_its_members(how):
    ranking, truth = toy(8)
    best = sorted(ranking.ids, key=lambda i: -truth[i])

    def judge(query, members):
        ids = [c.id for c in members]
        return [math.nan] * 2 if ids == best[:2] else [truth[i] for i in ids]

    after = Rerank(Scripted(judge), AllPairs(how))(ranking)
    assert after.ids == best
    assert after.status == "partial"


def test_passes_of_pairs_that_do_not_carry_upward_settle_no_place():
    plan = Sliding(2, 2, passes=2)(4)
    asked = [list(next(plan)[0])]
    for _ in range(3):
        asked.append(list(plan.send([[1.0, 0.0]])[0]))
    assert asked == [[2, 3], [0, 1], [2, 3], [0, 1]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sliding(1),
        lambda: Sliding(5, 6),
        lambda: Sliding(5, 0),
        lambda: Sliding(5, 5, 0),
        lambda: Heap(1),
        lambda: Heap(3, 0),
        lambda: Bubble(0),
        lambda: Tournament(1),
        lambda: Tournament(10, 6),
        lambda: AllPairs(how="most"),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(InputError):
        make()


def test_only_uncertain_candidates_are_judged_again():
    """An input that is nearly right costs few groups, and far fewer candidates are judged than stand in it; of one that
    is in no order those that stood high keep some of their credit."""
    judge = Scripted(lambda _, members: [-float(c.id) for c in members])
    ids = [str(i) for i in BEST]
    after = Rerank(judge, Uncertain(20, 10))(Ranking.of("q", ids, ids))
    assert after.ids[:20] == ids[:20]
    assert len(judge.log) <= 6
    assert len({i for group in judge.log for i in group}) < 80
    assert max(sum(i in group for group in judge.log) for i in ids) <= 4
    with pytest.raises(InputError, match="most=0: must be at least 1"):
        Uncertain(most=0)
