"""The HTML report of a tuning."""

from __future__ import annotations

from os import PathLike

from ..pages.charts import Point, scatter, whisker
from ..pages.render import render, write_page
from ..pages.training_curve import training_curve
from .tune import Tuning


def tuning_page(result: Tuning) -> str:
    """The page of a result: the verdict, the Pareto front with intervals on both axes, the pipelines, the learning
    curve."""
    points = [
        Point(r.text, r.cost.ms, r.mean, r.low, r.high, r.cost.low, r.cost.high)
        for r in result.rows
        if r.cost is not None and r.cost.ms > 0
    ]
    ends = min(r.low for r in result.rows), max(r.high for r in result.rows)
    c = result.choice
    return render(
        "tune.html.jinja",
        title="Tuning",
        r=result,
        scatter=scatter(points, str(result.measure)) if points else None,
        rows=[(row, whisker(row.mean, row.low, row.high, *ends)) for row in result.rows],
        ends=ends,
        curve=training_curve({"expected gain": c.curve}, "judged queries"),
        checks=[] if result.costs is None else result.costs.checks,
    )


def write_tuning(path: str | PathLike[str], result: Tuning) -> None:
    """Write the page of a result to a file."""
    write_page(path, tuning_page(result))
