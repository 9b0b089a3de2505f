"""The report of an evaluation: one HTML file that loads nothing, with tables and charts of all runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from markupsafe import Markup

from ..core.content import text_of
from ..core.types import Ranking
from ..evaluate.comparisons import Comparison
from ..evaluate.evaluation import Evaluation
from ..evaluate.inputs import Judgements, Lists, Qrels, Run, Ties, lists, repeatable
from ..evaluate.leave_out import LeaveOut
from ..evaluate.tables import COSTS, legend, pair_cells
from .charts import Bar, Point, bars, scatter, whisker
from .rank_flow import DEPTH, rank_flow
from .render import render, write_page
from .svg import one_line

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
    leave_out: LeaveOut | None = None,
) -> str:
    """The page. ``runs`` and ``qrels`` are those that were evaluated; ``queries`` and ``texts`` give the texts of
    queries and documents by id, if the rankings don't hold them; ``leave_out`` what the evaluation left out. Charts
    show the evaluation's first measure."""
    measure = e.measures[0]
    charts = charts_of(e, runs, qrels, queries=queries, texts=texts, flows=flows, leave_out=leave_out)
    costs = {run: {} if cost is None else cost.as_row() for run, cost in e.costs.items()}
    return render(
        "comparison.html.jinja",
        title=title,
        e=e,
        measure=measure,
        verdict=_verdict(e),
        best={m: max(e.mean(run, m) for run in e.runs) for m in e.measures},
        ends=_ends(e),
        whiskers=_whiskers(e),
        legend=legend(e),
        pairs=pair_cells(e)[1] if e.pairs == "all" and len(e.runs) > 2 else [],
        differences=charts.differences,
        scatter=charts.scatter,
        untimed=[run for run in e.runs if run not in {p.name for p in _points(e)}],
        flows=[(label, chart) for _, label, chart in charts.flows],
        costs=costs,
        notes={run: [n for s in (cost.steps if cost else ()) for n in s.notes][:3] for run, cost in e.costs.items()},
        columns={k: COSTS[k] for k in COSTS if k not in PROBLEM_COSTS and any(row.get(k) for row in costs.values())},
        troubles=PROBLEM_COSTS,
        most={k: max(1, *(row.get(k) or 0 for row in costs.values())) for k in PROBLEM_COSTS},
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """A run against the baseline, query by query. ``gained`` and ``lost``: the queries that changed most, each with its
    difference and its text."""

    run: str
    comparison: Comparison | None
    chart: Markup
    gained: list[tuple[float, str]]
    lost: list[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Charts:
    """The charts of a report: differences from the baseline, quality against latency (None without timings), and rank
    flows, each with its query's id and a label."""

    differences: list[Difference]
    scatter: Markup | None
    flows: list[tuple[str, str, Markup]]


def charts_of(
    e: Evaluation,
    runs: Mapping[str, Run],
    qrels: Qrels,
    *,
    queries: Mapping[str, str] | None = None,
    texts: Mapping[str, str] | None = None,
    flows: int = FLOWS,
    leave_out: LeaveOut | None = None,
) -> Charts:
    """The charts of an evaluation; arguments as `report` has them."""
    readable = {name: repeatable(runs[name]) for name in e.runs}
    query_texts, document_texts = _texts(readable.values())
    query_texts |= {q: str(t)[:1000] for q, t in (queries or {}).items()}
    judgements = (leave_out or LeaveOut()).of_judgements(Judgements.of(qrels))
    orders = _orders(e, readable, judgements, leave_out)
    points = _points(e)
    return Charts(
        _differences(e, query_texts),
        scatter(points, e.measures[0]) if points else None,
        _flows(e, orders, judgements.grades, query_texts, document_texts if texts is None else texts, flows),
    )


def write_report(
    path: str | PathLike[str], e: Evaluation, runs: Mapping[str, Run], qrels: Qrels, **options: Any
) -> None:
    """The page of `report` written to a file, whole or not at all."""
    write_page(path, report(e, runs, qrels, **options))


def _orders(
    e: Evaluation, runs: Mapping[str, Run], judgements: Judgements, leave_out: LeaveOut | None
) -> dict[str, Lists]:
    """The lists of every run as they were measured."""
    ties: Ties = "trec_eval" if e.ties == "trec_eval" else "given"
    return {n: (leave_out or LeaveOut()).of_lists(lists(run, n, ties)[0], judgements) for n, run in runs.items()}


def _texts(runs: Iterable[Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The beginnings of the queries, and of the documents that a rank flow may show, by id."""
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    for run in runs:
        for ranking in run if isinstance(run, list) else ():
            if isinstance(ranking, Ranking):
                queries.setdefault(ranking.query.id, text_of(ranking.query.content)[:1000])
                for c in ranking.candidates[:DEPTH]:
                    if c.content is not None:
                        documents.setdefault(c.id, text_of(c.content)[:1000])
    return queries, documents


def _verdict(e: Evaluation) -> str:
    """The best run in words: a winner is named only where the test says so."""
    m = e.measures[0]
    best = e.best(m)
    highest = f"the highest mean {m}: {best} ({e.mean(best, m):.4f})"
    if len(e.runs) == 1:
        return f"{m} {e.mean(best, m):.4f}"
    if not e.comparisons:
        return f"{highest}; no test was made"
    if e.winner(m):
        return f"the best by {m}: {best} ({e.mean(best, m):.4f}), significantly better than every other run"
    below: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for run in e.runs:
        if run != best:
            comparison = e.between(best, run, m)
            below[None if comparison is None else comparison.significant].append(run)
    words = [f"significantly better than {_listed(below[True])}"] if below[True] else []
    words += [f"not significantly better than {_listed(below[False])}"] if below[False] else []
    words += [f"not compared with {_listed(below[None])}"] if below[None] else []
    return f"{highest}; {', '.join(words)}"


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(one_line(n, 60) for n in names[:most]) + more


def _ends(e: Evaluation) -> tuple[float, float]:
    """The common scale of the whiskers: the lowest and the highest end of all intervals."""
    summaries = [e.summaries[run][e.measures[0]] for run in e.runs]
    return min(s.low for s in summaries), max(s.high for s in summaries)


def _whiskers(e: Evaluation) -> dict[str, Markup]:
    summaries = {run: e.summaries[run][e.measures[0]] for run in e.runs}
    return {run: whisker(s.mean, s.low, s.high, *_ends(e)) for run, s in summaries.items()}


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
    qrels: Mapping[str, Mapping[str, int]],
    query_texts: Mapping[str, str],
    document_texts: Mapping[str, str],
    most: int,
) -> list[tuple[str, str, Markup]]:
    """Queries with labels and rank flows, those first on which the runs differ most."""
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
        out.append((q, label, chart))
    return out
