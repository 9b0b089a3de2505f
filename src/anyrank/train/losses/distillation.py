"""Losses that teach a student the scores of a teacher; labels are the teacher's scores, on any scale.

Margins (Margin-MSE) or distributions (KL) forget the teacher's offset, which ``mse`` on scores would have to learn.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .shared import Mean, averaged, best, both, gaps, log_softmax, over_groups, ready


def margin_mse(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    grades: Tensor | None = None,
    mean: Mean = "group",
) -> Tensor:
    """Margin-MSE: mean of ((s+ - s-) - (t+ - t-))^2 over the pairs of a positive with each other (arXiv 2010.02666).

    Positives are the candidates judged relevant (``grades`` [batch, n] above 0, which a training passes if the groups
    have them), each against those that aren't: the paper's loss, and sentence-transformers'. In a group without a
    judged pair the positive is the one that the teacher scores highest (all of them if they tie), against all others.
    For a positive and a single negative the two are the same, whichever the teacher prefers. Mean over pairs, then over
    groups; 0 if s = t + c. ``margin_mse_all`` compares all pairs.

    >>> import torch
    >>> s, t = torch.tensor([[2., 1., 0.]]), torch.tensor([[9., 7., 7.]])
    >>> float(margin_mse(s, t)), float(margin_mse(s, t, grades=torch.tensor([[0., 1., 0.]])))
    (0.5, 1.0)
    """
    s, t, real = ready(scores, labels, mask)
    pairs = both(real) & best(t, real)[:, :, None]
    if grades is not None:
        judged = real & (grades.to(s) > 0)
        known = judged[:, :, None] & (real & ~judged)[:, None, :]
        pairs = torch.where(known.flatten(1).any(1)[:, None, None], known, pairs)
    return averaged(gaps(s - t).square(), pairs, mean)


def margin_mse_all(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    mean: Mean = "group",
) -> Tensor:
    """Margin-MSE over all pairs of a group: twice the (sample) variance of s - t; mean over groups (arXiv 2010.02666).

    Its inter-passage form: the margins between the negatives are taught too. 0 if s = t + c.

    >>> import torch
    >>> round(float(margin_mse_all(torch.tensor([[2., 1., 0.]]), torch.tensor([[9., 7., 7.]]))), 6)
    0.666667
    """
    s, t, real = ready(scores, labels, mask)
    return averaged(gaps(s - t).square(), both(real), mean)


def kl_distillation(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None = None,
    *,
    temperature: float = 1.0,
    teacher_temperature: float = 1.0,
) -> Tensor:
    """KL(softmax(t / teacher_temperature) || softmax(s / temperature)) over a group, mean over groups of two or more.

    Hinton, Vinyals & Dean (arXiv 1503.02531), without their factor temperature^2. 0, with no gradient, if the two
    distributions are equal; ``listnet`` is this plus the teacher's entropy.

    >>> import torch
    >>> round(float(kl_distillation(torch.tensor([[1., 0.]]), torch.tensor([[0., 1.]]))), 6)
    0.462117
    """
    s, t, real = ready(scores, labels, mask)
    student, teacher = log_softmax(s / temperature, real), log_softmax(t / teacher_temperature, real)
    return over_groups((teacher.exp() * (teacher - student)).sum(1), real.sum(1) > 1)
