"""Losses over single candidates: each score against its own label.

Mean over the candidates of a group, then over the groups, so that a long group weighs no more than a short one (if
all groups are of one length it is the plain mean). They give a score a meaning of its own; pairwise and listwise losses
only order scores. ``ccc`` compares a group as a whole, to the same end.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...core.errors import InputError
from .shared import Mean, averaged, better, over_groups, ready


def binary_cross_entropy(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    threshold: float | None = None,
    mean: Mean = "group",
) -> Tensor:
    """Mean of -y log sigmoid(s) - (1 - y) log sigmoid(-s), labels y from 0 to 1 (monoBERT's loss, arXiv 1901.04085).

    With ``threshold`` grades become 1 above it and 0 up to it. Its least value, the labels' own entropy, is at
    sigmoid(s) = y. Raises InputError for labels outside 0 … 1, for which it would fall without end.

    >>> import torch
    >>> round(float(binary_cross_entropy(torch.tensor([[2., -1.]]), torch.tensor([[3., 0.]]), threshold=1)), 6)
    0.220095
    """
    s, y, real = ready(scores, labels, mask)
    if threshold is not None:
        y = (y > threshold).to(s)
    elif bool(((y < 0) | (y > 1)).any()):
        raise InputError(
            f"labels from {float(y.min()):g} to {float(y.max()):g}: binary cross entropy needs 0 to 1;"
            " the option threshold cuts grades in two (in a recipe, losses.0.options.threshold=0)"
        )
    return averaged(F.binary_cross_entropy_with_logits(s, y, reduction="none"), real, mean)


def mse(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    mean: Mean = "group",
) -> Tensor:
    """Mean of (s - y)^2: regression on grades or on a teacher's scores; 0 if each score is its label.

    A teacher on another scale leaves an offset to learn first, which ``margin_mse`` does not see.

    >>> import torch
    >>> float(mse(torch.tensor([[2., 1.]]), torch.tensor([[1., 1.]])))
    0.5
    """
    s, y, real = ready(scores, labels, mask)
    return averaged((s - y).square(), real, mean)


def smooth_l1(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    beta: float = 1.0,
    mean: Mean = "group",
) -> Tensor:
    """Mean of Huber's loss of s - y: d^2 / (2 beta) up to a difference d of ``beta``, |d| - beta / 2 beyond, so that
    the gradient of a candidate that is far off is no larger than of any other. RankNovo's loss of predicted mass
    deviations.

    >>> import torch
    >>> float(smooth_l1(torch.tensor([[0.5, 4.0]]), torch.tensor([[0.0, 1.0]])))
    1.3125
    """
    s, y, real = ready(scores, labels, mask)
    return averaged(F.smooth_l1_loss(s, y, reduction="none", beta=beta), real, mean)


def ccc(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """1 - the concordance correlation coefficient of scores and labels, mean over groups (Lin, Biometrics 1989).

    CCC = 2 cov(s, y) / (var s + var y + (mean s - mean y)^2), moments over the candidates of a group divided by their
    number: Pearson's correlation, less where scale or offset differ. The regression that RankList is compared with
    (arXiv 2508.09826). From 0 (each score is its label) to 2; ``mse`` has the same least point, but its size is that of
    the labels' unit, squared, and a group whose labels vary little counts little. Groups of one label have no
    correlation and are left out.

    >>> import torch
    >>> s, y = torch.tensor([[1., 2., 3.]]), torch.tensor([[2., 1., 3.]])
    >>> round(float(ccc(s, y)), 6), round(float(ccc(s + 1, y)), 6)
    (0.5, 0.714286)
    """
    s, y, real = ready(scores, labels, mask)
    size = real.sum(1).clamp(min=1)
    mean_s, mean_y = s.sum(1) / size, y.sum(1) / size
    off_s, off_y = ((v - m[:, None]).masked_fill(~real, 0) for v, m in ((s, mean_s), (y, mean_y)))
    shared = 2 * (off_s * off_y).sum(1)
    spread = off_s.square().sum(1) + off_y.square().sum(1) + size * (mean_s - mean_y).square()
    counts = better(y, real).flatten(1).any(1)
    return over_groups(1 - shared / spread.masked_fill(~counts, 1), counts)
