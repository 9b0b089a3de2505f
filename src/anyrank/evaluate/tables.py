"""Tables of an evaluation as text: for terminals, Markdown, LaTeX, CSV and JSON, all from one list of rows."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from .evaluation import Evaluation

Row = dict[str, Any]
UP, DOWN, SAME = "▲", "▼", "≈"
COSTS = {
    "ms": ("ms/query", "{:.1f}"),
    "calls": ("calls/query", "{:.1f}"),
    "tokens": ("tokens/query", "{:.0f}"),
    "truncated": ("truncated", "{:.0f}"),
    "repaired": ("repaired", "{:.0f}"),
    "fallback": ("fallback", "{:.0f}"),
    "cached": ("cached", "{:.0f}"),
    "peak_mb": ("peak MB", "{:.0f}"),
}  # fmt: skip
"""The columns of a run's cost: their heading and the format of their numbers, by the name in `Cost.as_row`."""
COMPARED = ("difference", "p", "corrected", "significant", "wins", "ties", "losses", "effect", "detectable")
"""The columns of each measure's comparison with the baseline."""
TESTS = {
    "t": "paired t-test",
    "randomisation": "Fisher's paired randomisation test",
    "wilcoxon": "Wilcoxon signed-rank test",
    "tukey": "Tukey's HSD test of all pairs",
}
CORRECTIONS = {"bh": "Benjamini-Hochberg", "holm": "Holm", "bonferroni": "Bonferroni"}


def rows(e: Evaluation) -> list[Row]:
    """One flat row per run: each measure's mean and interval, its comparison with the baseline, judged share and
    cost."""
    out = []
    for run in e.runs:
        row: Row = {"run": run, "baseline": run == e.baseline}
        for m in e.measures:
            s, c = e.summaries[run][m], e.compared(run, m)
            row |= {m: s.mean, f"{m} low": s.low, f"{m} high": s.high}
            if e.comparisons:
                shown = COMPARED if e.margin is None else (*COMPARED, "equivalence", "equivalent")
                row |= {f"{m} {name}": None if c is None else getattr(c, name) for name in shown}
        row |= {e.judged_name + " (answered)": e.judged[run]}
        row |= {"queries": len(e.queries), "unanswered": len(e.unanswered[run]), "unjudged": len(e.unjudged[run])}
        cost = e.costs[run]
        out.append(row | (dict.fromkeys(COSTS) if cost is None else cost.as_row()))
    return out


def query_rows(e: Evaluation) -> list[Row]:
    """One row per query and run, with the value of every measure."""
    return [
        {"query": q, "run": r, **{m: e.values[r][m][i] for m in e.measures}}
        for i, q in enumerate(e.queries)
        for r in e.runs
    ]


def pair_rows(e: Evaluation) -> list[Row]:
    """One row per comparison."""
    return [{"measure": c.measure, **{k: v for k, v in asdict(c).items() if k != "measure"}} for c in e.comparisons]


