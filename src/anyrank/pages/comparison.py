"""The report of an evaluation: one HTML file that loads nothing, with tables and charts of all runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

from markupsafe import Markup

from ..core.content import text_of
from ..core.types import Ranking
from ..evaluate.evaluation import Comparison, Evaluation
from ..evaluate.inputs import Lists, Qrels, Run, lists
from ..evaluate.tables import COSTS, legend
from .charts import Bar, Point, bars, scatter, whisker
from .rank_flow import DEPTH, rank_flow
from .render import render, write_page

FLOWS = 60
"""The most queries whose rank flows a report shows: those on which the runs differ most."""
PROBLEM_COSTS = {"truncated": "truncated", "repaired": "repaired", "fallback": "fell back"}
"""The costs that are drawn as bars, and their column headings."""


def report(
    e: Evaluation,
    runs: Mapping[str, Run],
    qrels: Qrels,
    *,
    title: str = "Evaluation",
    queries: Mapping[str, str] | None = None,
    texts: Mapping[str, str] | None = None,
    flows: int = FLOWS,
) -> str:
    """The page. ``runs`` and ``qrels`` are those that were evaluated; ``queries`` and ``texts`` give the texts of
    queries and documents by id, if the rankings don't hold them. Charts show the evaluation's first measure."""
    repeatable = {name: run if isinstance(run, Mapping) else list(run) for name, run in runs.items()}
    query_texts, document_texts = _texts(repeatable.values())
    query_texts |= {q: str(t)[:1000] for q, t in (queries or {}).items()}
    orders = {name: lists(run, name, e.ties)[0] for name, run in repeatable.items()}  # type: ignore[arg-type]
    measure, points = e.measures[0], _points(e)
    costs = {run: {} if cost is None else cost.as_row() for run, cost in e.costs.items()}
    return render(
        "comparison.html.jinja",
        title=title,
        e=e,
        measure=measure,
        best_run=max(e.runs, key=lambda run: e.mean(run, measure)),
        best={m: max(e.mean(run, m) for run in e.runs) for m in e.measures},
        ends=_ends(e),
        whiskers=_whiskers(e),
        legend=legend(e),
        differences=_differences(e, query_texts),
        scatter=scatter(points, measure) if points else None,
        untimed=[run for run in e.runs if run not in {p.name for p in points}],
        flows=_flows(e, orders, qrels, query_texts, document_texts if texts is None else texts, flows),
        costs=costs,
        notes={run: [n for s in (cost.steps if cost else ()) for n in s.notes][:3] for run, cost in e.costs.items()},
        columns={k: COSTS[k] for k in COSTS if k not in PROBLEM_COSTS and any(row.get(k) for row in costs.values())},
        troubles=PROBLEM_COSTS,
        most={k: max(1, *(row.get(k) or 0 for row in costs.values())) for k in PROBLEM_COSTS},
    )


def write_report(
    path: str | PathLike[str], e: Evaluation, runs: Mapping[str, Run], qrels: Qrels, **options: Any
) -> None:
    """The page of `report` written to a file, whole or not at all."""
    write_page(path, report(e, runs, qrels, **options))


def _texts(runs: Iterable[Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The beginnings of the queries, and of the documents that a rank flow may show, by id."""
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    for run in runs:
        for ranking in run if not isinstance(run, Mapping) else ():
            if isinstance(ranking, Ranking):
                queries.setdefault(ranking.query.id, text_of(ranking.query.content)[:1000])
                for c in ranking.candidates[:DEPTH]:
                    if c.content is not None:
                        documents.setdefault(c.id, text_of(c.content)[:1000])
    return queries, documents


def _ends(e: Evaluation) -> tuple[float, float]:
    """The common scale of the whiskers: the lowest and the highest end of all intervals."""
    summaries = [e.summaries[run][e.measures[0]] for run in e.runs]
    return min(s.low for s in summaries), max(s.high for s in summaries)


def _whiskers(e: Evaluation) -> dict[str, Markup]:
    summaries = {run: e.summaries[run][e.measures[0]] for run in e.runs}
    return {run: whisker(s.mean, s.low, s.high, *_ends(e)) for run, s in summaries.items()}


@dataclass(frozen=True, slots=True)
class Difference:
    """A run against the baseline, query by query. ``gained`` and ``lost``: the queries that changed most, each with its
    difference and its text."""

    run: str
    comparison: Comparison | None
    chart: Markup
    gained: list[tuple[float, str]]
    lost: list[tuple[float, str]]


def _differences(e: Evaluation, query_texts: Mapping[str, str]) -> list[Difference]:
    """Every other run against the baseline, the best first; empty without comparisons."""
    if not e.comparisons:
        return []
    m, base = e.measures[0], e.baseline or ""
    out = []
    for run in sorted((r for r in e.runs if r != base), key=lambda r: -e.mean(r, m)):
        triples = list(zip(e.queries, e.values[base][m], e.values[run][m]))
        labels = {q: f"{q} {query_texts.get(q, '')}" for q in e.queries}
        chart = bars(
            [Bar(b - a, f"{labels[q][:160]}: {a:.4f} → {b:.4f} ({b - a:+.4f})") for q, a, b in triples],
            f"{m} of {run} less {base}, by query",
        )
        changes = sorted(((b - a, labels[q]) for q, a, b in triples), key=lambda change: -change[0])
        gained = [change for change in changes[:5] if change[0] > 0]
        lost = [change for change in changes[:-6:-1] if change[0] < 0]
        out.append(Difference(run, e.compared(run, m), chart, gained, lost))
    return out


def _points(e: Evaluation) -> list[Point]:
    """Quality against latency of the runs that hold timings."""
    points = []
    for run, cost in e.costs.items():
        if cost is not None and cost.ms > 0:
            s = e.summaries[run][e.measures[0]]
            points.append(Point(run, cost.ms, s.mean, s.low, s.high))
    return points


def _flows(
    e: Evaluation,
    orders: Mapping[str, Lists],
    qrels: Qrels,
    query_texts: Mapping[str, str],
    document_texts: Mapping[str, str],
    most: int,
) -> list[tuple[str, Markup]]:
    """Labels and rank flows of queries, those first on which the runs differ most."""
    m = e.measures[0]
    values = {q: [e.values[run][m][i] for run in e.runs] for i, q in enumerate(e.queries)}
    out = []
    for q in sorted(values, key=lambda q: min(values[q]) - max(values[q]))[:most]:
        label = f"{q} {query_texts.get(q, '')} ({min(values[q]):.2f} to {max(values[q]):.2f})"
        chart = rank_flow(
            {run: orders[run].get(q, []) for run in e.runs},
            qrels[q],
            lambda doc: document_texts.get(doc, ""),
            {run: f"{value:.3f}" for run, value in zip(e.runs, values[q])},
            f"The best {DEPTH} documents of query {q}, run by run",
        )
        out.append((label, chart))
    return out
