"""The golden weights of the curricula specification, and what every curriculum must keep."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.train.curriculum import (
    DIFFICULTIES,
    Curriculum,
    batch_mean,
    group_weight,
    kde,
    norm,
    pairwise,
    per_sample,
    pointwise,
    recip,
    schedule,
)
from anyrank.train.group import Group

RUN = [12, 9, 8.5, 3, 1]
EPOCHS = (0, 5, 10, 20)
numbers = st.floats(-100, 100)


def test_golden_difficulties():
    assert norm(RUN).tolist() == pytest.approx([1, 0.727273, 0.681818, 0.181818, 0], abs=1e-6)
    assert kde(RUN).tolist() == pytest.approx([0.834135, 0.639937, 0.604972, 0.262634, 0.158323], abs=1e-6)
    assert recip(RUN).tolist() == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]


def test_golden_weights_through_the_epochs():
    h = recip(RUN)
    pair = pairwise(h[1], h[3])
    assert [schedule(pair, e).item() for e in EPOCHS] == pytest.approx([0.625, 0.71875, 0.8125, 1], abs=1e-7)
    positive, negative = pointwise(h[[1, 3]], [True, False])
    assert [schedule(positive, e).item() for e in EPOCHS] == pytest.approx([0.5, 0.625, 0.75, 1], abs=1e-7)
    assert [schedule(negative, e).item() for e in EPOCHS] == pytest.approx([0.75, 0.8125, 0.875, 1], abs=1e-7)


@settings(deadline=None)
@given(st.lists(numbers, min_size=2, max_size=30, unique=True))
def test_kde_is_scipys(run):
    stats = pytest.importorskip("scipy.stats")
    if np.std(run) < 1e-3:
        return
    theirs = stats.gaussian_kde(run)
    asked = [*run, 0.0, 200.0]
    assert kde(asked, run).tolist() == pytest.approx([theirs.integrate_box_1d(-np.inf, s) for s in asked], abs=1e-9)


@pytest.mark.parametrize("difficulty", DIFFICULTIES.values())
@given(run=st.lists(numbers, min_size=1, max_size=20))
def test_easiness_is_a_share_that_rises_with_the_score(difficulty, run):
    h = difficulty(run, None)
    assert ((h >= 0) & (h <= 1)).all()
    assert (np.diff(h[np.argsort(run)]) >= -1e-12).all()
    assert difficulty(run[:1], run).tolist() == pytest.approx(h[:1].tolist())


@pytest.mark.parametrize(("difficulty", "unlisted", "alike"), [(recip, 0.001, 1.0), (norm, 0, 0.5), (kde, 0, 0.5)])
def test_unlisted_candidates_and_runs_that_do_not_vary(difficulty, unlisted, alike):
    assert difficulty([math.nan, 9], RUN)[0] == unlisted
    assert difficulty([3, 3, 3], None).tolist() == [alike] * 3
    assert difficulty([math.nan, 3], None).tolist() == [unlisted, alike]
    assert difficulty([math.nan], None).tolist() == [unlisted]


@given(st.floats(0, 1), st.integers(1, 40))
def test_weights_rise_to_one_and_stay(weight, end):
    through = [schedule(weight, e, end).item() for e in range(end + 3)]
    assert through == sorted(through)
    assert through[0] == weight
    assert through[end:] == [1.0, 1.0, 1.0]  # exactly, so that training is then plain training
    assert schedule(weight, 7, 0) == weight


def test_after_the_end_the_loss_is_the_plain_loss():
    weights = schedule(pairwise([0.1, 0.9], [0.7, 0.2]), 20)
    assert batch_mean(0.1 + 0.2, weights) == 0.1 + 0.2
    assert per_sample([0.1, 0.2], weights) == (0.1 + 0.2) / 2


def test_the_two_forms_differ_only_where_weights_do():
    assert batch_mean(2.0, [0.5, 1.0]) == 1.5
    assert per_sample([4.0, 0.0], [0.5, 1.0]) == 1.0
    assert per_sample([4.0, 0.0], [0.75, 0.75]) == batch_mean(2.0, [0.75, 0.75])
    with pytest.raises(ValueError, match="2 losses but 1 weights"):
        per_sample([1.0, 2.0], [1.0])


def test_the_anti_curriculum_is_the_rest_to_one():
    for weights in (
        lambda anti: pairwise([0.5, 0.2], [0.25, 0.9], anti=anti),
        lambda anti: pointwise([0.3], [1], anti=anti),
    ):
        assert weights(False) + weights(True) == pytest.approx(1 + 2e-8, abs=1e-12)
        assert (weights(True) > 0).all()


def test_weights_are_never_zero():
    assert pairwise([0.0], [1.0]).tolist() == [1e-8]
    assert pointwise([0.0], [True]).tolist() == [1e-8]


def test_a_group_weighs_by_its_hardest_negative_for_each_positive():
    assert group_weight((1, 0, 0), (9, 3, 1), difficulty=recip, run=RUN) == pytest.approx(0.625)
    assert group_weight((1, 0, 0), (9, 12, 1), difficulty=recip, run=RUN) == pytest.approx(0.25)
    both = group_weight((1, 0, 2), (9, 3, 12), difficulty=recip, run=RUN)
    assert both == pytest.approx((0.625 + 0.875) / 2)
    assert group_weight((1, 0), (9, 3), difficulty=recip, run=RUN, form="pointwise") == pytest.approx(0.625)
    assert group_weight((1, 0), (9, 3), difficulty=recip, run=RUN, anti=True) == pytest.approx(0.375)
    assert group_weight((0, 0), (9, 3)) == group_weight((1, 1), (9, 3)) == 1.0
    assert group_weight((3, 1), (9, 3), threshold=1) == pytest.approx(1.0)


def test_tensors_keep_their_gradient():
    torch = pytest.importorskip("torch")
    losses = torch.tensor([4.0, 2.0], requires_grad=True)
    loss = per_sample(losses, [0.5, 1.0]) + batch_mean(losses.mean(), [0.5, 1.0])
    loss.backward()
    assert loss.item() == pytest.approx(2 + 2.25)
    assert losses.grad.tolist() == [0.25 + 0.375, 0.5 + 0.375]


def test_a_curriculum_weighs_groups_by_their_priors_or_their_full_run():
    groups = [
        Group.from_texts("q", ("a", "b"), (1, 0), "1", priors=(9, 3)),
        Group.from_texts("p", ("a", "b"), (0, 1), "2", priors=(9, 3)),
    ]
    alone, full = Curriculum("recip", end=10), Curriculum("recip", end=10, runs={"1": RUN, "2": RUN})
    assert alone(groups, 0) == pytest.approx([0.75, 0.25])
    assert full(groups, 0) == pytest.approx([0.625, 0.375])
    assert full(groups, 5) == pytest.approx([0.8125, 0.6875])
    assert full(groups, 10) == [1.0, 1.0]
    assert Curriculum("recip", anti=True, end=0)(groups, 99) == pytest.approx([0.25, 0.75])
    assert alone([], 0) == []


def test_a_curriculum_names_what_it_lacks():
    with pytest.raises(InputError, match="query '7' has no priors"):
        Curriculum()([Group.from_texts("q", ("a",), (1,), "7")], 0)
    with pytest.raises(InputError, match="no difficulty 'rank'; known are recip, norm, kde"):
        Curriculum("rank")