def legend(e: Evaluation) -> list[str]:
    """Notes to read beside the numbers, a sentence or two each: tests, intervals, and the queries left out."""
    level = f"{100 * (1 - e.alpha):g}%"
    out = [
        f"{len(e.queries)} queries. {level} intervals: bootstrap "
        f"({'BCa' if e.interval == 'bca' else e.interval}, {e.samples:,} samples, seed {e.seed})."
    ]
    if e.comparisons:
        test = TESTS.get(e.test, e.test)
        k = len({(c.run, c.baseline) for c in e.comparisons})
        correction = "" if e.correction == "none" else f"{CORRECTIONS.get(e.correction, e.correction)} correction"
        over = f"over {k} comparison{'s' * (k > 1)} a measure"
        how = f"corrected {over} by itself" if e.test == "tukey" else f"{correction or 'no correction'} {over}"
        out.append(
            f"{UP} better, {DOWN} worse than {e.baseline}: two-sided {test}, {how}, alpha {e.alpha:g}. "
            "p is the corrected one; W/T/L: queries won, tied, lost."
        )
        if e.margin is not None:
            same = f"two one-sided t-tests, margin {e.margin:g}, {correction or 'no correction'}"
            out.append(f"{SAME} equivalent to {e.baseline}: the difference is shown to be within the margin ({same}).")
        if len(e.runs) > 1:
            m = e.measures[0]
            winner = e.winner(m)
            out.append(
                f"{winner} is significantly better than every other run by {m}."
                if winner
                else f"No run is shown to be better than every other one by {m}"
                + (" (not all pairs were compared)." if e.pairs != "all" and len(e.runs) > 2 else ".")
            )
        small = []
        for m in e.measures:
            sizes = [c.detectable for c in e.comparisons if c.measure == m and c.detectable is not None]
            small += [f"{m} {statistics.median(sizes):.4f}"] if sizes else []
        if small:
            out.append(
                f"Smallest difference that these queries would detect (power 0.8, alpha {e.alpha:g}, uncorrected"
                f"{', median of the comparisons' * (k > 1)}): {', '.join(small)}."
            )
    out.append(
        f"{e.judged_name}: share of the results looked at that have a judgement; the others count as not relevant."
    )
    out += e.changes
    if counts := [m for m in e.measures if m.startswith(("NumQ", "NumRel", "NumRet"))]:
        out.append(f"{', '.join(counts)}: means over the queries (trec_eval sums counts).")
    out += [f"{r}: no results for {_some(q)}; they count 0." for r, q in e.unanswered.items() if q]
    out += [f"{r}: no judgements for {_some(q)}; left out." for r, q in e.unjudged.items() if q]
    how = "by id, as trec_eval does" if e.ties == "trec_eval" else "in the order given (trec_eval: by id)"
    out += [f"{r}: equal scores in {n} of its queries, ordered {how}." for r, n in e.tied.items() if n]
    if any(e.costs.values()) and not any(
        c and (u := c.usage).truncated + u.repaired + u.fallback for c in e.costs.values()
    ):
        out.append("While ranking, nothing was truncated, repaired or passed through unjudged.")
    return out


def _some(queries: Sequence[str], most: int = 5) -> str:
    more = len(queries) - most
    return f"{len(queries)} quer{'y' if len(queries) == 1 else 'ies'} ({', '.join(queries[:most])}{', …' * (more > 0)})"


def render(e: Evaluation, format: str = "text") -> str:
    """The table in the named format."""
    if format not in FORMATS:
        raise InputError(f"no table format {format!r}: {', '.join(FORMATS)}")
    return FORMATS[format](e)


def _cells(e: Evaluation, strong: Callable[[str], str], mark: dict[str, str]) -> tuple[list[str], list[list[str]]]:
    """Header and lines of cells: the first measure with interval and p, the others with their marks, then cost.
    ``strong`` marks the best values; ``mark`` replaces `UP`, `DOWN` and "" (no significant difference)."""
    table = rows(e)
    first = e.measures[0]
    costs = [k for k in COSTS if any(row[k] for row in table)]
    extra = [f"{100 * (1 - e.alpha):g}% CI"] + (["diff", "p", "W/T/L"] if e.comparisons else [])
    header = ["run", first, *extra, *e.measures[1:], e.judged_name, *(COSTS[k][0] for k in costs)]
    best = {m: max(f"{row[m]:.4f}" for row in table) for m in e.measures}
    lines = []
    for row in table:

        def value(m: str, row: Row = row) -> str:
            text = f"{row[m]:.4f}"
            sign = (UP if row[f"{m} difference"] > 0 else DOWN) if row.get(f"{m} significant") else ""
            sign = sign or (SAME if row.get(f"{m} equivalent") else "")
            return (strong(text) if text == best[m] and len(table) > 1 else text) + mark.get(sign, sign)

        line = [row["run"], value(first), f"{row[first + ' low']:.3f}–{row[first + ' high']:.3f}"]
        if e.comparisons and row["baseline"]:
            line += ["baseline", "", ""]
        elif e.comparisons:
            p = row[f"{first} corrected"]
            line += [f"{row[first + ' difference']:+.4f}", "<0.001" if p < 0.001 else f"{p:.3f}"]
            line.append("/".join(str(row[f"{first} {k}"]) for k in ("wins", "ties", "losses")))
        line += [value(m) for m in e.measures[1:]] + [f"{row[e.judged_name + ' (answered)']:.3f}"]
        line += ["–" if row[k] is None else COSTS[k][1].format(row[k]) for k in costs]
        lines.append(line)
    return header, lines


