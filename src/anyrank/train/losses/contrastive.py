"""Contrastive losses: a positive against its negatives, in its group or in the whole batch.

``infonce`` takes grades; ``soft_infonce`` and ``adaptive_margin`` take a teacher's scores. ``in_batch`` turns a group's
labels into those of the whole score matrix, for this and any other loss.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .distillation import kl_distillation
from .shared import LOW, averaged, best, both, gaps, ready


def infonce(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    temperature: float = 1.0,
    threshold: float = 0.0,
) -> Tensor:
    """InfoNCE: -log e^(s+/T) / (e^(s+/T) + sum over negatives e^(s-/T)) (arXiv 1807.03748; DPR, arXiv 2004.04906).

    Labels above ``threshold`` are positives, each set against all negatives and no other positive; mean over a group's
    positives, then over groups with both kinds. Cosines need a temperature of .01 to .1. Falls towards 0. One
    negative: ``ranknet``.

    >>> round(float(infonce(torch.tensor([[2., 1., 0.]]), torch.tensor([[1, 0, 0]]))), 6)
    0.407606
    """
    s, y, real = ready(scores, labels, mask)
    positive = real & (y > threshold)
    return _against(s / temperature, positive, positive[:, :, None] & (real & ~positive)[:, None, :])


def in_batch(labels: Tensor, mask: Tensor | None = None, *, other: float = 0.0) -> tuple[Tensor, Tensor]:
    """Labels and mask [batch, batch * n] for scores of every query against every text of the batch, groups in a row.

    A query's own texts keep their labels; those of the other groups get ``other``, negatives all. The caller should
    mask out a text that is relevant for several queries.

    >>> scores = torch.tensor([[2., 0., 1., 1.], [0., 0., 3., 1.]])    # two queries, two texts each
    >>> labels, mask = in_batch(torch.tensor([[1., 0.], [1., 0.]]))
    >>> labels.tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    >>> round(float(infonce(scores, labels, mask)), 6)
    0.418761
    """
    size, n = labels.shape
    own = torch.eye(size, dtype=torch.bool, device=labels.device).repeat_interleave(n, 1)
    real = torch.ones_like(labels, dtype=torch.bool) if mask is None else mask.bool()
    return labels.repeat(1, size).masked_fill(~own, other), real.flatten().expand(size, -1)


def adaptive_margin(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    temperature: float = 1.0,
    scale: float = 0.1,
    near: float = 0.0,
) -> Tensor:
    """InfoNCE in which each negative must stay below the best by a margin that grows with the teacher's gap.

    -log e^(s+/T) / (e^(s+/T) + sum_j e^((s_j + m_j)/T)), m_j = scale * (t+ - t_j); candidates that the teacher scores
    within ``near`` of the best are left out as likely positives. **Derived by us**: LG-ANNA-Embedding names an
    adaptive margin and gives no formula. The best is the teacher's (each of them if they tie); mean over these,
    then over groups. With scale 0 it is ``infonce`` on the best. Falls towards 0.

    >>> s, t = torch.tensor([[2., 1., 0.]]), torch.tensor([[9., 8., 4.]])
    >>> round(float(adaptive_margin(s, t)), 6), round(float(adaptive_margin(s, t, near=1)), 6)
    (0.488396, 0.201413)
    """
    s, t, real = ready(scores, labels, mask)
    gap = gaps(t)
    top = best(t, real)
    return _against(s / temperature, top, both(real) & top[:, :, None] & (gap > near), scale / temperature * gap)


def soft_infonce(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    temperature: float = 1.0,
    student_temperature: float = 1.0,
    teacher_temperature: float = 1.0,
    weight: float = 1.0,
) -> Tensor:
    """InfoNCE(temperature) on the teacher's best + weight * KL(softmax(t / teacher_T) || softmax(s / student_T)).

    **Derived by us** for soft labels as in LG-ANNA-Embedding, which gives no formula. Its parts are
    ``adaptive_margin`` with scale 0, and ``kl_distillation``; the mean is over groups.

    >>> s, t = torch.tensor([[1., 0.]]), torch.tensor([[1., 0.]])
    >>> round(float(soft_infonce(s, t)), 6)                       # the KL is 0: InfoNCE alone
    0.313262
    """
    hard = adaptive_margin(scores, labels, mask, temperature=temperature, scale=0.0)
    return hard + weight * kl_distillation(
        scores, labels, mask, temperature=student_temperature, teacher_temperature=teacher_temperature
    )


def _against(scores: Tensor, positive: Tensor, pairs: Tensor, margins: Tensor | float = 0.0) -> Tensor:
    """Mean over positives i of log(1 + sum over their pairs (i, j) of e^(s_j + m_ij - s_i)), then over groups."""
    # -log of the softmax is softplus(logsumexp of the others less the positive), which can't overflow.
    rest = torch.logsumexp((margins - gaps(scores)).masked_fill(~pairs, LOW), 2)
    return averaged(F.softplus(rest), positive & pairs.any(2))
