"""An evaluation as HTML for notebooks: means with intervals, and differences from the baseline with what they are
worth."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .evaluation import Evaluation


def html_table(e: Evaluation) -> str:
    """Means with their intervals, a row a run; under each what it is above or below the baseline. A run is bold only
    where a test found it better than every other.

    >>> from anyrank.evaluate.evaluation import evaluate
    >>> e = evaluate({"a": {"q": ["x"]}}, {"q": {"x": 1}}, ["RR"])
    >>> "<td>1.0000" in html_table(e)
    True
    """
    head = "".join(f"<th>{escape(m)}</th>" for m in e.measures)
    winners = {m: e.winner(m) for m in e.measures}
    body = []
    for run in e.runs:
        cells = []
        for m in e.measures:
            s, c = e.summaries[run][m], e.compared(run, m)
            mean = f"<b>{s.mean:.4f}</b>" if winners[m] == run else f"{s.mean:.4f}"
            parts = [f"{mean} <small>[{s.low:.4f}, {s.high:.4f}]</small>"]
            if c is not None:
                p = "p < 0.0001" if c.corrected < 1e-4 else f"p = {c.corrected:.4f}"
                parts.append(f"<small>{c.difference:+.4f} [{c.low:+.4f}, {c.high:+.4f}], {p}</small>")
                parts.append(f"<small>{c.wins} better, {c.ties} level, {c.losses} worse</small>")
            cells.append(f"<td>{'<br>'.join(parts)}</td>")
        name = escape(run) + (" <small>(baseline)</small>" if run == e.baseline and len(e.runs) > 1 else "")
        body.append(f"<tr><th><bdi>{name}</bdi></th>{''.join(cells)}</tr>")
    level = f"{100 * (1 - e.alpha):g} %"
    note = f"{len(e.queries):,} judged queries; intervals at {level}"
    note += (
        f"; differences from {escape(str(e.baseline))}, p corrected ({escape(e.correction)})" if e.comparisons else ""
    )
    rows = "".join(body)
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table><p><small>{note}</small></p>"
