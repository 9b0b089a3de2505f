"""The report of an evaluation of peptides: quality, precision against coverage, and annotated spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from ....core.types import Ranking
from ....pages.charts import curves, series_colour, whisker
from ....pages.render import render
from ..accuracy import MEASURES, Scored, precision_coverage
from ..matching import NARROW, Tolerance
from .spectrum_chart import spectrum_chart

SPECTRA = 40
"""At most so many annotated spectra are put into a report."""
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
) -> str:
    """Render the report.

    ``tables``: the assessed predictions of every method over the same annotated spectra, ``values`` their measures and
    ``bounds`` the measures' intervals; ``ranked``: the rankings of ``method``, whose spectra are drawn, wrong answers
    first; ``oracle``: the share of spectra with the true peptide among the candidates.
    """
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
            {name: _curve(table) for name, table in tables.items()},
            "Peptide precision against coverage",
            "coverage (predictions kept, by falling score)",
        ),
        colours=[(series_colour(i), name) for i, name in enumerate(tables)],
        spectra=_spectra(ranked, tolerance),
    )


def _curve(table: Sequence[Scored]) -> list[tuple[float, float]]:
    coverage, precision = precision_coverage([s.matched for s in table], [s.score for s in table])
    return list(zip(coverage.tolist(), precision.tolist()))


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
