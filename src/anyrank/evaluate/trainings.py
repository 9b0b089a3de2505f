"""Compares trainings by their validation files: several seeds each, paired by query."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..io.files import File, label
from .comparisons import Statistics
from .evaluation import Evaluation


def read_validation(path: File) -> dict[str, Evaluation]:
    """The evaluations of a training's validation file by the name of the validation set: ``{name: evaluation}``, or one
    evaluation alone ("").

    Raises InputError if the file is neither."""
    try:
        with open(path, encoding="utf-8") as file:
            record: Any = json.load(file)
        parts = {"": record} if "values" in record else record
        return {name: Evaluation.from_json(json.dumps(part)) for name, part in parts.items()}
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror or error}", path=label(path)) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"this is no validation file of a training ({type(error).__name__}: {error})"
        raise InputError(what, path=label(path)) from None


def compare_trainings(
    files: Mapping[str, Sequence[File]],
    *,
    run: str = "after",
    validation: str | None = None,
    baseline: str | None = None,
    statistics: Statistics | None = None,
) -> Evaluation:
    """The comparison of trainings, each given by the validation files of its seeds: a query's value is the mean over
    the seeds, and trainings are paired by query. ``run`` is the run of each file that counts ("after", the trained
    model), ``validation`` the name of the set (None: the file's only one). ``changes`` say how far the seeds are apart.

    Raises InputError if the files are not of the same queries and measures.
    """
    if not files or not all(files.values()):
        raise InputError("nothing to compare: give at least one training, and each the files of its seeds")
    how = statistics or Statistics()
    base = how.baseline(files, baseline)
    first: Evaluation | None = None
    values: dict[str, dict[str, tuple[float, ...]]] = {}
    spread: list[str] = []
    for name, paths in files.items():
        seeds = []
        for path in paths:
            e = _chosen(path, validation)
            first = first or e
            if (e.queries, e.measures) != (first.queries, first.measures):
                what = (
                    "its queries or measures are not those of the first file: compare trainings of one validation set"
                )
                raise InputError(what, path=label(path))
            if run not in e.values:
                raise InputError(f"there is no run {run!r}, but {', '.join(e.runs)}", path=label(path))
            seeds.append(e.values[run])
        values[name] = {m: tuple(np.mean([s[m] for s in seeds], axis=0).tolist()) for m in e.measures}
        m = e.measures[0]
        means = [float(np.mean(s[m])) for s in seeds]
        if len(seeds) > 1:
            deviation = float(np.std(means, ddof=1))
            spread.append(
                f"{name}: {len(seeds)} seeds, {m} {min(means):.4f} to {max(means):.4f}, deviation {deviation:.4f}."
            )
    assert first is not None
    none: dict[str, tuple[str, ...]] = dict.fromkeys(values, ())
    return Evaluation(
        runs=tuple(values),
        measures=first.measures,
        queries=first.queries,
        values=values,
        summaries=how.summaries(values),
        comparisons=how.comparisons(values, base),
        judged=dict.fromkeys(values, first.judged.get(run, 1.0)),
        judged_name=first.judged_name,
        unanswered=none,
        unjudged=none,
        costs=dict.fromkeys(values),
        tied=dict.fromkeys(values, 0),
        ties="given",
        baseline=base,
        test=how.test,
        correction=how.correction,
        alpha=how.alpha,
        interval=how.interval,
        samples=how.samples,
        seed=how.seed,
        pairs=how.pairs,
        margin=how.margin,
        changes=tuple(spread),
    )


def _chosen(path: File, validation: str | None) -> Evaluation:
    parts = read_validation(path)
    if validation is None and len(parts) == 1:
        return next(iter(parts.values()))
    if validation in parts:
        return parts[str(validation)]
    names = ", ".join(map(repr, parts)) or "none"
    raise InputError(f"name the validation set: there are {names}", path=label(path))
