"""The HTML report of a generation of training data: what was made, what was rejected, what it cost, and samples."""

from __future__ import annotations

from os import PathLike
from typing import Any

from ..core.content import text_of
from ..synth.job import Report
from .render import render, write_page


def synth_report(report: Report) -> str:
    """The page of a report."""
    settings = [
        (name, str(value)) for name, value in report.settings.items() if value not in (None, "") and name != "files"
    ]
    return render(
        "synth.html.jinja",
        title=f"{report.title}: training data",
        r=report,
        settings=settings,
        samples=[_sample(g) for g in report.samples],
    )


def write_synth_report(path: str | PathLike[str], report: Report) -> None:
    """Write the page of a report to a file."""
    write_page(path, synth_report(report))


def _sample(group: Any) -> tuple[str, list[tuple[str, str]]]:
    """A group's query, and its first texts with their labels."""
    rows = sorted(zip(group.labels, group.texts), key=lambda row: -row[0])[:4]
    return text_of(group.query), [(f"{label:g}", text) for label, text in rows]
