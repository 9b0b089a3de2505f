"""Rewards of answers, against the values measured of the papers' own programs."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyrank.train.rewards import advantages, exact_match, form_reward, order_reward, rank_reward, token_loss


def answer(ids, think="<think>why</think>"):
    return f"{think}<answer>{ids}</answer>"


@pytest.mark.parametrize(
    ("ids", "relevant", "form", "rank"),
    [
        ([2, 1, 3, 4, 5], {2}, 1.0, 1.0),
        ([2, 1, 3, 4, 5], {2, 3}, 1.0, 0.9218107),
        ([1, 2, 3, 4, 5], {2}, 1.0, 0.125),
        ([1, 2, 3, 4, 5], {2, 3}, 1.0, 0.1440329),
        ([2, 9], {2}, 0.2, 1.0),
        ([3, 2, 1], {3}, 0.6, 1.0),
        ([2, 1, 3, 4, 5, 5, 5], {2}, 0.6, 1.0),
    ],
)
def test_mm_r5s_rewards(ids, relevant, form, rank):
    """The values of the authors' program for five pages."""
    positions = {i - 1 for i in relevant}
    assert form_reward(answer(ids), 5) == pytest.approx(form)
    assert order_reward(answer(ids), 5, positions) == pytest.approx(rank, abs=1e-7)
    # without a thought the form counts nothing, the order as before
    assert form_reward(answer(ids, ""), 5) == 0
    assert order_reward(answer(ids, ""), 5, positions) == pytest.approx(rank, abs=1e-7)


def test_an_answer_that_cannot_be_read_earns_nothing():
    for text in ("", "<think>[1] is best", "no documents", "<think></think><answer></answer>"):
        assert order_reward(text, 3, {0}) == 0
        assert form_reward(text, 3) == 0
        assert exact_match(text, "[1]") == 0
    assert form_reward(answer([*range(1, 12)]), 5) == 0  # more than twice as many labels as documents


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        ("<think>a</think><answer>[2]</answer>", 1.0),
        ("<think>a\nb</think>\n\n<answer>[2]</answer> and more", 1.0),
        ("<THINK>a</THINK> <Answer>[2]</Answer>", 1.0),
        ("<think>a</think><answer>[1]</answer>", 0.0),
        ("<think>a</think><answer> [2]</answer>", 0.0),
        ("<think>a</think><answer>[2] is best</answer>", 0.0),
        ("<think>a</think> so <answer>[2]</answer>", 0.0),
        ("<answer>[2]</answer>", 0.0),
    ],
)
def test_rank_r1s_reward_is_for_the_label_to_the_letter(text, reward):
    assert exact_match(text, "[2]") == reward


@given(st.permutations(range(6)), st.sets(st.integers(0, 5), min_size=1))
def test_the_best_order_earns_one_and_no_other_more(order, relevant):
    best = [*relevant, *(i for i in range(6) if i not in relevant)]
    assert rank_reward(best, relevant) == pytest.approx(1.0)
    assert 0 < rank_reward(order, relevant) <= 1 + 1e-12


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12))
def test_advantages_are_torchs(rewards):
    r = torch.tensor(rewards, dtype=torch.float64)
    assert advantages(rewards) == pytest.approx(((r - r.mean()) / (r.std() + 1e-4)).tolist(), abs=1e-6)


@given(st.floats(-3, 0), st.floats(-3, 0), st.floats(-2, 2), st.floats(-3, 0))
def test_the_loss_of_a_token_is_bounded_on_the_side_that_pays(now, before, advantage, start):
    loss = token_loss(now, before, advantage)
    assert loss >= -1.2 * max(advantage, 0) - 1e-9 or advantage < 0
    with_kl = token_loss(now, before, advantage, beta=0.5, start=start)
    assert with_kl >= loss - 1e-12
    assert token_loss(now, now, advantage, beta=0.5, start=now) == pytest.approx(-advantage)
    assert math.isfinite(with_kl)
