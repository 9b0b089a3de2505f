"""Losses over single candidates: each score against its own label.

Mean over the candidates of a group, then over the groups, so that a long group weighs no more than a short one (where
all groups are of one length it is the plain mean). They say what a score means, where pairwise and listwise losses
say only which is the higher.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .shared import averaged, ready


def binary_cross_entropy(
    scores: Tensor, labels: Tensor, mask: Tensor | None = None, *, threshold: float | None = None
) -> Tensor:
    """Mean of -y log sigmoid(s) - (1 - y) log sigmoid(-s), labels y from 0 to 1 (monoBERT's loss, arXiv 1901.04085).

    With ``threshold`` grades become 1 above it and 0 up to it. Least, the labels' own entropy, where sigmoid(s) = y.
    Raises ValueError for labels outside 0 … 1, for which it would fall without end.

    >>> import torch
    >>> round(float(binary_cross_entropy(torch.tensor([[2., -1.]]), torch.tensor([[3., 0.]]), threshold=1)), 6)
    0.220095
    """
    s, y, real = ready(scores, labels, mask)
    if threshold is not None:
        y = (y > threshold).to(s)
    elif bool(((y < 0) | (y > 1)).any()):
        raise ValueError(
            f"labels from {float(y.min()):g} to {float(y.max()):g}: binary cross entropy needs 0 to 1;"
            " give threshold= to cut grades in two"
        )
    return averaged(F.binary_cross_entropy_with_logits(s, y, reduction="none"), real)


def mse(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of (s - y)^2: regression on grades or on a teacher's scores; 0 where each score is its label.

    A teacher on another scale leaves an offset to learn first, which ``margin_mse`` does not see.

    >>> import torch
    >>> float(mse(torch.tensor([[2., 1.]]), torch.tensor([[1., 1.]])))
    0.5
    """
    s, y, real = ready(scores, labels, mask)
    return averaged((s - y).square(), real)
