"""Researchy Questions with DeepResearchGym's judge: reports are judged, not rankings.

Rosset et al., "Researchy Questions", 2024, arXiv 2402.17896; judge: DeepResearchGym, arXiv 2505.19253. A system's
reports are files ``ID.q`` (the question) and ``ID.a`` (the report); the questions' key points ``ID_aggregated.json``.
`anyrank serve` has the gym's search interface, for agents that write such reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import InputError, ModelError, quoted
from ..io.files import texts
from ..io.records import json_lines
from .base import Benchmark, MissingData, Task
from .report_judge import Report, ReportJudge
from .report_scores import LABELS, citation_precision, citation_recall, key_point_rates, quality


@dataclass(frozen=True, slots=True)
class Judged:
    """The figures of a system's reports, means over the reports by name; ``reports`` their number, ``without`` that of
    reports whose question has no key points. ``answers`` counts the judge's answers by kind (read, unreadable,
    failed): figures with many of the latter two say little."""

    reports: int
    without: int
    figures: Mapping[str, float]
    answers: Mapping[str, int] = field(default_factory=dict)


def read_reports(folder: Path) -> list[Report]:
    """The reports of a folder, by the names of their files. Raises MissingData if there is none, InputError on an
    ``ID.a`` without its ``ID.q``, on an empty question and on a file that can't be read."""
    reports = []
    for path in sorted(folder.glob("*.a")):
        question = path.with_suffix(".q")
        if not question.is_file():
            raise InputError(f"{path.name} has no {question.name} with its question beside it", path=folder)
        query, answer = _text(question), _text(path)
        if not query:
            raise InputError("the question is empty", path=question)
        reports.append(Report(path.stem, query, answer))
    if not reports:
        raise MissingData(f"no reports in {folder}: a report is two files, ID.q (the question) and ID.a (the report)")
    return reports


def _text(path: Path) -> str:
    return "".join(line for _, line in texts(path)).strip()


def read_key_points(folder: Path, ids: Sequence[str]) -> dict[str, list[str]]:
    """The key points of questions, of files ``ID_aggregated.json``: {"points": ["…"]}, where a point may be
    {"point_content": "…"}, or a list of these. Raises MissingData if no question has any, InputError on
    a file of another form."""
    points: dict[str, list[str]] = {}
    for id in ids:
        path = folder / f"{id}_aggregated.json"
        if not path.is_file():
            continue
        points[id] = [_point(row, path) for row in _rows(path)]
    if not any(points.values()):
        raise MissingData(f"no key points in {folder}: {BENCHMARK.data}")
    return points


def _rows(path: Path) -> list[Any]:
    """The key points of a file, each a text or an object."""
    records = [record for _, record in json_lines(path)]
    if len(records) == 1 and "points" in records[0]:
        rows = records[0]["points"]
        if not isinstance(rows, list):
            raise InputError(f"points is {type(rows).__name__}: expected a list", path=path)
        return rows
    return records


def _point(row: Any, path: Path) -> str:
    text = row.get("point_content") if isinstance(row, Mapping) else row
    if not isinstance(text, str) or not text.strip():
        raise InputError(f'a key point is {quoted(row)}: expected a text, or {{"point_content": "…"}}', path=path)
    return text


def judge(
    reports: Sequence[Report],
    judge: ReportJudge,
    points: Mapping[str, Sequence[str]],
    sources: Mapping[str, str],
) -> Judged:
    """The figures of reports: key points supported, omitted and contradicted, citation recall and precision, quality.
    ``sources`` are the texts of cited pages by URL; without any, precision isn't measured. Raises ModelError if the
    judge answered nothing at all."""
    rates = key_point_rates(labels := judge.coverage(reports, points))
    claims = judge.claims(reports)
    rows = {f"key points {label}": rates[label] for label in LABELS}
    rows["citation recall"] = _mean(citation_recall([[urls for _, urls in row] for row in claims]))
    if sources:
        rows["citation precision"] = _mean(citation_precision(judge.supports(claims, sources)))
    ratings = judge.ratings(reports)
    rows["quality"] = _mean(quality(ratings))
    rows |= {c: _mean([r[c] / 10 for r in ratings]) for c in ratings[0]} if ratings else {}
    if judge.counts["failed"] and judge.counts["failed"] == judge.counts.total():
        raise ModelError(f"the judge gave no answer to {judge.counts.total()} requests: {judge.errors[0]}")
    return Judged(len(reports), sum(not row for row in labels), rows, dict(judge.counts))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def load(folder: Path) -> Iterator[Task]:
    """Raises InputError: reports are judged by another command."""
    raise InputError("researchy judges written reports, not rankings: anyrank bench reports FOLDER --model MODEL")


BENCHMARK = Benchmark(
    name="researchy",
    title="Researchy Questions, judged as in DeepResearchGym",
    arxiv="2505.19253",
    summary="written reports: key points covered, citations, quality (anyrank bench reports)",
    data="the folder key_point/ of DeepResearchGym (ID_aggregated.json), and a system's reports as ID.q and ID.a",
    load=load,
)
