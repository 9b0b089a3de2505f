"""Validation: the scores of a model in training on held-out groups, and a measure of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..core.errors import InputError
from ..evaluate.inputs import lists
from ..evaluate.measures import Meter, parse
from .group import Group
from .soft_measures import soft_measure

log = logging.getLogger(__name__)

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
            features = model.features([groups[j].query for j in batch], [groups[j].scored() for j in batch])
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

    Measures are those of ir_measures, of whole grades: ``qrels``, else the groups' grades, else their labels; or those
    of `soft_measures`, of labels on any scale (a teacher's): Spearman, Kendall, SoftnDCG@10. Groups need distinct ids.
    Raises InputError at once if ids repeat, if nothing is judged, if no candidate is relevant, and if labels are no
    grades and the measures need them.

    >>> group = Group.from_texts("q", ("a", "b"), (0.0, 1.0), id="q1", ids=("a", "b"))
    >>> Validation([group])(lambda groups: [[0.1, 0.2]])
    1.0
    >>> Validation([group], ["RR", "P@2"])(lambda groups: [[0.2, 0.1]])
    1.0
    >>> taught = Group.from_texts("q", ("a", "b", "c"), (9.5, 3.25, 7.0), id="q1")
    >>> Validation([taught], ["Spearman"])(lambda groups: [[0.3, 0.2, 0.1]])
    0.5
    """

    groups: Sequence[Group]
    measures: Sequence[str] = ("nDCG@10",)
    qrels: Mapping[str, Mapping[str, int]] | None = None

    def __post_init__(self) -> None:
        soft = [name for name in self.measures if soft_measure(name)]
        for name in self.measures:
            if name not in soft:
                parse(name)
        ids: set[str] = set()
        for group in self.groups:
            if group.id in ids:
                raise InputError(f"validation: the group id {group.id!r} comes twice")
            ids.add(group.id)
        if soft and len(soft) < len(self.measures):
            raise InputError(f"validation: {soft[0]} reads labels, the others grades: give each kind a set of its own")
        if soft:
            if not any(len(set(g.labels)) > 1 for g in self.groups):
                raise InputError(f"validation: {soft[0]} needs groups with texts of different labels: there is none")
        else:
            self._check_judgements()

    @property
    def soft(self) -> bool:
        """Whether the measures are those of labels on any scale."""
        return any(soft_measure(name) for name in self.measures)

    @property
    def name(self) -> str:
        """The names of the measures."""
        return " + ".join(self.measures)

    def __call__(self, score: Callable[[Sequence[Group]], Sequence[Sequence[float]]]) -> float:
        per_query = self.values(score(self.groups)).values()
        return math.fsum(math.fsum(values) / len(values) for values in per_query)

    def values(self, scores: Sequence[Sequence[float]]) -> dict[str, list[float]]:
        """Each measure's values of the queries that it judges."""
        if not self.soft:
            ids, _ = lists(self.run(scores))
            return {name: list(values) for name, values in Meter(self.measures, self.judged)(ids).items()}
        self.run(scores)  # its checks
        pairs = [(s, g.labels) for s, g in zip(scores, self.groups) if len(set(g.labels)) > 1]
        named = {name: measure for name in self.measures if (measure := soft_measure(name))}
        return {name: [measure(s, y) for s, y in pairs] for name, measure in named.items()}

    def run(self, scores: Sequence[Sequence[float]]) -> dict[str, dict[str, float]]:
        """Scores by the ids of groups and texts. Raises InputError on a score that isn't finite."""
        out = {g.id: dict(zip(_ids(g), values, strict=True)) for g, values in zip(self.groups, scores, strict=True)}
        if wrong := next((q for q, row in out.items() if not all(map(math.isfinite, row.values()))), None):
            raise InputError(
                f"validation: a score of group {wrong!r} is not a finite number: the model's weights aren't"
            )
        return out

    @property
    def judged(self) -> Mapping[str, Mapping[str, int]]:
        """Grades by group id and text id."""
        if self.qrels is not None:
            return {g.id: self.qrels[g.id] for g in self.groups if self.qrels.get(g.id)}
        return {g.id: dict(zip(_ids(g), map(int, g.grades or g.labels))) for g in self.groups}

    def _check_judgements(self) -> None:
        stated = [(g.id, x) for g in self.groups for x in g.grades or g.labels if x % 1] if self.qrels is None else []
        if stated:
            id, wrong = stated[0]
            raise InputError(
                f"validation: group {id!r} has labels that aren't whole numbers ({wrong:g}), {self.name} needs grades: "
                "give judgements (data.qrels), or for a teacher's labels check.measure Spearman, Kendall or SoftnDCG@10"
            )
        grades = self.judged
        if not any(grades.values()):
            mine = ", ".join(repr(g.id) for g in self.groups[:3])
            theirs = ", ".join(map(repr, list(self.qrels or {})[:3])) or "none"
            raise InputError(
                f"validation: no group is judged: its ids are like {mine}, those of the judgements like {theirs}"
            )
        if self.qrels is None and not any(grade > 0 for docs in grades.values() for grade in docs.values()):
            raise InputError(
                f"validation: no grade or label is above 0, so no candidate is relevant: {self.name} needs grades from "
                "1 (for labels on another scale: check.measure Spearman, Kendall or SoftnDCG@10)"
            )
        Meter(self.measures, grades)  # says which measures these grades can't be used with
        relevant = sum(any(grades.get(g.id, {}).get(i, 0) > 0 for i in _ids(g)) for g in self.groups)
        if not relevant:
            group = next(g for g in self.groups if grades.get(g.id))
            theirs = ", ".join(map(repr, list(grades[group.id])[:3]))
            raise InputError(
                f"validation: no candidate of any group is relevant: those of {group.id!r} have ids like "
                f"{', '.join(map(repr, _ids(group)[:3]))}, the judged ones are like {theirs}"
            )
        if relevant < len(self.groups):
            lost = len(self.groups) - relevant
            log.warning("validation: %d of %d groups have no relevant candidate", lost, len(self.groups))


@dataclass(frozen=True, slots=True)
class ValidationSets:
    """Several named validations: the mean of their values by ``weights``, by which the best checkpoint is chosen."""

    sets: Mapping[str, Validation]
    weights: Mapping[str, float]

    @property
    def name(self) -> str:
        return "mean of " + ", ".join(self.sets)

    @property
    def groups(self) -> list[Group]:
        return [g for part in self.sets.values() for g in part.groups]

    def each(self, score: Callable[[Sequence[Group]], Sequence[Sequence[float]]]) -> dict[str, float]:
        """The value of each set."""
        return {name: part(score) for name, part in self.sets.items()}

    def mean(self, values: Mapping[str, float]) -> float:
        """The weighted mean of the sets' values."""
        return math.fsum(self.weights[n] * v for n, v in values.items()) / math.fsum(self.weights[n] for n in values)

    def __call__(self, score: Callable[[Sequence[Group]], Sequence[Sequence[float]]]) -> float:
        return self.mean(self.each(score))


def _ids(group: Group) -> tuple[str, ...]:
    return group.ids or tuple(map(str, range(len(group.candidates))))
