"""Losses over whole groups as lists: the order of all candidates at once.

ListNet compares two distributions over the candidates, ListMLE is the likelihood of the gold order, RankList a
RankNet over neighbours in the gold order, BRIO a hinge whose margin grows along it. Ties in the labels are never
compared; if an order among them is needed, they are sorted by falling score, so that the order of input never matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...core.errors import InputError
from .shared import LOW, averaged, better, gaps, log_softmax, order, over_groups, ranks, ready, summed


def listnet(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """ListNet (top one): -sum_i softmax(y)_i log softmax(s)_i, mean over groups of two or more (Cao et al., ICML 2007).

    Its least value, at s = y + c, is the entropy of softmax(y), not 0: ``kl_distillation`` is this less that entropy,
    and takes temperatures. The release of FIRST takes a label of exactly -1 for padding; to reproduce that, mask it:

    >>> s, y = torch.tensor([[2, .5, 1, -1]]), torch.tensor([[1, 2, .5, -1]])
    >>> round(float(listnet(s, y, y != -1)), 6), round(float(listnet(s, y)), 6)
    (1.547411, 1.636391)
    """
    s, y, real = ready(scores, labels, mask)
    value = -(log_softmax(y, real).exp() * log_softmax(s, real)).sum(1)
    return over_groups(value, real.sum(1) > 1)


def listmle(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """ListMLE: -log of the Plackett-Luce likelihood of the gold order, mean over groups (Xia et al., ICML 2008).

    Sum over i of log sum_j e^s_j - s_i, where j runs over i itself and all labelled lower. Candidates of one label are
    not compared (ours: the paper has no ties), so that with two grades it is the sum of ``infonce``'s terms and for
    two candidates ``ranknet``. Falls towards 0.

    >>> round(float(listmle(torch.tensor([[3., 2., 1.]]), torch.tensor([[3, 2, 1]]))), 6)
    0.720868
    """
    s, y, real = ready(scores, labels, mask)
    below = better(y, real)
    rest = torch.logsumexp(s[:, None, :].expand_as(below).masked_fill(~below, LOW), 2)
    return summed(F.softplus(rest - s), below.any(2))


def plistmle(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    weight: Literal["power", "log2", "reciprocal"] = "power",
) -> Tensor:
    """p-ListMLE: ``listmle`` whose terms weigh more at the top, mean over groups (Lan et al., UAI 2014).

    Sum over ranks i of the gold order of w(i) (log sum_j e^s_j - s_i), j over i itself and all labelled lower. w is the
    paper's 2^(n - i) - 1 ("power"), which doubles with each text of a group: for long lists 1 / log2(1 + i) or 1 / i.
    Candidates of one label share the mean of their ranks and are not compared, as in ``listmle``. Falls towards 0; for
    two candidates, "power", it is ``ranknet``. Raises InputError for "power" and groups of more than 100.

    >>> round(float(plistmle(torch.tensor([[3., 2., 1.]]), torch.tensor([[3, 2, 1]]))), 6)
    1.53608
    """
    s, y, real = ready(scores, labels, mask)
    rank = ranks(y, real)
    if weight == "power" and s.shape[1] > 100:
        raise InputError(f"{s.shape[1]} texts: 2^(n - i) - 1 leaves no digits to rank by: give weight: log2")
    size = real.sum(1, keepdim=True)
    weights = {"power": 2.0 ** (size - rank) - 1, "log2": 1 / torch.log2(1 + rank), "reciprocal": 1 / rank}
    if weight not in weights:
        raise InputError(f"weight={weight!r}: choose one of {', '.join(weights)}")
    below = better(y, real)
    rest = torch.logsumexp(s[:, None, :].expand_as(below).masked_fill(~below, LOW), 2)
    return summed(weights[weight] * F.softplus(rest - s), below.any(2))


def ranklist(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    skips: int | None = None,
    margin: float = 0.0,
    weights: Sequence[float] | None = None,
    exact: bool = False,
    grow: int = 0,
    epoch: float = 0.0,
) -> Tensor:
    """RankList: RankNet from each candidate to its next ``skips`` in the gold order, summed, mean over groups.

    **Derived by us** from the abstract of arXiv 2508.09826, whose formula we have not seen. With the candidates sorted
    by label and d_ik = s_i+k - s_i: ``exact`` is sum_i sum_k w_k log(1 + e^d_ik); otherwise, without the cross
    terms, sum_i log(1 + sum_k w_k e^d_ik), one log-sum-exp an anchor i. Pairs count if y_i - y_i+k >= ``margin``
    (and is not 0); ``weights`` w_1, w_2, … are 1 unless given, and then the second form is at most the first, the two
    agree for one skip, all skips (None), exact, are the sum of ``ranknet``'s terms, and two candidates are ``ranknet``.
    With ``grow`` a group's skips follow ``skip_schedule`` over so many epochs instead; a training passes the ``epoch``.

    >>> s, y = torch.tensor([[3., 2., 1., 0.]]), torch.tensor([[3, 2, 1, 0]])
    >>> round(float(ranklist(s, y)), 3), round(float(ranklist(s, y, exact=True)), 3)
    (1.161, 1.242)
    """
    s, y, real, skip = _by_gold(scores, labels, mask)
    n = s.shape[1]
    by_skip = [1.0] * n if weights is None else [*weights, *[0.0] * n][:n]  # w_1, w_2, …
    weight = s.new_tensor([0.0, *by_skip])[skip]
    chosen = better(y, real) & (gaps(y) >= margin) & (weight > 0) & (skip <= (n if skips is None else skips))
    if grow:
        most = [skip_schedule(int(epoch), grow, size) for size in real.sum(1).tolist()]
        chosen &= skip <= s.new_tensor(most)[:, None, None]
    if exact:
        return summed(weight * F.softplus(-gaps(s)), chosen)
    # The weights go into the exponents as logarithms; pairs that aren't chosen are the padding of the sum.
    terms = (weight.clamp(min=torch.finfo(s.dtype).tiny).log() - gaps(s)).masked_fill(~chosen, LOW)
    return summed(F.softplus(torch.logsumexp(terms, 2)), chosen.any(2))


def skip_schedule(epoch: int, epochs: int, size: int) -> int:
    """RankList's number of skips in an epoch (from 0): from 1, neighbours only, evenly up to size - 1, all pairs.

    >>> [skip_schedule(epoch, 4, 10) for epoch in range(5)]
    [1, 4, 6, 9, 9]
    """
    share = min(epoch / (epochs - 1), 1.0) if epochs > 1 else 1.0
    return max(1, 1 + round(share * (size - 2)))


def brio(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    margin: float = 0.001,
    gold: Tensor | None = None,
    gold_margin: float = 0.0,
    gold_weight: float = 1.0,
) -> Tensor:
    """BRIO's margin list loss: candidates far apart in the gold order must be far apart in score (arXiv 2203.16804).

    Sum over distances k = 1 … of the mean over pairs (i, i+k) of max(0, s_i+k - s_i + k * margin), i by falling label;
    with the score of the reference text ``gold`` [batch], plus gold_weight times the mean over candidates of
    max(0, s_i - gold + gold_margin). Mean over groups. 0 if all gaps reach k * margin. For summaries the score is
    sum log p(token) / length^alpha. ``hinge`` is the same with one margin for all pairs.

    >>> s, y, gold = torch.tensor([[-.9, -1, -.95, -1.2]]), torch.tensor([[4, 3, 2, 1]]), torch.tensor([-.8])
    >>> [round(float(l), 3) for l in (brio(s, y, gold=gold), brio(s, y, margin=.01, gold=gold), brio(s, y, margin=.1))]
    [0.017, 0.02, 0.125]
    """
    s, y, real, skip = _by_gold(scores, labels, mask)
    chosen = better(y, real)
    # the number of pairs at each distance, by which each distance's mean is taken
    pairs = s.new_zeros(s.shape).index_add(1, skip.flatten(), chosen.flatten(1).to(s))
    cost = F.relu(skip * margin - gaps(s)) / pairs.clamp(min=1)[:, skip]
    loss = summed(cost, chosen)
    if gold is None:
        return loss
    return loss + gold_weight * averaged(F.relu(s - gold.to(s)[:, None] + gold_margin), real)


def _by_gold(scores: Tensor, labels: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scores, labels and mask by falling label (ties by falling score), and each pair's distance [n, n], at least 0."""
    s, y, real = ready(scores, labels, mask)
    gold = order(y, s, real)
    rank = torch.arange(s.shape[1], device=s.device)
    return s.gather(1, gold), y.gather(1, gold), real.gather(1, gold), (rank[None] - rank[:, None]).clamp(min=0)
