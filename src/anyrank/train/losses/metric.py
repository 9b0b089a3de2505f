"""Losses that follow a measure: nDCG, or the ranks themselves.

A rank has no gradient. Three ways round that: weigh each pair by the change if it were swapped (LambdaLoss,
LambdaRank), make the ranks smooth (ApproxNDCG, ADR-MSE), or the permutation (NeuralNDCG). Gains are 2^y - 1 with labels
below 0 taken as 0, so labels must be grades (0, 1, 2, …), not teachers' scores of any size, except for ``adr_mse``,
which sees their order only.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...core.errors import InputError
from .shared import LOW, Mean, averaged, better, gaps, order, over_groups, ranks, ready, soft_ranks


def lambda_loss(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    k: int = 0,
    sigma: float = 1.0,
    mean: Mean = "group",
) -> Tensor:
    """LambdaLoss, NDCG-Loss2: mean over pairs of |G_i - G_j| |1/D(d) - 1/D(d+1)| log2(1 + e^-sigma(s_i - s_j)).

    Pairs have y_i > y_j; d = |p_i - p_j| is the distance of their current ranks by score, D(d) = log2(1 + d), G a gain
    over the ideal DCG. Wang et al., CIKM 2018; as in FIRST's release (arXiv 2406.15657) in bits, and the mean over the
    pairs of a group, then over groups. Ranks are constants in the gradient; of tied scores the worst label comes first.
    With ``k`` only pairs whose ranks are both at most k count, and the ideal DCG is that of the first k (allRank;
    0: all). Labels are grades; ``lambdarank`` and ``ndcg_loss2pp`` discount differently.

    >>> s = torch.tensor([[2, .5, 1, -1]])
    >>> round(float(lambda_loss(s, torch.tensor([[1, 2, .5, -1]]))), 6)
    0.105007
    >>> round(float(lambda_loss(s, torch.tensor([[4, 3, 2, 1]]))), 6)
    0.04013
    """
    s, y, real = ready(scores, labels, mask)
    rank = _ranks_by_score(s, y, real)
    return _lambda(s, y, real, rank, _by_distance(rank), k, sigma, mean)


def lambdarank(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    k: int = 0,
    sigma: float = 1.0,
    mean: Mean = "group",
) -> Tensor:
    """LambdaRank: ``ranknet`` (in bits) with each pair weighed by |delta nDCG|, the change if the two were swapped.

    Mean over pairs y_i > y_j of |G_i - G_j| |1/D(p_i) - 1/D(p_j)| log2(1 + e^-sigma(s_i - s_j)), p the current ranks by
    score, then over groups (Burges et al., NIPS 2006; written as a loss by Wang et al., CIKM 2018). ``lambda_loss``
    discounts by the distance of the ranks instead. ``k`` and ``sigma`` are its own.

    >>> round(float(lambdarank(torch.tensor([[1., 0.]]), torch.tensor([[0, 1]]))), 6)
    0.699254
    """
    s, y, real = ready(scores, labels, mask)
    rank = _ranks_by_score(s, y, real)
    return _lambda(s, y, real, rank, _by_rank(rank), k, sigma, mean)


def ndcg_loss2pp(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    k: int = 0,
    sigma: float = 1.0,
    mu: float = 10.0,
    mean: Mean = "group",
) -> Tensor:
    """NDCG-Loss2++: pairs weighed as in ``lambdarank`` plus ``mu`` times as in ``lambda_loss`` (Wang et al., CIKM
    2018). The former alone is loose where ranks are far apart, the latter alone forgets the top.

    ``mu`` is the paper's choice; ``k`` and ``sigma`` are those of ``lambda_loss``. allRank's ``lambdaLoss`` with its
    scheme ndcgLoss2PP and the mean over all pairs is this with ``mean`` "pair".

    >>> s, y = torch.tensor([[2, .5, 1, -1]]), torch.tensor([[1, 2, 0, 0]])
    >>> round(float(ndcg_loss2pp(s, y)), 6), round(float(ndcg_loss2pp(s, y, k=2)), 6)
    (1.663203, 0.505319)
    """
    s, y, real = ready(scores, labels, mask)
    rank = _ranks_by_score(s, y, real)
    return _lambda(s, y, real, rank, _by_rank(rank) + mu * _by_distance(rank), k, sigma, mean)


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
    mean: Mean = "group",
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
    return averaged((soft_ranks(s, real, temperature) - gold).square() * discounts[discount], real, mean)


def neural_ndcg(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    temperature: float = 1.0,
    k: int = 0,
    transposed: bool = False,
    iterations: int = 50,
) -> Tensor:
    """NeuralNDCG: 1 - nDCG of gains put in order by a soft permutation (Pobrotyn and Bialobrzeski, arXiv 2102.07831).

    The permutation is NeuralSort's (arXiv 1903.08850): row i is the softmax over j of
    ((n + 1 - 2i) s_j - sum_l |s_j - s_l|) / temperature; ``iterations`` of Sinkhorn's scaling make its columns sum to
    1 too. Gains 2^y - 1 times its rows are discounted by rank; with ``transposed``, its columns times the discounts
    weigh the gains (the paper's NeuralNDCG^T). ``k`` cuts nDCG (0: no cut). Mean over groups with a label above 0;
    labels are grades. A lower temperature is nearer to nDCG and flatter; ``approx_ndcg`` smooths the ranks instead.
    allRank's ``neuralNDCG``, which is negative, plus 1; it stops scaling sooner, at sums within 1e-6 of 1.

    >>> round(float(neural_ndcg(torch.tensor([[0., 0.]]), torch.tensor([[1, 0]]))), 6)
    0.184535
    >>> round(float(neural_ndcg(torch.tensor([[30., 0.]]), torch.tensor([[1, 0]]))), 6)
    0.0
    """
    s, y, real = ready(scores, labels, mask)
    numbers = torch.arange(1, 1 + s.shape[1], device=s.device).to(s)
    within = numbers <= (k or s.shape[1])
    discounts = torch.where(within, 1 / torch.log2(1 + numbers), 0)
    gain, ideal = _gains(y, real, k)
    soft = _doubly_stochastic(_neural_sort(s, real, temperature), iterations)  # [batch, rank, candidate]
    if transposed:
        dcg = ((soft * discounts[:, None]).sum(1) * gain).sum(1)
    else:
        dcg = ((soft @ gain[:, :, None])[:, :, 0] * discounts).sum(1)
    return over_groups(1 - dcg / ideal.clamp(min=1e-10), ideal > 0)


def _neural_sort(scores: Tensor, real: Tensor, temperature: float) -> Tensor:
    """NeuralSort's relaxed permutation [batch, rank, candidate]: each row a distribution over the real candidates. Rows
    past their number have ones in the padding, so that rows and columns of padding can be scaled too."""
    size = real.sum(1, keepdim=True)
    # a shift of all scores changes nothing but the digits that are left for their differences
    scores = (scores - scores.sum(1, keepdim=True) / size.clamp(min=1)).masked_fill(~real, 0)
    numbers = torch.arange(1, 1 + scores.shape[1], device=scores.device)
    pull = (size + 1 - 2 * numbers).to(scores)  # from n - 1 for the best rank down to 1 - n
    spread = gaps(scores).abs().masked_fill(~real[:, None, :], 0).sum(2)
    logits = (pull[:, :, None] * scores[:, None, :] - spread[:, None, :]) / temperature
    rows = F.softmax(logits.masked_fill(~real[:, None, :], LOW), 2)
    ranked = (numbers <= size)[:, :, None]
    return torch.where(ranked & real[:, None, :], rows, (~ranked & ~real[:, None, :]).to(rows))


def _doubly_stochastic(matrix: Tensor, iterations: int) -> Tensor:
    """Sinkhorn's scaling: columns and rows divided by their sums in turn. The number of rounds is fixed, so that a
    group's result doesn't depend on the rest of its batch."""
    for _ in range(iterations):
        matrix = matrix / matrix.sum(1, keepdim=True).clamp(min=1e-10)
        matrix = matrix / matrix.sum(2, keepdim=True).clamp(min=1e-10)
    return matrix


def _gains(labels: Tensor, real: Tensor, k: int = 0) -> tuple[Tensor, Tensor]:
    """Gains 2^y - 1 [batch, n], and the ideal DCG [batch] of the first ``k`` (0: all)."""
    gain = (2 ** labels.clamp(min=0) - 1).masked_fill(~real, 0)
    positions = torch.arange(1, 1 + labels.shape[1], device=labels.device).to(gain)
    terms = gain.sort(1, descending=True).values / torch.log2(1 + positions)
    return gain, terms[:, : k or None].sum(1)


def _ranks_by_score(scores: Tensor, labels: Tensor, real: Tensor) -> Tensor:
    """Ranks [batch, n] from 1 by falling score; of equal scores the lowest label comes first."""
    indices = order(scores, -labels, real)
    numbers = torch.arange(1, 1 + scores.shape[1], device=scores.device).expand_as(indices)
    return torch.empty_like(scores).scatter(1, indices, numbers.to(scores))


def _by_distance(rank: Tensor) -> Tensor:
    """NDCG-Loss2's weights of pairs, by the distance of their ranks."""
    apart = gaps(rank).abs().clamp(min=1)
    return 1 / torch.log2(1 + apart) - 1 / torch.log2(2 + apart)


def _by_rank(rank: Tensor) -> Tensor:
    """LambdaRank's weights of pairs: the difference of their ranks' discounts."""
    return gaps(1 / torch.log2(1 + rank)).abs()


def _lambda(
    scores: Tensor, labels: Tensor, real: Tensor, rank: Tensor, discounts: Tensor, k: int, sigma: float, mean: Mean
) -> Tensor:
    gain, ideal = _gains(labels, real, k)
    weights = gaps(gain / ideal.clamp(min=1e-10)[:, None]).abs() * discounts
    pairs = better(labels, real)
    if k:
        top = rank <= k
        pairs = pairs & top[:, :, None] & top[:, None, :]
    return averaged(weights * F.softplus(-sigma * gaps(scores)) / math.log(2.0), pairs, mean)
