"""The effect of a training on validation groups: measures of the model before and after, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..evaluate import significance as stat
from ..evaluate.comparisons import Summary
from ..evaluate.evaluation import Evaluation, evaluate
from .validation import Validation

Scores = Sequence[Sequence[float]]
SAMPLES = 10_000


def effect(validation: Validation, runs: Mapping[str, Scores]) -> Evaluation:
    """The evaluation of several runs' scores of a validation's groups; of measures of soft labels the means and their
    intervals alone, without comparisons."""
    if not validation.soft:
        named = {name: validation.run(scores) for name, scores in runs.items()}
        return evaluate(named, validation.judged, validation.measures)
    values = {run: {m: tuple(v) for m, v in validation.values(scores).items()} for run, scores in runs.items()}
    queries = tuple(g.id for g in validation.groups if len(set(g.labels)) > 1)
    return means(values, queries, tuple(validation.measures))


def means(
    values: Mapping[str, Mapping[str, tuple[float, ...]]], queries: tuple[str, ...], measures: tuple[str, ...]
) -> Evaluation:
    """An evaluation of values that are known, a query each: their means with bootstrapped intervals."""
    columns = np.array([values[run][m] for run in values for m in measures]).T
    low, high = stat.intervals(columns, 0.95, "bca", SAMPLES, 0)
    bounds = iter(zip(columns.mean(axis=0).tolist(), low.tolist(), high.tolist()))
    none: dict[str, tuple[str, ...]] = dict.fromkeys(values, ())
    return Evaluation(
        runs=tuple(values),
        measures=measures,
        queries=queries,
        values=values,
        summaries={run: {m: Summary(*next(bounds)) for m in measures} for run in values},
        comparisons=(),
        judged=dict.fromkeys(values, 1.0),
        judged_name="Judged",
        unanswered=none,
        unjudged=none,
        costs=dict.fromkeys(values),
        tied=dict.fromkeys(values, 0),
        ties="given",
        baseline=None,
        test="none",
        correction="none",
        alpha=0.05,
        interval="bca",
        samples=SAMPLES,
        seed=0,
    )
