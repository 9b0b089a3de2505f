"""The tables of the report: quality with intervals; cost, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .charts import esc, tag, whisker
from .evaluation import Evaluation
from .tables import COSTS, DOWN, UP, legend, rows


def quality(e: Evaluation) -> str:
    """The quality of every run with its interval and comparison, and the legend."""
    table, first = rows(e), e.measures[0]
    start, end = min(r[f"{first} low"] for r in table), max(r[f"{first} high"] for r in table)
    compared = ["difference", "p", "W/T/L"] if e.comparisons else []
    names = [
        "run",
        first,
        f"{100 * (1 - e.alpha):g}% interval, {start:.2f} to {end:.2f}",
        *compared,
        *e.measures[1:],
        e.judged_name,
    ]
    lines = [tag("tr", *(tag("th", esc(n), scope="col") for n in names))]
    for row in table:
        cells = [tag("th", esc(row["run"], 60), scope="row"), _value(row, first, table)]
        cells.append(tag("td", whisker(row[first], row[f"{first} low"], row[f"{first} high"], start, end)))
        if compared and row["baseline"]:
            cells += [tag("td", "baseline"), tag("td"), tag("td")]
        elif compared:
            p = row[f"{first} corrected"]
            wtl = "/".join(str(row[f"{first} {k}"]) for k in ("wins", "ties", "losses"))
            diff = f"{row[f'{first} difference']:+.4f}"
            cells += [tag("td", diff), tag("td", "&lt;0.001" if p < 0.001 else f"{p:.3f}"), tag("td", wtl)]
        cells += [_value(row, m, table) for m in e.measures[1:]]
        cells.append(tag("td", f"{row[e.judged_name + ' (answered)']:.3f}"))
        lines.append(tag("tr", *cells))
    notes = tag("ul", *(tag("li", esc(x, 600)) for x in legend(e)), class_="legend")
    return tag("div", tag("table", *lines), class_="scroll") + notes


def _value(row: Mapping[str, Any], m: str, table: Sequence[Mapping[str, Any]]) -> str:
    best = row[m] >= max(r[m] for r in table) - 5e-5 and len(table) > 1
    sign = ""
    if row.get(f"{m} significant"):
        better = row[f"{m} difference"] > 0
        sign = tag("span", UP if better else DOWN, class_="up" if better else "down")
    return tag("td", f"{row[m]:.4f}", sign, class_="best" if best else "")


def cost(e: Evaluation) -> str:
    """What every run cost; troubles as bars: texts cut, answers mended, groups not judged, results unknown to the
    judgements. Stages with their milliseconds a query, and what they noted."""
    table = rows(e)
    plain = [k for k in COSTS if k not in _TROUBLES and any(r[k] for r in table)]
    most = {k: max((r[k] or 0 for r in table), default=0) for k in _TROUBLES}
    names = (
        "run",
        *(COSTS[k][0] for k in plain),
        *_TROUBLES.values(),
        "not judged",
        "stages (ms a query), notes",
    )
    lines = [tag("tr", *(tag("th", esc(n), scope="col", class_="words" if n == names[-1] else "") for n in names))]
    for row in table:
        spent = e.costs[row["run"]]
        cells = [tag("th", esc(row["run"], 60), scope="row")]
        cells += [tag("td", "–" if row[k] is None else COSTS[k][1].format(row[k])) for k in plain]
        for k in _TROUBLES:
            cells.append(_bar((row[k] or 0) / max(most[k], 1), "–" if row[k] is None else f"{row[k]:,}", "bar"))
        unjudged = 1 - row[f"{e.judged_name} (answered)"]
        cells.append(_bar(unjudged, f"{100 * unjudged:.1f}%", "bar fine"))
        said = (
            [] if spent is None else [f"{s.name} {1000 * s.seconds / max(spent.queries, 1):.1f}" for s in spent.steps]
        )
        notes = [] if spent is None else [f"“{n[:120]}”" for s in spent.steps for n in s.notes]
        cells.append(tag("td", esc("; ".join(said + notes[:3]) or "no trace", 400), class_="words"))
        lines.append(tag("tr", *cells))
    return tag("div", tag("table", *lines), class_="scroll")


_TROUBLES = {"truncated": "truncated", "repaired": "repaired", "fallback": "fell back"}


def _bar(share: float, said: str, kind: str) -> str:
    drawn = tag("span", class_=kind, style=f"width:{60 * share:.0f}px") if share > 1e-9 else ""
    return tag("td", drawn, said)
