"""Losses that follow a measure: nDCG, or the ranks themselves.

A rank has no gradient. Two ways round that: weigh each pair by the change if it were swapped (LambdaLoss, LambdaRank),
or make the ranks smooth (ApproxNDCG, ADR-MSE). Gains are 2^y - 1 with labels below 0 taken as 0, so labels must be
grades (0, 1, 2, …), not teachers' scores of any size, except for ``adr_mse``, which sees their order only.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...core.errors import InputError
from .shared import averaged, better, gaps, order, over_groups, ranks, ready, soft_ranks


def lambda_loss(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """LambdaLoss, NDCG-Loss2: mean over pairs y_i > y_j of |G_i - G_j| |1/D(k) - 1/D(k+1)| log2(1 + e^-(s_i - s_j)).

    k = |p_i - p_j| is the distance of the pair's current ranks by score, D(k) = log2(1 + k), G a gain over the ideal
    DCG. Wang et al., CIKM 2018; as in FIRST's release (arXiv 2406.15657): bits, and the mean over pairs of a group,
    then over groups. Ranks are constants in the gradient; of tied scores the worst label comes first.

    >>> s = torch.tensor([[2, .5, 1, -1]])
    >>> round(float(lambda_loss(s, torch.tensor([[1, 2, .5, -1]]))), 6)
    0.105007
    >>> round(float(lambda_loss(s, torch.tensor([[4, 3, 2, 1]]))), 6)
    0.04013
    """
    s, y, real = ready(scores, labels, mask)
    apart = gaps(_ranks_by_score(s, y, real)).abs()
    return _lambda(s, y, real, 1 / torch.log2(1 + apart.clamp(min=1)) - 1 / torch.log2(2 + apart.clamp(min=1)))


def lambdarank(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """LambdaRank: ``ranknet`` (in bits) with each pair weighed by |delta nDCG|, the change if the two were swapped.

    Mean over pairs y_i > y_j of |G_i - G_j| |1/D(p_i) - 1/D(p_j)| log2(1 + e^-(s_i - s_j)), p the current ranks by
    score, then over groups (Burges et al., NIPS 2006; written as a loss by Wang et al., CIKM 2018). ``lambda_loss``
    discounts by the distance of the ranks instead.

    >>> round(float(lambdarank(torch.tensor([[1., 0.]]), torch.tensor([[0, 1]]))), 6)
    0.699254
    """
    s, y, real = ready(scores, labels, mask)
    return _lambda(s, y, real, gaps(1 / torch.log2(1 + _ranks_by_score(s, y, real))).abs())


def approx_ndcg(scores: Tensor, labels: Tensor, mask: Tensor | None = None, *, temperature: float = 1.0) -> Tensor:
    """ApproxNDCG: 1 - nDCG at smooth ranks 1 + sum_j sigmoid((s_j - s_i) / temperature) (Qin, Liu & Li, 2010).

    Mean over groups with a label above 0. Falls towards 0 as the order is right and the gaps grow; a lower
    temperature is nearer to nDCG and flatter (the default is our choice).

    >>> round(float(approx_ndcg(torch.tensor([[0., 0.]]), torch.tensor([[1, 0]]))), 6)
    0.243529
    """
    s, y, real = ready(scores, labels, mask)
    gain, ideal = _gains(y, real)
    dcg = (gain / torch.log2(1 + soft_ranks(s, real, temperature))).sum(1)
    return over_groups(1 - dcg / ideal.clamp(min=1e-10), ideal > 0)


def adr_mse(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    temperature: float = 1.0,
    discount: Literal["log2", "reciprocal", "none"] = "log2",
) -> Tensor:
    """ADR-MSE: squared error of smooth ranks against the teacher's, discounted by the latter (arXiv 2405.07920).

    Mean over candidates of (r_i - R_i)^2 / log2(1 + R_i), then over groups; R is the rank by label (ties share the
    mean of theirs), r = 1 + sum_j sigmoid((s_j - s_i) / temperature). Rank-DistiLLM's loss as its public
    implementation; ``discount`` may be 1/R ("reciprocal") or none. Falls towards 0 as the order is right and
    the gaps grow. (FIRST's release has a loss of this name that never reads the labels: not this one.)

    >>> round(float(adr_mse(torch.tensor([[0., 0.]]), torch.tensor([[1, 0]]))), 6)
    0.203866
    """
    s, y, real = ready(scores, labels, mask)
    gold = ranks(y, real)
    discounts = {"log2": 1 / torch.log2(1 + gold), "reciprocal": 1 / gold, "none": torch.ones_like(gold)}
    if discount not in discounts:
        raise InputError(f"discount={discount!r}: choose one of {', '.join(discounts)}")
    return averaged((soft_ranks(s, real, temperature) - gold).square() * discounts[discount], real)


def _gains(labels: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Gains 2^y - 1 [batch, n], and the ideal DCG [batch]."""
    gain = (2 ** labels.clamp(min=0) - 1).masked_fill(~real, 0)
    positions = torch.arange(1, 1 + labels.shape[1], device=labels.device)
    return gain, (gain.sort(1, descending=True).values / torch.log2(1 + positions)).sum(1)


def _ranks_by_score(scores: Tensor, labels: Tensor, real: Tensor) -> Tensor:
    """Ranks [batch, n] from 1 by falling score; of equal scores the lowest label comes first."""
    indices = order(scores, -labels, real)
    numbers = torch.arange(1, 1 + scores.shape[1], device=scores.device).expand_as(indices)
    return torch.empty_like(scores).scatter(1, indices, numbers.to(scores))


def _lambda(scores: Tensor, labels: Tensor, real: Tensor, discounts: Tensor) -> Tensor:
    gain, ideal = _gains(labels, real)
    weights = gaps(gain / ideal.clamp(min=1e-10)[:, None]).abs() * discounts
    return averaged(weights * F.softplus(-gaps(scores)) / torch.log(scores.new_tensor(2.0)), better(labels, real))
