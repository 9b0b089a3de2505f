"""Losses over pairs of candidates, of which one is labelled higher than the other.

All take scores and labels [batch, n], higher is better, and a mask [batch, n] (True: real); ties make no pair. The
mean is over the pairs of a group, then over the groups with a pair. With d = s_i - s_j for y_i > y_j they differ in
the price of d: log(1 + e^-d) (RankNet and its weighted forms), 1 - sigmoid(d) (softmax), max(0, margin - d) (hinge).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...core.errors import InputError
from .shared import Mean, averaged, better, gaps, ranks, ready, summed


def ranknet(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    mean: Mean = "group",
) -> Tensor:
    """RankNet: mean of log(1 + e^-(s_i - s_j)) over pairs with y_i > y_j (Burges et al., ICML 2005).

    Falls towards 0 as every pair is ordered right. Only the order of the labels matters; ``ranknet_*`` weigh the same
    pairs by labels, ``lambdarank`` by the change in nDCG.

    >>> s = torch.tensor([[2, .5, 1, -1]])
    >>> round(float(ranknet(s, torch.tensor([[1, 2, .5, -1]]))), 6)
    0.560947
    >>> round(float(ranknet(s, torch.tensor([[4, 3, 2, 1]]))), 6)
    0.310947
    """
    s, y, real = ready(scores, labels, mask)
    return averaged(F.softplus(-gaps(s)), better(y, real), mean)


def ranknet_weighted(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    mean: Mean = "group",
) -> Tensor:
    """FIRST's RankNet: a pair weighs 1 / (rank_i + rank_j), ranks by label from 1 (arXiv 2406.15657).

    Mistakes at the top cost more. The mean is over pairs, not over weights; tied labels share their mean rank. (The
    release numbers ranks on through a batch, so that later groups weigh less; here each group begins at 1.)

    >>> round(float(ranknet_weighted(torch.tensor([[2, .5, 1, -1]]), torch.tensor([[1, 2, .5, -1]]))), 6)
    0.156637
    """
    s, y, real = ready(scores, labels, mask)
    rank = ranks(y, real)
    return averaged(F.softplus(-gaps(s)) / (rank[:, :, None] + rank[:, None, :]), better(y, real), mean)


def ranknet_rank_difference(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    mean: Mean = "group",
) -> Tensor:
    """RankNet whose pairs weigh |rank_i - rank_j|, ranks by label: far pairs cost more, on any scale of labels.

    Ours, as the sibling of ``ranknet_difference`` for labels that only give an order; equal to it for the grades
    n … 1.

    >>> round(float(ranknet_rank_difference(torch.tensor([[2, .5, 1, -1]]), torch.tensor([[4, 3, 2, 1]]))), 6)
    0.412922
    """
    s, y, real = ready(scores, labels, mask)
    return averaged(F.softplus(-gaps(s)) * gaps(ranks(y, real)).abs(), better(y, real), mean)


def ranknet_difference(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    mean: Mean = "group",
) -> Tensor:
    """RankNet whose pairs weigh |y_i - y_j| (the "by difference" option of FIRST's release, arXiv 2406.15657).

    >>> round(float(ranknet_difference(torch.tensor([[2, .5, 1, -1]]), torch.tensor([[1, 2, .5, -1]]))), 6)
    0.701828
    """
    s, y, real = ready(scores, labels, mask)
    return averaged(F.softplus(-gaps(s)) * gaps(y).abs(), better(y, real), mean)


def ranknet_squares(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    mean: Mean = "group",
) -> Tensor:
    """RankNet whose pairs weigh |y_i^2 - y_j^2|: the difference of squares, not the square of the difference.

    The "by squared difference" option of FIRST's release (arXiv 2406.15657); for grades from 0 up, of which it weighs
    the high ones more than ``ranknet_difference`` does.

    >>> round(float(ranknet_squares(torch.tensor([[2, .5, 1, -1]]), torch.tensor([[1, 2, .5, -1]]))), 6)
    1.615235
    """
    s, y, real = ready(scores, labels, mask)
    return averaged(F.softplus(-gaps(s)) * gaps(y.square()).abs(), better(y, real), mean)


def pairwise_cross_entropy(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    temperature: float = 0.0,
    mean: Mean = "group",
) -> Tensor:
    """Cross entropy between the softmax over each pair's scores and its target, over pairs with y_i > y_j.

    The target gives i the share p = sigmoid((y_i - y_j) / temperature), RankNet's own soft form (Burges et al., ICML
    2005), useful for teachers' scores; p = 1 for temperature 0, which is ``ranknet``. Its least value, the mean entropy
    of the targets, is at s_i - s_j = (y_i - y_j) / temperature; ``listnet`` does the same over the whole group.

    >>> s, y = torch.tensor([[2., -1.]]), torch.tensor([[1., 0.]])
    >>> round(float(pairwise_cross_entropy(s, y)), 6), round(float(pairwise_cross_entropy(s, y, temperature=1.0)), 6)
    (0.048587, 0.855412)
    """
    s, y, real = ready(scores, labels, mask)
    d = gaps(s)
    share = torch.sigmoid(gaps(y) / temperature) if temperature else torch.ones_like(d)
    return averaged(F.softplus(-d) + (1 - share) * d, better(y, real), mean)


def pairwise_softmax(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    mean: Mean = "group",
) -> Tensor:
    """Mean of 1 - softmax(s_i, s_j)_i = sigmoid(s_j - s_i) over pairs with y_i > y_j.

    The expected share of wrong pairs; the loss of CEDR (arXiv 1904.07094) and OpenNIR. Bounded by 1, so that a pair
    that is far wrong, or wrongly labelled, has a small gradient, unlike in RankNet.

    >>> round(float(pairwise_softmax(torch.tensor([[2., -1.]]), torch.tensor([[1., 0.]]))), 6)
    0.047426
    """
    s, y, real = ready(scores, labels, mask)
    return averaged(torch.sigmoid(-gaps(s)), better(y, real), mean)


def hinge(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    margin: float = 1.0,
    mean: Mean = "group",
) -> Tensor:
    """Mean of max(0, margin - (s_i - s_j)) over pairs with y_i > y_j (Joachims, KDD 2002); 0 once all gaps are wide.

    ``brio`` lets the margin grow with the distance of the pair; ``anchored`` ties the scores to grades too.

    >>> float(hinge(torch.tensor([[1.5, 1., .75]]), torch.tensor([[2, 1, 0]])))
    0.5
    """
    s, y, real = ready(scores, labels, mask)
    return averaged(F.relu(margin - gaps(s)), better(y, real), mean)


def anchored(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    margin: float = 0.1,
    weight: float = 0.7,
    slack: float = 0.01,
) -> Tensor:
    """Human-anchored loss of Baidu's ranker, **summed** over a group's pairs, mean over groups (arXiv 2105.11108).

    Sum over y_i > y_j of max(0, s_j - s_i + margin) + weight * (a(s_i, y_i) + a(s_j, y_j)), where
    a(s, y) = max(0, (s - (y / 5 + .1))^2 - slack) ties a score to its grade: labels 0 … 4 have the targets .1, .3, …
    .9. ``margin`` is our choice (the paper's is not given). 0 if all gaps reach the margin and all scores are within
    sqrt(slack) of their grade; without the anchors it is ``hinge`` summed. Raises InputError for labels outside 0 … 4.

    >>> grades = torch.tensor([[4, 1, 2]])
    >>> float(anchored(torch.tensor([[.9, .4, .55]]), grades)), float(anchored(torch.tensor([[.2, .4, .55]]), grades))
    (0.0, 1.42...)
    """
    s, y, real = ready(scores, labels, mask)
    if bool((real & ((y < 0) | (y > 4))).any()):
        raise InputError(f"labels from {float(y.min()):g} to {float(y.max()):g}: anchors are of grades from 0 to 4")
    off = F.relu((s - (y / 5 + 0.1)).square() - slack)
    return summed(F.relu(margin - gaps(s)) + weight * (off[:, :, None] + off[:, None, :]), better(y, real))
