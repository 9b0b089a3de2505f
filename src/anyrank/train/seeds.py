"""Several trainings of one recipe, or of several, by different seeds, and the table that compares them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import stdev

from ..core.errors import InputError
from ..evaluate.evaluation import Evaluation
from ..evaluate.trainings import compare_seeds, read_validation
from .recipe import Recipe, recorded
from .run import VALIDATION


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
    )["recipe"] == recorded(recipe)


Seeds = Mapping[str, Evaluation]
"""The evaluations of one validation set, by the validation file of each seed."""


def read_trainings(folder: str | Path) -> dict[str, Seeds]:
    """The validations of a folder's finished trainings by the name of the set: of the folder's own training, or of
    those of seed-… in it. Raises InputError if there is none."""
    folder = Path(folder)
    files = [file] if (file := folder / VALIDATION).is_file() else []
    files = files or sorted(folder.glob(f"seed-*/{VALIDATION}"), key=lambda p: int(p.parent.name[5:]))
    if not files:
        raise InputError(f"{folder}: no {VALIDATION}: a finished training with validation groups writes it")
    out: dict[str, dict[str, Evaluation]] = {}
    for file in files:
        for name, evaluation in read_validation(file).items():
            out.setdefault(name, {})[str(file)] = evaluation
    return {**out}


def table(folders: Sequence[str | Path]) -> str:
    """A table of the trainings of some folders for each validation set and measure: each seed's mean, the mean over
    seeds with its 95 % interval over queries, and the difference from the first folder with its interval and p (paired
    t-test over queries, each query's mean over seeds; Holm-corrected). Raises InputError if the trainings were
    validated on different queries."""
    trainings = {str(folder): read_trainings(folder) for folder in folders}
    parts = []
    for name in next(iter(trainings.values())):
        if lacking := next((folder for folder, sets in trainings.items() if name not in sets), None):
            raise InputError(f"{lacking} has no validation set {name!r}")
        seeds = {folder: sets[name] for folder, sets in trainings.items()}
        e = compare_seeds(seeds)
        for measure in e.measures:
            title = f"{measure} on {name}" if name else measure
            parts.append(f"{title}, {len(e.queries)} queries\n{_rows(e, seeds, measure)}")
    return "\n\n".join(parts)


def _rows(e: Evaluation, seeds: Mapping[str, Seeds], measure: str) -> str:
    rows: list[tuple[str, ...]] = [
        ("run", "seeds", "mean", "95 % (queries)", "sd (seeds)", "against the first", "95 %", "p")
    ]
    for run in e.runs:
        means = {Path(file).parent.name: one.mean("after", measure) for file, one in seeds[run].items()}
        spread = f"{stdev(means.values()):.4f}" if len(means) > 1 else ""
        s, c = e.summaries[run][measure], e.compared(run, measure)
        cells = (run, str(len(means)), f"{s.mean:.4f}", f"{s.low:.4f} to {s.high:.4f}", spread)
        compared = ("", "", "")
        if c is not None:
            compared = (f"{c.difference:+.4f}", f"{c.low:+.4f} to {c.high:+.4f}", f"{c.corrected:.4f}")
        rows.append((*cells, *compared))
        if len(means) > 1:
            rows += [(f"  {seed}", "", f"{value:.4f}", "", "", "", "", "") for seed, value in means.items()]
    rows = [row[: 8 if len(e.runs) > 1 else 5] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows)
