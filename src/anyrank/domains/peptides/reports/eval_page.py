"""The report of an evaluation of peptides: quality, precision against coverage, and annotated spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from ....core.types import Ranking
from ....pages.charts import curves, series_colour, whisker
from ....pages.render import render
from ..accuracy import MEASURES, Part, Scored, aa_precision_recall, precision_coverage
from ..matching import NARROW, Tolerance
from .spectrum_chart import spectrum_chart

SPECTRA = 40
"""At most so many annotated spectra are put into a report."""
CURVES = 4
"""At most so many curves are drawn."""
FIRST = "peptide_recall"
"""The measure whose intervals are drawn."""


def eval_page(
    tables: Mapping[str, Sequence[Scored]],
    ranked: Sequence[Ranking],
    *,
    title: str,
    method: str,
    oracle: float,
    values: Mapping[str, Mapping[str, float]],
    bounds: Mapping[str, Mapping[str, tuple[float, float]]],
    tolerance: Tolerance = NARROW,
    best: str = "",
    changes: Mapping[str, Mapping[str, float]] | None = None,
    change_bounds: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
    parts: Mapping[str, Sequence[Part]] | None = None,
) -> str:
    """Render the report.

    ``tables``: the assessed predictions of every method over the same annotated spectra, ``values`` their measures and
    ``bounds`` the measures' intervals; ``ranked``: the rankings of ``method``, whose spectra are drawn, wrong answers
    first; ``oracle``: the share of spectra with the true peptide among the candidates. ``changes`` and
    ``change_bounds``: the differences of the other methods from ``best``, the best engine; ``parts``: the accuracy of
    ``method`` by kinds of spectra (see `accuracy.by_part`).
    """
    # Eleven nearly equal lines tell nothing: drawn are the best engine, the drawn method and the best others.
    order = sorted(tables, key=lambda m: -values[m]["auc"])
    shown = list(dict.fromkeys([m for m in (best, method) if m in tables] + order))[:CURVES]
    ends = min(b[FIRST][0] for b in bounds.values()), max(b[FIRST][1] for b in bounds.values())
    return render(
        "eval.html.jinja",
        package=__package__,
        title=title,
        method=method,
        oracle=oracle,
        spectra_count=len(next(iter(tables.values()))),
        first=FIRST,
        others=[m for m in MEASURES if m != FIRST],
        ends=ends,
        values=values,
        bounds=bounds,
        whiskers={name: whisker(values[name][FIRST], *bounds[name][FIRST], *ends) for name in values},
        curves=curves(
            {name: _curve(tables[name]) for name in shown},
            "Peptide precision against coverage",
            "coverage (predictions kept, by falling score)",
        ),
        colours=[(series_colour(i), name) for i, name in enumerate(shown)],
        left_out=len(tables) - len(shown),
        aa_curves=curves(
            {name: _aa_curve(tables[name]) for name in shown},
            "Amino-acid precision against recall",
            "amino-acid recall (predictions kept, by falling score)",
        ),
        best=best,
        difference_rows=_differences(changes or {}, change_bounds or {}),
        measures=MEASURES,
        parts={kind: [_part(p) for p in rows] for kind, rows in (parts or {}).items()},
        spectra=_spectra(ranked, tolerance),
    )


def _curve(table: Sequence[Scored]) -> list[tuple[float, float]]:
    coverage, precision = precision_coverage([s.matched for s in table], [s.score for s in table])
    return list(zip(coverage.tolist(), precision.tolist()))


def _aa_curve(table: Sequence[Scored]) -> list[tuple[float, float]]:
    recall, precision = aa_precision_recall(table)
    return list(zip(recall.tolist(), precision.tolist()))


def _differences(
    changes: Mapping[str, Mapping[str, float]], bounds: Mapping[str, Mapping[str, tuple[float, float]]]
) -> list[list[str]]:
    """A row a method: its differences with their intervals."""
    return [
        [name, *(f"{row[m]:+.4f} ({bounds[name][m][0]:+.3f} to {bounds[name][m][1]:+.3f})" for m in MEASURES)]
        for name, row in changes.items()
    ]


def _part(p: Part) -> list[str]:
    return [p.label, f"{p.spectra:,}", f"{p.aa_precision:.3f}", f"{p.peptide_recall:.3f}"]


def _spectra(ranked: Sequence[Ranking], tolerance: Tolerance) -> list[tuple[str, Markup]]:
    """Labels and charts of spectra with candidates: the chosen peptide against the true one if they differ, else
    against the second."""
    charts = []
    for r in sorted((r for r in ranked if len(r)), key=_right)[:SPECTRA]:
        best, truth = r[0], r.query.content.peptide
        verdict = "no annotation" if truth is None else "right" if _right(r) else "wrong"
        rival = ("the rival", r[1].content) if len(r) > 1 else None
        if verdict == "wrong":
            rival = ("the true peptide", truth)
        caption = f"chosen ({verdict}), score {best.score:.4g}"
        chart = spectrum_chart(r.query.content, (caption, best.content), rival, tolerance)
        charts.append((f"{r.query.id}: {best.content}, {verdict}", chart))
    return charts


def _right(r: Ranking) -> bool:
    truth = r.query.content.peptide
    return truth is not None and r[0].id == truth.key
