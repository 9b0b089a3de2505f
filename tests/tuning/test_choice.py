"""The choice by few queries: shrunk, honest about its optimism, and without a winner where there is none."""

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.tuning.choice import Contenders, choose, chosen, curve_of
from anyrank.tuning.luck import luck_of

POINTS = np.linspace(0, 1, 21)[:, None]


def world(seed, queries, peak=0.6, height=0.3, noise=0.08):
    """Values of 21 pipelines along one weight: best at ``peak``, each query with a taste of its own."""
    rng = np.random.default_rng(seed)
    tastes = peak + rng.normal(0, 0.3, (queries, 1))
    return 0.5 - height * (POINTS[:, 0] - tastes) ** 2 + rng.normal(0, noise, (queries, 21))


def test_the_choice_goes_farther_from_the_default_the_more_evidence_there_is():
    """The best weight is .8: without evidence about a third of the way to it, half with some, with much nearly all."""
    few, more, many = (
        np.mean(
            [
                POINTS[choose(Contenders(world(s, n, 0.8, 0.3, noise), POINTS, 0), np.random.default_rng(s)), 0]
                for s in range(9)
            ]
        )
        for n, noise in ((5, 0.6), (12, 0.25), (60, 0.05))
    )
    assert few < more < many
    assert many == pytest.approx(0.76, abs=0.05)
    assert few < 0.4


def test_a_choice_is_the_same_for_the_same_seed_and_costs_no_more_than_the_highest_mean():
    gains = []
    for seed in range(25):
        values = world(seed, 300, height=0.05)
        c = Contenders(values[:15], POINTS, 10)
        result = chosen(c, 1, repeats=1, flips=50, curve=False)
        assert result == chosen(c, 1, repeats=1, flips=50, curve=False)
        rest = values[15:].mean(axis=0)
        gains.append(rest[result.chosen] - rest[result.best])
    assert np.mean(gains) > 0


def test_stated_optimism_is_that_of_other_queries():
    stated, true = [], []
    for seed in range(40):
        values = world(seed, 500, height=0.02)
        result = chosen(Contenders(values[:20], POINTS, 0), seed, repeats=1, flips=50, curve=False)
        difference = values - values[:, :1]
        stated.append(result.best_gain.optimism)
        true.append(difference[:20, result.best].mean() - difference[20:, result.best].mean())
    assert np.mean(stated) == pytest.approx(np.mean(true), abs=0.01)


def test_without_a_better_pipeline_there_is_rarely_a_winner():
    rng = np.random.default_rng(0)
    ps = np.array([luck_of(rng.normal(0, 0.1, (20, 60)), seed, flips=200).p for seed in range(200)])
    assert (ps <= 0.05).mean() <= 0.09
    assert (ps <= 0.5).mean() == pytest.approx(0.5, abs=0.12)


def test_equal_pipelines_are_no_contest():
    result = chosen(Contenders(np.full((6, 3), 0.5), POINTS[:3], 1), repeats=1)
    assert (result.chosen, result.winner, result.worth, result.luck.p) == (1, False, False, 1.0)


def test_a_clear_winner_is_one():
    values = world(3, 60, peak=1.0, height=0.6, noise=0.02)
    result = chosen(Contenders(values, POINTS, 0), repeats=1)
    assert result.winner
    assert result.gain.low > 0
    assert [m for m, _ in result.curve] == [15, 30, 45, 60, 80]
    assert result.more >= 0


def test_few_queries_have_no_curve_but_are_enough_for_one_point():
    c = Contenders(world(1, 6), POINTS, 0)
    assert curve_of(c, np.random.default_rng(0), 0.25) == [(6, 0.25), (26, 0.25)]
    with pytest.raises(InputError, match="4 judged queries: at least 5 are needed"):
        Contenders(world(1, 4), POINTS, 0)
    with pytest.raises(InputError, match="values of 21 pipelines, and 2 points"):
        Contenders(world(1, 9), POINTS[:2], 0)
