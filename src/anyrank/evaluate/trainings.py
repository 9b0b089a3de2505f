"""Compares trainings by their validation files: several seeds each, paired by query."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.errors import InputError, reason
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
        what = f"this is no validation file of a training ({reason(error)})"
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
    trainings = {name: {label(path): _chosen(path, validation) for path in paths} for name, paths in files.items()}
    return compare_seeds(trainings, run, baseline, statistics)


def compare_seeds(
    trainings: Mapping[str, Mapping[str, Evaluation]],
    run: str = "after",
    baseline: str | None = None,
    statistics: Statistics | None = None,
) -> Evaluation:
    """As `compare_trainings`, of evaluations by training and file."""
    if not trainings or not all(trainings.values()):
        raise InputError("nothing to compare: give at least one training, and each the files of its seeds")
    statistics = statistics or Statistics()
    baseline = statistics.baseline(trainings, baseline)
    first = next(iter(next(iter(trainings.values())).values()))
    values: dict[str, dict[str, tuple[float, ...]]] = {}
    spread: list[str] = []
    for name, seeds in trainings.items():
        for path, e in seeds.items():
            if (e.queries, e.measures) != (first.queries, first.measures):
                what = (
                    "its queries or measures are not those of the first file: compare trainings of one validation set"
                )
                raise InputError(what, path=path)
            if run not in e.values:
                raise InputError(f"there is no run {run!r}, but {', '.join(e.runs)}", path=path)
        columns = [e.values[run] for e in seeds.values()]
        values[name] = {m: tuple(np.mean([c[m] for c in columns], axis=0).tolist()) for m in first.measures}
        if len(seeds) > 1:
            m = first.measures[0]
            means = [float(np.mean(c[m])) for c in columns]
            deviation = float(np.std(means, ddof=1))
            spread.append(
                f"{name}: {len(seeds)} seeds, {m} {min(means):.4f} to {max(means):.4f}, deviation {deviation:.4f}."
            )
    judged = first.judged.get(run, 1.0)
    return Evaluation.of_values(
        values, first.queries, statistics, baseline, judged, first.judged_name, changes=tuple(spread)
    )


def _chosen(path: File, validation: str | None) -> Evaluation:
    parts = read_validation(path)
    if validation is None and len(parts) == 1:
        return next(iter(parts.values()))
    if validation in parts:
        return parts[str(validation)]
    names = ", ".join(map(repr, parts)) or "none"
    raise InputError(f"name the validation set: there are {names}", path=label(path))
