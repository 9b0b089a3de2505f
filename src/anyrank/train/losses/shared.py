"""The operations that all losses share: checked inputs, pairs, ranks, orders, and means.

Padding is filled with 0 before anything is computed, so that its content (NaN too) reaches neither the value nor the
gradient. Means are taken within a group first and then over the groups that have something to compare (or, with
``mean`` "pair", over all pairs of the batch); a batch without any gives a 0 that still has a (zero) gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ...core.errors import InputError

Loss = Callable[..., Tensor]
Mean = Literal["group", "pair"]
"""The mean of a batch: "group" is within each group first, then over the groups, so that all groups weigh the same;
"pair" is over all pairs of the batch (all candidates, for losses over single ones), so that a group weighs by their
number, as in FIRST's release, allRank and sentence-transformers."""
LOW = -1e30
"""The score of padding: far below any score, and finite, so that a row of padding has no NaN gradient."""


def ready(scores: Tensor, labels: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Scores and labels [batch, n] in at least 32 bits with 0 in the padding, and the mask (all real if None)."""
    if scores.ndim != 2 or scores.shape != labels.shape or (mask is not None and mask.shape != scores.shape):
        shapes = f"scores {list(scores.shape)}, labels {list(labels.shape)}" + (
            f", mask {list(mask.shape)}" if mask is not None else ""
        )
        raise ValueError(f"{shapes}: all must be [batch, n]; a single group is [1, n]")
    real = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.bool()
    scores = scores if scores.dtype == torch.float64 else scores.float()
    return scores.masked_fill(~real, 0), labels.to(scores).masked_fill(~real, 0), real


def over_groups(values: Tensor, counts: Tensor) -> Tensor:
    """Mean of the groups' values [batch] over the groups that count [batch]."""
    return values.masked_fill(~counts, 0).sum() / counts.sum().clamp(min=1)


def summed(values: Tensor, chosen: Tensor) -> Tensor:
    """Sum of the values chosen in each group, then the mean over the groups with any."""
    return over_groups(values.masked_fill(~chosen, 0).flatten(1).sum(1), chosen.flatten(1).any(1))


def averaged(values: Tensor, chosen: Tensor, mean: Mean = "group") -> Tensor:
    """Mean of the values chosen in each group, then the mean over the groups with any; with ``mean`` "pair" the mean of
    all values chosen. Raises InputError on another ``mean``.

    >>> values, chosen = torch.tensor([[1.0, 3.0], [8.0, 0.0]]), torch.tensor([[True, True], [True, False]])
    >>> float(averaged(values, chosen)), float(averaged(values, chosen, "pair"))
    (5.0, 4.0)
    """
    if mean not in get_args(Mean):
        raise InputError(f"mean={mean!r}: choose one of {', '.join(get_args(Mean))}")
    flat = chosen.flatten(1)
    total = values.masked_fill(~chosen, 0).flatten(1).sum(1)
    if mean == "pair":
        return total.sum() / flat.sum().clamp(min=1)
    return over_groups(total / flat.sum(1).clamp(min=1), flat.any(1))


def gaps(values: Tensor) -> Tensor:
    """Differences v_i - v_j [batch, i, j] of values [batch, n]."""
    return values[:, :, None] - values[:, None, :]


def both(real: Tensor) -> Tensor:
    """Pairs of two real, different candidates [batch, i, j]."""
    apart = ~torch.eye(real.shape[1], dtype=torch.bool, device=real.device)
    return real[:, :, None] & real[:, None, :] & apart


def better(labels: Tensor, real: Tensor) -> Tensor:
    """Pairs [batch, i, j] in which i is labelled higher than j."""
    return both(real) & (gaps(labels) > 0)


def best(labels: Tensor, real: Tensor) -> Tensor:
    """The candidates [batch, n] with the highest label of their group; all of them if they tie."""
    return real & (labels == labels.masked_fill(~real, -torch.inf).amax(1, keepdim=True))


def ranks(values: Tensor, real: Tensor) -> Tensor:
    """Ranks [batch, n] from 1 for the highest value; candidates that tie share the mean of their ranks.

    >>> ranks(torch.tensor([[3., 1., 2., 2.]]), torch.tensor([[True] * 4])).tolist()
    [[1.0, 4.0, 2.5, 2.5]]
    """
    pairs, gap = both(real), gaps(values)
    return 1 + (pairs & (gap < 0)).sum(2) + (pairs & (gap == 0)).sum(2) / 2


def soft_ranks(scores: Tensor, real: Tensor, temperature: float) -> Tensor:
    """Ranks made smooth: 1 + sum over the others j of sigmoid((s_j - s_i) / temperature) [batch, n]."""
    return 1 + torch.sigmoid(-gaps(scores) / temperature).masked_fill(~both(real), 0).sum(2)


def order(first: Tensor, then: Tensor, real: Tensor) -> Tensor:
    """Indices [batch, n] that put ``first`` in falling order, ties by falling ``then``, and the padding last."""
    # two stable sorts, the second key first
    inner = then.detach().argsort(dim=1, descending=True, stable=True)
    keys = first.detach().masked_fill(~real, -torch.inf).gather(1, inner)
    return inner.gather(1, keys.argsort(dim=1, descending=True, stable=True))


def log_softmax(scores: Tensor, real: Tensor) -> Tensor:
    """Log-probabilities [batch, n] of the softmax over the real candidates; ``LOW`` or less in the padding."""
    return F.log_softmax(scores.masked_fill(~real, LOW), dim=1)


def per_group(loss: Loss, scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """The loss of each group by itself [batch], for weights per group (a curriculum's per-sample form).

    >>> from .pointwise import mse
    >>> per_group(mse, torch.tensor([[1., 0.], [2., 0.]]), torch.zeros(2, 2)).tolist()
    [0.5, 2.0]
    """
    rows = range(len(scores))
    return torch.stack([loss(scores[i, None], labels[i, None], None if mask is None else mask[i, None]) for i in rows])