def _text(e: Evaluation) -> str:
    """Two tables, so that neither is too wide for a terminal: quality, and cost if it is known."""
    header, lines = _cells(e, str, {"": " "} if e.comparisons else {})
    end = header.index(e.judged_name) + 1
    parts = [_tabulate(header[:end], [line[:end] for line in lines], "simple")]
    if len(header) > end:
        parts.append(_tabulate([header[0], *header[end:]], [[line[0], *line[end:]] for line in lines], "simple"))
    if e.pairs == "all" and len(e.runs) > 2:
        parts.append(_tabulate(*pair_cells(e), "simple"))
    return "\n\n".join([*parts, "\n".join(legend(e))]) + "\n"


def pair_cells(e: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Header and lines of the comparisons of all pairs by the first measure, those of the least p first."""
    m = e.measures[0]
    header = [f"pair, by {m}", "diff", f"{100 * (1 - e.alpha):g}% CI", "p", "W/T/L"]
    lines = []
    for c in sorted((c for c in e.comparisons if c.measure == m), key=lambda c: c.corrected):
        over, under = (c.run, c.baseline) if c.difference >= 0 else (c.baseline, c.run)
        turned = c.difference < 0
        low, high = (-c.high, -c.low) if turned else (c.low, c.high)
        won = (c.losses, c.ties, c.wins) if turned else (c.wins, c.ties, c.losses)
        sign = ">" if c.significant else SAME if c.equivalent else "-"
        p = "<0.001" if c.corrected < 0.001 else f"{c.corrected:.3f}"
        interval = f"{low:+.3f} to {high:+.3f}"
        lines.append([f"{over} {sign} {under}", f"{abs(c.difference):+.4f}", interval, p, "/".join(map(str, won))])
    return header, lines


def _markdown(e: Evaluation) -> str:
    def safe(text: str) -> str:
        return text.replace("|", r"\|").replace("\n", " ")

    header, lines = _cells(e, lambda t: f"**{t}**", {})
    tables = [(header, lines), *([pair_cells(e)] if e.pairs == "all" and len(e.runs) > 2 else [])]
    table = "\n\n".join(
        _tabulate([safe(h) for h in hs], [[safe(c) for c in r] for r in rs], "pipe") for hs, rs in tables
    )
    return table + "\n\n" + "\n".join(f"- {line}" for line in legend(e)) + "\n"


def _tabulate(header: list[str], lines: list[list[str]], style: str) -> str:
    try:
        from tabulate import tabulate
    except ImportError as error:
        raise MissingExtra("tabulate", extra="eval") from error
    align = ("left", *["right"] * (len(header) - 1))
    return str(tabulate(lines, header, tablefmt=style, disable_numparse=True, colalign=align))


_TEX = {c: "\\" + c for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}"}
_TEX |= {
    "–": "--",
    "…": r"\ldots{}",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    UP: r"$\uparrow$",
    DOWN: r"$\downarrow$",
    SAME: r"$\approx$",
}


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in text)


def _latex(e: Evaluation) -> str:
    header, lines = _cells(e, lambda t: f"\0{t}\1", {UP: "\2", DOWN: "\3", SAME: "\4"})
    special = {"\4": r"$^{\approx}$", "\0": r"\textbf{", "\1": "}", "\2": r"$^{\uparrow}$", "\3": r"$^{\downarrow}$"}

    def line(cells: list[str]) -> str:
        return " & ".join("".join(special.get(c, _tex(c)) for c in cell) for cell in cells) + r" \\"

    body = [r"\begin{tabular}{l" + "r" * (len(header) - 1) + "}", r"\toprule", line(header), r"\midrule"]
    body += [
        *map(line, lines),
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"{\footnotesize " + _tex(" ".join(legend(e))) + "}",
    ]
    return "\n".join(["% needs \\usepackage{booktabs}", *body]) + "\n"


def to_csv(table: Sequence[Row]) -> str:
    """Rows as CSV with a header; None is an empty field."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return out.getvalue()


def _json(e: Evaluation) -> str:
    text = json.dumps(e.as_dict() | {"table": rows(e)}, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # an id with half of a surrogate pair, which no file can hold as it is
        return json.dumps(json.loads(text), allow_nan=False)
    return text


FORMATS: dict[str, Callable[[Evaluation], str]] = {
    "text": _text,
    "markdown": _markdown,
    "latex": _latex,
    "csv": lambda e: to_csv(rows(e)),
    "queries": lambda e: to_csv(query_rows(e)),
    "pairs": lambda e: to_csv(pair_rows(e)) if e.comparisons else "",
    "json": _json,
}
