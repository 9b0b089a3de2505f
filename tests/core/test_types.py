"""Values: rankings are permutations with falling scores; steps add up and tell the truth."""

import math
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.trace import Step, Usage, total
from anyrank.core.types import Candidate, Query, Ranking, strict

anything = st.floats(allow_nan=True, allow_infinity=True)


@given(scores=st.lists(anything, max_size=12))
@example([math.inf, -sys.float_info.max])
@example([-sys.float_info.max, math.nan, math.nan])
def test_scored_is_a_permutation_with_finite_falling_scores(scores):
    before = Ranking.of("q", range(len(scores)))
    after = before.scored(scores)
    assert sorted(after.ids) == sorted(before.ids)
    assert all(map(math.isfinite, after.scores))
    assert all(a >= b for a, b in zip(after.scores, after.scores[1:]))
    kept = [scores[int(i)] for i in after.ids if math.isfinite(scores[int(i)])]
    assert kept == after.scores[: len(kept)]


@given(n=st.integers(0, 8), order=st.lists(st.integers(-3, 12), max_size=12))
def test_ordered_is_a_permutation_whatever_the_order_says(n, order):
    before = Ranking.of("q", range(n))
    after = before.ordered(order)
    said = [str(i) for i in dict.fromkeys(order) if 0 <= i < n]
    assert after.ids == said + [i for i in before.ids if i not in said]
    assert after.scores == [float(n - r) for r in range(n)]


def test_ordered_with_scores_keeps_them():
    after = Ranking.of("q", "abc").ordered({2: 0.9, 0: 0.4})
    assert list(zip(after.ids, after.scores)) == [("2", 0.9), ("0", 0.4), ("1", -0.6)]


@given(st.lists(st.floats(-1e30, 1e30), max_size=20))
def test_strict_scores_fall_in_single_precision_and_keep_the_order(scores):
    fixed = np.asarray(strict(sorted(scores, reverse=True)), dtype=np.float32)
    assert np.all(fixed[:-1] > fixed[1:])


def test_repeated_ids_and_wrong_lengths_are_named():
    with pytest.raises(InputError, match="'a' appears twice in the ranking of query 'q'"):
        Ranking(Query("q"), (Candidate("a"), Candidate("b"), Candidate("a")))
    with pytest.raises(InputError, match="2 ids for 3 documents"):
        Ranking.of("q", "abc", ["1", "2"])
    with pytest.raises(InputError, match="1 scores for 3 candidates"):
        Ranking.of("q", "abc").scored([1.0])


def test_slices_keep_query_and_trace():
    r = Ranking.of("q", "abc").with_step(Step("first", 0.5))
    assert (r[:2].ids, r[:2].trace, r[:2].query) == (["0", "1"], r.trace, r.query)
    assert r[1].content == "b"


def test_usage_adds_up_and_status_tells_the_worst():
    a = Step("a", 1.0, Usage(calls=2, prompt_tokens=5, repairs={"repeat": 1}))
    b = Step("b", 0.5, Usage(calls=1, completion_tokens=3, fallback=4), ("why",))
    c = Step("c", 0.5, Usage(fallback=2))
    assert [s.status for s in (a, b, c, Step("d"))] == ["repaired", "partial", "fallback", "ok"]
    everything = total([a, b, c])
    assert everything.seconds == 2.0
    assert everything.usage == Usage(3, 5, 3, fallback=6, repairs={"repeat": 1})
    assert everything.notes == ("why",)
    assert Ranking(Query("q"), (), (a, c)).status == "fallback"
    assert c.as_dict()["status"] == "fallback"
    assert a.usage.repaired == 1
    assert a.usage.tokens == 5


def test_a_plain_order_scores_n_to_one():
    assert Ranking.of("q", "abc").ordered([2, 0]).scores == [3.0, 2.0, 1.0]
