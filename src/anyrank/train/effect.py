"""The effect of a training on validation groups: measures of the model before and after, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..evaluate.comparisons import Statistics
from ..evaluate.evaluation import Evaluation, evaluate
from .validation import Validation

Scores = Sequence[Sequence[float]]


def effect(validation: Validation, runs: Mapping[str, Scores]) -> Evaluation:
    """The evaluation of several runs' scores of a validation's groups; of measures of soft labels the means and their
    intervals alone, without comparisons."""
    if not validation.soft:
        named = {name: validation.run(scores) for name, scores in runs.items()}
        return evaluate(named, validation.judged, validation.measures)
    values = {run: {m: tuple(v) for m, v in validation.values(scores).items()} for run, scores in runs.items()}
    queries = tuple(g.id for g in validation.groups if len(set(g.labels)) > 1)
    return Evaluation.of_values(values, queries, Statistics(test="none", correction="none"))
