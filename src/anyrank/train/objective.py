"""The objective of a training: a weighted sum of losses over groups, under a curriculum."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ..core.types import Candidate
from .group import Group
from .losses import in_batch

LossFn = Callable[..., Tensor]
"""(scores [B, n], labels [B, n], mask [B, n]) -> scalar; one with a parameter ``epoch`` gets it, and one with
``grades`` the judged grades [B, n]."""
Weigh = Callable[[Sequence[Group], float], Sequence[float]]
"""A weight for each group of a batch, by the epoch (with its fraction)."""


@dataclass(frozen=True, slots=True)
class Objective:
    """Losses with their weights, summed; under a curriculum times the mean of the batch's weights, or with
    ``by_group`` each group's loss times its own weight. Where scores are of every query with every text of the batch,
    the losses of ``own`` are over each group's own texts alone."""

    losses: tuple[tuple[float, LossFn], ...]
    weigh: Weigh | None = None
    by_group: bool = False
    own: tuple[tuple[float, LossFn], ...] = ()

    def __call__(self, model: Any, batch: Mapping[str, Any], epoch: float) -> Tensor:
        """The loss of a batch as `batches.Collate` makes it."""
        return self.batch(model(**batch["features"]), batch, epoch)

    def batch(self, scores: Tensor, batch: Mapping[str, Any], epoch: float) -> Tensor:
        """The loss of a batch's scores, [B, n] or [B, B x n]."""
        labels, mask, grades = batch["labels"], batch["features"]["mask"], batch.get("grades")
        if scores.shape[1] != mask.shape[1]:
            if self.own:
                rows = torch.arange(len(mask))
                inner = scores.reshape(len(mask), *mask.shape)[rows, rows]  # [B, n]
                apart = replace(self, losses=self.own, own=()).of(inner, labels, mask, batch["groups"], epoch, grades)
                if not self.losses:
                    return apart
                return apart + replace(self, own=()).batch(scores, batch, epoch)
            # Scores of every query with every text of the batch (see `losses.in_batch`).
            known = torch.tensor(_no_negatives(batch["groups"], mask.shape[1]), device=mask.device)
            lowest = min(0.0, float(labels.min()))  # a teacher's scores may be under 0
            grades = None if grades is None else in_batch(grades, mask)[0]
            labels, mask = in_batch(labels, mask, other=lowest)
            mask = mask & ~known
        return self.of(scores, labels, mask, batch["groups"], epoch, grades)

    def of(
        self,
        scores: Tensor,
        labels: Tensor,
        mask: Tensor,
        groups: Sequence[Group],
        epoch: float,
        grades: Tensor | None = None,
    ) -> Tensor:
        """The loss of scores."""
        weights = [1.0] if self.weigh is None else list(self.weigh(groups, epoch))
        if all(w == 1 for w in weights):  # the curriculum has ended: exactly as without one
            return self.total(scores, labels, mask, epoch, grades)
        if not self.by_group:
            return self.total(scores, labels, mask, epoch, grades) * (sum(weights) / len(weights))
        rows = range(len(scores))
        judged = [None if grades is None else grades[i, None] for i in rows]
        each = [self.total(scores[i, None], labels[i, None], mask[i, None], epoch, judged[i]) for i in rows]
        return (torch.stack(each) * scores.new_tensor(weights)).mean()

    def total(self, scores: Tensor, labels: Tensor, mask: Tensor, epoch: float, grades: Tensor | None = None) -> Tensor:
        """The sum of the losses."""
        more = {"epoch": epoch, "grades": grades}
        parts = [
            w * loss(scores, labels, mask, **{name: more[name] for name in GIVEN if _takes(loss, name)})
            for w, loss in (*self.losses, *self.own)
        ]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum()

    def compares(self, group: Group) -> bool:
        """Whether the losses have a gradient for the scores of a group, at the start or at the end of any schedule: for
        rising or for falling scores, since a loss may be 0 for the right order."""
        labels = torch.tensor([group.labels])
        for epoch, step in product((0.0, LATE), (0.0137, -0.0137)):
            scores = (step * torch.arange(labels.shape[1]))[None].requires_grad_()
            value = self.total(scores, labels, torch.ones_like(labels, dtype=torch.bool), epoch)
            if value.requires_grad and bool(torch.autograd.grad(value, scores)[0].any()):
                return True
        return False


LATE = 1e6
"""An epoch after the end of any schedule."""


GIVEN = ("epoch", "grades")
"""Parameters of losses that a training fills."""


def _takes(loss: LossFn, name: str) -> bool:
    """Whether a loss has a parameter of a name."""
    try:
        return name in inspect.signature(loss).parameters
    except (TypeError, ValueError):  # made in C, without a signature
        return False


def _key(candidate: Candidate) -> str:
    """The identity of a candidate's content, also if it can't be hashed."""
    return candidate.content if isinstance(candidate.content, str) else repr(candidate.content)


def _no_negatives(groups: Sequence[Group], width: int) -> list[list[bool]]:
    """For each group a mask over all candidates of the batch: True for candidates of other groups that are no negatives
    of it, since they have the same content as one of its own, or the same query."""
    rows = []
    for one in groups:
        own, row = set(map(_key, one.candidates)), []
        for other in groups:
            same = other.query == one.query
            known = [other is not one and (same or _key(c) in own) for c in other.candidates]
            row += known + [False] * (width - len(known))
        rows.append(row)
    return rows
