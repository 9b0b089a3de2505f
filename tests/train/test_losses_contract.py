"""Every loss of the table keeps the contract, and the suite catches losses that don't."""

import math
from functools import partial

import pytest

pytest.importorskip("torch")
import torch

from anyrank.core.errors import InputError
from anyrank.testing import check_loss
from anyrank.train.losses import LOSSES, brio, in_batch, infonce, per_group, ranklist
from anyrank.train.losses.shared import averaged, better, ready

F = torch.nn.functional


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_keeps_the_contract(name):
    check_loss(LOSSES[name], grades=(0, 1) if name == "binary_cross_entropy" else (0, 1, 2, 3))


@pytest.mark.parametrize(
    "loss",
    [
        partial(LOSSES["binary_cross_entropy"], threshold=1),
        partial(ranklist, exact=True),
        partial(ranklist, skips=1),
        partial(ranklist, skips=2, margin=1.0, weights=[1.0, 0.25]),
        partial(brio, margin=0.5),
        partial(infonce, temperature=0.05),
        partial(LOSSES["adaptive_margin"], temperature=0.05, scale=0.3, near=0.5),
        partial(LOSSES["approx_ndcg"], temperature=0.1),
        partial(LOSSES["adr_mse"], discount="reciprocal"),
        partial(LOSSES["kl_distillation"], temperature=2.0, teacher_temperature=0.5),
        partial(LOSSES["pairwise_cross_entropy"], temperature=1.0),
    ],
    ids=lambda loss: f"{loss.func.__name__} {loss.keywords}",
)
def test_parameters_keep_it_too(loss):
    check_loss(loss)


def plain(s, y, m):
    return averaged(F.softplus(s[:, None, :] - s[:, :, None]), better(y, m))


def unmasked(scores, labels, mask=None):
    return plain(scores, labels, torch.ones_like(scores, dtype=torch.bool))


def over_all_pairs(scores, labels, mask=None):
    s, y, real = ready(scores, labels, mask)
    pairs = better(y, real)
    return F.softplus(s[:, None, :] - s[:, :, None]).masked_fill(~pairs, 0).sum() / pairs.sum().clamp(min=1)


def naive(scores, labels, mask=None):
    s, y, real = ready(scores, labels, mask)
    return averaged(-torch.log(torch.sigmoid(s[:, :, None] - s[:, None, :])), better(y, real))


def first_is_best(scores, labels, mask=None):
    s, _, real = ready(scores, labels, mask)
    return averaged(F.softplus(s - s[:, :1]), real)


def rising(scores, labels, mask=None):
    return -LOSSES["ranknet"](scores, labels, mask)


def constant(scores, labels, mask=None):
    return LOSSES["ranknet"](scores.detach(), labels, mask)


@pytest.mark.parametrize(
    ("loss", "complaint"),
    [
        (unmasked, "padding|the loss is nan"),
        (over_all_pairs, "its groups"),
        (naive, "(the loss|the gradient) is .*(inf|nan)"),
        (first_is_best, "shuffled"),
        (rising, "part a misplaced pair"),
        (constant, "no gradient"),
        (lambda s, y, m=None: s.sum(1), "scalar"),
    ],
)
def test_the_suite_catches(loss, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_loss(loss)


def test_shapes_that_disagree_are_named():
    with pytest.raises(ValueError, match=r"scores \[2, 3\], labels \[2, 2\]"):
        LOSSES["ranknet"](torch.zeros(2, 3), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"\[1, n\]"):
        LOSSES["mse"](torch.zeros(3), torch.zeros(3))


def test_labels_out_of_range_and_unknown_discounts_are_named():
    with pytest.raises(InputError, match="from 0 to 2"):
        LOSSES["binary_cross_entropy"](torch.zeros(1, 2), torch.tensor([[0, 2]]))
    with pytest.raises(InputError, match="cube"):
        LOSSES["adr_mse"](torch.zeros(1, 2), torch.tensor([[0, 1]]), discount="cube")


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"binary_cross_entropy", "mse", "smooth_l1", "anchored"}))
def test_a_group_of_one_is_zero(name):
    scores = torch.tensor([[3.0]], requires_grad=True)
    loss = LOSSES[name](scores, torch.tensor([[0.0]]))
    loss.backward()
    assert loss == 0
    assert scores.grad.tolist() == [[0.0]]


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"binary_cross_entropy"}))
def test_half_precision_scores_train(name):
    scores = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.bfloat16, requires_grad=True)
    loss = LOSSES[name](scores, torch.tensor([[0, 2, 1]]))
    loss.backward()
    assert loss.dtype == torch.float32
    assert scores.grad.dtype == torch.bfloat16
    assert scores.grad.any()


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"anchored", "binary_cross_entropy"}))  # these look at labels
def test_every_tensor_is_made_where_the_scores_are(name):
    loss = LOSSES[name](torch.empty(2, 4, device="meta"), torch.empty(2, 4, device="meta"))
    assert loss.device.type == "meta"


@pytest.mark.parametrize(
    "name", ["ranknet", "hinge", "listmle", "ranklist", "pairwise_softmax", "infonce", "lambdarank"]
)
def test_ranking_losses_forget_the_offset(name):
    s, y = torch.randn(3, 5, dtype=torch.float64), torch.tensor([[0, 1, 2, 0, 1]]).expand(3, -1)
    assert float(LOSSES[name](s, y)) == pytest.approx(float(LOSSES[name](s + 7, y)))


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"anchored", "mse", "smooth_l1", "binary_cross_entropy"}))
def test_training_scores_puts_them_in_order(name):
    y = torch.tensor([[2.0, 0.0, 3.0, 1.0]])
    two = name in {"infonce", "adaptive_margin", "margin_mse"}  # these only part the best, or the positives
    s = torch.tensor([[-0.3, 0.4, -0.5, 0.2]], requires_grad=True)
    step = torch.optim.Adam([s], lr=0.1)
    for _ in range(150):
        step.zero_grad()
        LOSSES[name](s, y).backward()
        step.step()
    wanted = [2, 0, 3, 1]
    found = s.argsort(dim=1, descending=True)[0].tolist()
    assert (found[-1] == 1 if name == "infonce" else found[0] == 2) if two else found == wanted


def test_in_batch_masks_and_per_group_slices():
    labels, mask = in_batch(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[True, False], [True, True]]))
    assert mask.tolist() == [[True, False, True, True]] * 2
    scores = torch.tensor([[2.0, 99.0, 1.0, 0.0], [0.0, 99.0, 3.0, 1.0]])
    one = math.log(1 + math.exp(-1) + math.exp(-2))
    two = math.log(1 + math.exp(-3) + math.exp(-2))
    assert float(infonce(scores, labels, mask)) == pytest.approx((one + two) / 2)
    assert per_group(infonce, scores, labels, mask).tolist() == pytest.approx([one, two])
