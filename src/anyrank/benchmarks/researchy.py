"""Researchy Questions with DeepResearchGym's judge: reports are judged, not rankings.

Rosset et al., "Researchy Questions", 2024, arXiv 2402.17896; judge: DeepResearchGym, arXiv 2505.19253. A system's
reports are files ``ID.q`` (the question) and ``ID.a`` (the report); the questions' key points ``ID_aggregated.json``.
`anyrank serve` has the gym's search interface, for agents that write such reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..io.records import json_lines
from .base import Benchmark, MissingData, Task
from .report_judge import Report, ReportJudge
from .report_scores import LABELS, citation_precision, citation_recall, key_point_rates, quality


@dataclass(frozen=True, slots=True)
class Judged:
    """The figures of a system's reports, means over the reports by name; ``reports`` their number, ``without`` that of
    reports whose question has no key points."""

    reports: int
    without: int
    figures: Mapping[str, float]


def read_reports(folder: Path) -> list[Report]:
    """The reports of a folder, by the names of their files. Raises MissingData if there is none, InputError on an
    ``ID.a`` without its ``ID.q``."""
    reports = []
    for path in sorted(folder.glob("*.a")):
        question = path.with_suffix(".q")
        if not question.is_file():
            raise InputError(f"{path.name} has no {question.name} with its question beside it", path=folder)
        query, answer = (p.read_text(encoding="utf-8").strip() for p in (question, path))
        reports.append(Report(path.stem, query, answer))
    if not reports:
        raise MissingData(f"no reports in {folder}: a report is two files, ID.q (the question) and ID.a (the report)")
    return reports


def read_key_points(folder: Path, ids: Sequence[str]) -> dict[str, list[str]]:
    """The key points of questions, of files ``ID_aggregated.json`` ({"points": ["…"]} or [{"point_content": "…"}])."""
    points: dict[str, list[str]] = {}
    for id in ids:
        path = folder / f"{id}_aggregated.json"
        if not path.is_file():
            continue
        ((_, record),) = list(json_lines(path)) or [(1, {})]
        rows = record.get("points") or []
        points[id] = [str(r["point_content"] if isinstance(r, dict) else r) for r in rows]
    if not points:
        raise MissingData(f"no key points in {folder}: {BENCHMARK.data}")
    return points


def judge(
    reports: Sequence[Report],
    judge: ReportJudge,
    points: Mapping[str, Sequence[str]],
    sources: Mapping[str, str],
) -> Judged:
    """The figures of reports: key points supported, omitted and contradicted, citation recall and precision, quality.
    ``sources`` are the texts of cited pages by URL; without any, precision isn't measured."""
    rates = key_point_rates(labels := judge.coverage(reports, points))
    claims = judge.claims(reports)
    rows = {f"key points {label}": rates[label] for label in LABELS}
    rows["citation recall"] = _mean(citation_recall([[urls for _, urls in row] for row in claims]))
    if sources:
        rows["citation precision"] = _mean(citation_precision(judge.supports(claims, sources)))
    ratings = judge.ratings(reports)
    rows["quality"] = _mean(quality(ratings))
    rows |= {c: _mean([r[c] / 10 for r in ratings]) for c in ratings[0]} if ratings else {}
    return Judged(len(reports), sum(not row for row in labels), rows)


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
