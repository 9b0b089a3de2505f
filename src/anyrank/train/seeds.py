"""Several trainings of one recipe, or of several, by different seeds, and the table that compares them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..evaluate import significance as stat
from ..evaluate.evaluation import Evaluation
from .recipe import Recipe
from .run import VALIDATION

SAMPLES = 10_000


def seeds_of(text: str, first: int) -> list[int]:
    """The seeds of a text: so many from ``first`` on ("3"), or a list ("7,8,11"). Raises InputError on another text.

    >>> seeds_of("3", 5), seeds_of("7,11", 5)
    ([5, 6, 7], [7, 11])
    """
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(f"--seeds {text}: give a number of seeds, such as 3, or a list, such as 1,2,3") from None
    if "," not in text:
        numbers = list(range(first, first + numbers[0])) if numbers else []
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise InputError(f"--seeds {text}: expected at least one seed, none below 0 and none twice")
    return numbers


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """The recipe with a seed, in a folder of its own: OUT/seed-7."""
    return replace(recipe, seed=seed, out=str(Path(recipe.out) / f"seed-{seed}"))


def finished(recipe: Recipe) -> bool:
    """Whether a recipe's folder holds its finished training. The card is written last."""
    folder = Path(recipe.out)
    return all((folder / name).is_file() for name in ("training.json", VALIDATION, "README.md")) and json.loads(
        (folder / "training.json").read_text(encoding="utf-8")
    )["recipe"] == json.loads(json.dumps(recipe.as_dict()))


@dataclass(frozen=True, slots=True)
class Runs:
    """The trainings of one recipe: their validations by set, of each seed (by its folder's name)."""

    name: str
    evaluations: Mapping[str, Mapping[str, Evaluation]]


def read_runs(folder: str | Path) -> Runs:
    """The finished trainings of a folder: its own, or those of seed-… in it. Raises InputError if there is none."""
    folder = Path(folder)
    own = [folder] if (folder / VALIDATION).is_file() else []
    parts = own or sorted((p.parent for p in folder.glob(f"seed-*/{VALIDATION}")), key=lambda p: int(p.name[5:]))
    if not parts:
        raise InputError(f"{folder}: no {VALIDATION}: a finished training with validation groups writes it")
    out: dict[str, dict[str, Evaluation]] = {}
    for part in parts:
        for name, value in json.loads((part / VALIDATION).read_text(encoding="utf-8")).items():
            out.setdefault(name, {})[part.name] = Evaluation.from_json(json.dumps(value))
    return Runs(str(folder), out)


def table(runs: Sequence[Runs]) -> str:
    """A table of runs for each validation set and measure: each seed's mean, the mean over seeds with its 95 % interval
    over queries, and the difference from the first run with its interval and p (paired t-test over queries, each
    query's mean over seeds; Holm-corrected). Raises InputError if the runs were validated on different queries."""
    parts = []
    for name in runs[0].evaluations:
        first = next(iter(runs[0].evaluations[name].values()))
        for run in runs:
            for seed, evaluation in run.evaluations.get(name, {}).items():
                if evaluation.queries != first.queries or evaluation.measures != first.measures:
                    raise InputError(
                        f"{run.name} ({seed}) was validated on other queries or measures than {runs[0].name}"
                    )
            if name not in run.evaluations:
                raise InputError(f"{run.name} has no validation set {name!r}")
        for measure in first.measures:
            title = f"{measure} on {name}" if name else measure
            parts.append(f"{title}, {len(first.queries)} queries\n{_rows(runs, name, measure)}")
    return "\n\n".join(parts)


def _rows(runs: Sequence[Runs], name: str, measure: str) -> str:
    values = [np.array([e.values["after"][measure] for e in run.evaluations[name].values()]) for run in runs]
    means = [v.mean(0) for v in values]  # of each query over the seeds
    low, high = stat.intervals(np.array(means).T, 0.95, "bca", SAMPLES, 0)
    ps = stat.corrected([stat.p_value("t", m, means[0], 0) for m in means[1:]], "holm")
    rows: list[tuple[str, ...]] = [
        ("run", "seeds", "mean", "95 % (queries)", "sd (seeds)", "against the first", "95 %", "p")
    ]
    for i, run in enumerate(runs):
        by_seed = values[i].mean(1)
        spread = f"{by_seed.std(ddof=1):.4f}" if len(by_seed) > 1 else ""
        cells = (run.name, str(len(by_seed)), f"{means[i].mean():.4f}", f"{low[i]:.4f} to {high[i]:.4f}", spread)
        compared = ("", "", "")
        if i:
            d_low, d_high = stat.intervals((means[i] - means[0])[:, None], 0.95, "bca", SAMPLES, 0)
            difference = float((means[i] - means[0]).mean())
            compared = (f"{difference:+.4f}", f"{d_low[0]:+.4f} to {d_high[0]:+.4f}", f"{ps[i - 1]:.4f}")
        rows.append((*cells, *compared))
        if len(by_seed) > 1:
            seeds = zip(run.evaluations[name], by_seed)
            rows += [(f"  {seed}", "", f"{value:.4f}", "", "", "", "", "") for seed, value in seeds]
    rows = [row[: 8 if len(runs) > 1 else 5] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows)
