"""Validation: the scores of a model in training on held-out groups, and a measure of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..core.errors import InputError
from ..evaluate.inputs import lists
from ..evaluate.measures import Meter, parse
from .group import Group

TEXTS = 128
"""The number of candidates that are scored at once."""


def scores(model: Any, groups: Sequence[Group], bf16: bool = False) -> list[list[float]]:
    """The scores of every group's candidates. Groups run in order of size, in batches of about 128 candidates."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    out: list[list[float]] = [[] for _ in groups]
    # Sorted by size, so that batches need little padding; results go back by position.
    order = sorted((i for i, g in enumerate(groups) if g.candidates), key=lambda i: groups[i].size)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        batch: list[int] = []
        for n, i in enumerate(order, 1):
            batch.append(i)
            if sum(len(groups[j].candidates) for j in batch) < TEXTS and n < len(order):
                continue
            features = model.features([groups[j].query for j in batch], [groups[j].candidates for j in batch])
            rows = model(**moved(features, device)).float().cpu().tolist()
            for j, row in zip(batch, rows):
                out[j] = row[: len(groups[j].candidates)]
            batch = []
    model.train(was_training)
    return out


def moved(value: Any, device: torch.device) -> Any:
    """The tensors of nested dicts and lists on a device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {k: moved(v, device) for k, v in value.items()}
    return [moved(v, device) for v in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Validation:
    """Called with a function that scores groups, the mean of a measure over the judged queries; of several, their sum.

    ``qrels`` default to the groups' own labels, which then must be whole numbers. Groups need distinct ids.
    Raises InputError if ids repeat, or nothing is judged.

    >>> group = Group.from_texts("q", ("a", "b"), (0.0, 1.0), id="q1", ids=("a", "b"))
    >>> Validation([group])(lambda groups: [[0.1, 0.2]])
    1.0
    >>> Validation([group], ["RR", "P@2"])(lambda groups: [[0.2, 0.1]])
    1.0
    """

    groups: Sequence[Group]
    measures: Sequence[str] = ("nDCG@10",)
    qrels: Mapping[str, Mapping[str, int]] | None = None

    def __post_init__(self) -> None:
        for name in self.measures:
            parse(name)

    @property
    def name(self) -> str:
        """The names of the measures."""
        return " + ".join(self.measures)

    def __call__(self, score: Callable[[Sequence[Group]], Sequence[Sequence[float]]]) -> float:
        run, _ = lists(self.run(score(self.groups)))
        per_query = Meter(self.measures, self.judged)(run).values()
        return math.fsum(math.fsum(values) / len(values) for values in per_query)

    def run(self, scores: Sequence[Sequence[float]]) -> dict[str, dict[str, float]]:
        """Scores by the ids of groups and texts."""
        out: dict[str, dict[str, float]] = {}
        for g, values in zip(self.groups, scores, strict=True):
            if g.id in out:
                raise InputError(f"validation: the group id {g.id!r} comes twice")
            out[g.id] = dict(zip(_ids(g), values, strict=True))
        return out

    @property
    def judged(self) -> Mapping[str, Mapping[str, int]]:
        """Grades by group id and text id."""
        if self.qrels is not None:
            grades: Mapping[str, Mapping[str, int]] = {
                g.id: self.qrels[g.id] for g in self.groups if self.qrels.get(g.id)
            }
        else:
            if wrong := next((g.id for g in self.groups if any(x % 1 for x in g.labels)), None):
                raise InputError(
                    f"validation: group {wrong!r} has labels that aren't whole numbers: give judgements (data.qrels)"
                )
            grades = {g.id: dict(zip(_ids(g), map(int, g.labels))) for g in self.groups}
        if not any(grades.values()):
            raise InputError("validation: no group is judged: check its ids and those of the judgements")
        return grades


def _ids(group: Group) -> tuple[str, ...]:
    return group.ids or tuple(map(str, range(len(group.candidates))))
