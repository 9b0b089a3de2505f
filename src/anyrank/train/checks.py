"""Checks of training groups before the first step: what would fail or teach nothing later is named at once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..core.errors import InputError
from ..core.types import Candidate
from .group import Group
from .objective import Objective
from .recipe import Recipe

log = logging.getLogger(__name__)


def check_groups(groups: Sequence[Group]) -> None:
    """Raises InputError on a label, a grade or a prior that isn't a finite number, naming its group."""
    for group in groups:
        for name, values in (("label", group.labels), ("grade", group.grades), ("prior", group.priors)):
            if wrong := [x for x in values if not math.isfinite(x)]:
                raise InputError(f"{group.name}: a {name} is {wrong[0]}: expected finite numbers")


def check_objective(
    recipe: Recipe, objective: Objective, words: str, groups: Sequence[Group], in_batch: bool, draw: Callable[..., Any]
) -> None:
    """Whether the losses have anything to learn from the groups: raises InputError if not, and on labels for which a
    loss isn't a finite number; warns of what teaches little. ``draw`` (group, epoch) selects a group's candidates."""
    first = [draw(g, 0) for g in groups]
    if empty := next((g for g in first if not g.candidates), None):
        raise InputError(f"{empty.name} has no texts: leave it out")
    labels = [x for g in first for x in g.labels]
    _check_range(objective, words, min(labels), max(labels))
    if in_batch and min(recipe.optimiser.batch, len(groups)) > 1:
        if not any(objective.compares(_beside_others(g)) for g in first):
            raise InputError(f"{words}: no text is relevant: give groups with labels above 0")
    elif in_batch and not any(map(objective.compares, first)):
        raise InputError(
            f"{words}: no negatives: a batch holds one group, and no group has texts of different labels: "
            "give optimiser.batch of 2 or more, or groups with negatives"
        )
    elif not any(map(objective.compares, first)):
        raise InputError(f"{words}: no group has anything to compare: give groups with texts of different labels")
    _warn(first, labels, in_batch)


def check_relevant(words: str, groups: Sequence[Group]) -> None:
    """Raises InputError if no text of any group is relevant, for models whose own loss is about relevant texts."""
    if not any(x > 0 for g in groups for x in g.labels):
        raise InputError(f"{words}: no text is relevant: give groups with labels above 0")


def _beside_others(group: Group) -> Group:
    """A group with a text of another one, which counts as irrelevant in a batch."""
    return Group(group.query, (*group.candidates, Candidate("", "")), (*group.labels, 0.0), group.id)


def _check_range(objective: Objective, words: str, low: float, high: float) -> None:
    """Raises InputError if the loss, or its gradient, isn't finite between the lowest and the highest label."""
    scores = torch.tensor([[0.01, 0.02]], requires_grad=True)
    labels = torch.tensor([[low, high]])
    for epoch in (0.0, 1e6):
        value = objective.total(scores, labels, torch.ones_like(labels, dtype=torch.bool), epoch)
        (slope,) = torch.autograd.grad(value, scores, allow_unused=True) if value.requires_grad else (None,)
        if not bool(value.isfinite()) or (slope is not None and not bool(slope.isfinite().all())):
            raise InputError(
                f"{words}: the loss isn't a finite number for labels from {low:g} to {high:g}: "
                "change its options, or the scale of the labels"
            )


def _warn(groups: Sequence[Group], labels: Sequence[float], in_batch: bool) -> None:
    if len(groups) == 1:
        log.warning("there is one group only: the model will learn it by heart")
    alike = sum(len(set(g.labels)) < 2 for g in groups)
    if labels and len(set(labels)) == 1 and not in_batch:
        log.warning("all labels are %g: there is nothing to tell texts apart by", labels[0])
    elif not any(x > 0 for x in labels) and not any(x % 1 for x in labels):
        log.warning("no label is above 0: no text is relevant")
    elif alike and not in_batch:
        log.warning("%d of %d groups have texts of one label only, and teach no order", alike, len(groups))
