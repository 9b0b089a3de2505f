"""Drawings of peptides: a spectrum annotated by a candidate, mirrored by its rival's; precision against coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...evaluate.charts import WIDTH, esc, line, svg, tag, text, ticks
from .accuracy import Scored, precision_coverage
from .matching import NARROW, Match, Tolerance, match
from .peptide import Peptide
from .spectrum import Spectrum

COLOURS = (
    "#1b62c4", "#c4560a", "#2f8a40", "#9a4bb0", "#b58900", "#0f9b9b", "#c2417c", "#7d8794", "#8a5a2b", "#6a7ff0",
    "#6f8f00", "#e0704f",
)  # fmt: skip
POINTS = 500
"""A curve is drawn by at most so many of its points."""
_LEFT, _RIGHT, _TALL = 56.0, WIDTH - 16.0, 150.0


def mirrored(
    spectrum: Spectrum,
    above: tuple[str, Peptide],
    below: tuple[str, Peptide] | None = None,
    tolerance: Tolerance = NARROW,
) -> str:
    """A spectrum explained by a candidate (upwards) and by its rival (downwards); each with a name to be told by.
    Peaks that are y ions are drawn as one colour, b ions as another, with the names of the highest."""
    shown = spectrum.prepared(peaks=200, precursor=0.0)
    top = float(shown.intensity.max()) if len(shown) else 1.0
    high = float(shown.mz.max()) if len(shown) else 100.0
    middle = 86.0 + _TALL

    def x(mz: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * mz / (high * 1.02)

    ground = middle + _TALL + (86 if below else 24)
    marks = [line(_LEFT, middle, _RIGHT, middle, "zero"), text(_RIGHT, ground, "m/z", "note", "end")]
    for v in ticks(0, high, 10):
        marks.append(text(x(v), ground, f"{v:g}", "tick", "middle"))
    for sign, said in ((-1.0, above), (1.0, below)):
        if said is None:
            continue
        found = match(shown, said[1], tolerance)
        names = ion_names(found)
        drawn, taken = [], list[float]()
        for i in sorted(range(len(shown)), key=lambda i: -shown.intensity[i]):
            tall = _TALL * float(shown.intensity[i]) / top
            at = x(float(shown.mz[i]))
            name = names.get(i, "")
            kind = "win" if name[:1] == "y" else "loss" if name else "tie"
            y = middle - tall if sign < 0 else middle
            said_of_it = f"{name + ', ' if name else ''}m/z {shown.mz[i]:.4f}, {shown.intensity[i] / top:.0%} (root)"
            box = tag("rect", x=at - 1, y=y, width=2 if name else 1.2, height=max(tall, 1.0), class_=kind)
            drawn.append(tag("g", tag("title", esc(said_of_it)), box, class_="mark"))
            if name and all(abs(at - t) > 30 for t in taken):
                taken.append(at)
                drawn.append(text(at, middle + sign * (tall + 6) + (9 if sign > 0 else 0), name, "tick halo", "middle"))
        marks += drawn[::-1]
        marks += _ladder(said, found, 42.0 if sign < 0 else middle + _TALL + 54)
    return svg(
        f"Spectrum {spectrum.name} by {above[1]}" + (f" and {below[1]}" if below else ""),
        WIDTH, middle + _TALL + (98 if below else 36), *marks,
    )  # fmt: skip


def ion_names(found: Match) -> dict[int, str]:
    """The name of the ion that each matched peak is, as in b3 or y7++; of several, the y ion of the lowest charge."""
    out: dict[int, str] = {}
    charges, kinds, n = found.peak.shape
    for z in range(charges):
        for k in range(kinds - 1, -1, -1):
            for i in range(n):
                out.setdefault(int(found.peak[z, k, i]), f"{'by'[k]}{i + 1}{'+' * (z + 1) if z else ''}")
    out.pop(-1, None)
    return out


def _ladder(said: tuple[str, Peptide], found: Match, y: float) -> list[str]:
    """The sequence with a tick where the peptide was seen to break: up for y ions, down for b ions; modified residues
    have their mass above them in whole Da."""
    peptide = said[1]
    step = min(24.0, (_RIGHT - 300) / max(len(peptide), 1))
    marks = [text(_LEFT, y, said[0], "note", most=34)]
    if peptide.n_term:
        marks.append(text(280 - step * 0.7, y - 12, peptide.n_term, "tick", "end"))
    b, after = found.sites
    for i, token in enumerate(peptide.residues):
        at = 280 + step * i
        marks.append(text(at, y, token[0], "strong", "middle"))
        if len(token) > 1:
            marks.append(text(at, y - 22, f"{float(token[1:]):+.0f}", "tick", "middle"))
        if i < len(peptide) - 1:
            if after[i]:
                marks.append(tag("rect", x=at + step / 2 - 1, y=y - 18, width=2, height=13, class_="win"))
            if b[i]:
                marks.append(tag("rect", x=at + step / 2 - 1, y=y - 4, width=2, height=13, class_="loss"))
    return marks


def curves(tables: Mapping[str, Sequence[Scored]]) -> str:
    """Precision of whole peptides against coverage, a line a method."""
    left, top, right, bottom = 64.0, 14.0, WIDTH - 20.0, 400.0
    marks = []
    for v in ticks(0, 1, 5):
        y, x = bottom - (bottom - top) * v, left + (right - left) * v
        marks += [line(left, y, right, y, "grid"), text(left - 8, y + 4, f"{v:g}", "tick", "end")]
        marks += [text(x, bottom + 18, f"{v:g}", "tick", "middle")]
    for i, (name, table) in enumerate(tables.items()):
        coverage, precision = precision_coverage([s.matched for s in table], [s.score for s in table])
        if len(coverage):
            few = np.unique(np.linspace(0, len(coverage) - 1, POINTS).astype(int))
            coverage, precision = coverage[few], precision[few]
            points = " L".join(
                f"{left + (right - left) * c:.1f} {bottom - (bottom - top) * p:.1f}"
                for c, p in zip(coverage, precision)
            )
            style = f"fill:none;stroke:{colour(i)};stroke-width:2"
            shown = tag("path", d=f"M{points}", style=style, stroke_dasharray="6 3" if i >= len(COLOURS) else "0")
            marks.append(tag("g", tag("title", esc(name)), shown, class_="mark"))
    marks.append(
        text((left + right) / 2, bottom + 40, "coverage (predictions kept, by falling score)", "note", "middle")
    )
    return svg("Peptide precision against coverage", WIDTH, bottom + 50, *marks)


def colour(i: int) -> str:
    return COLOURS[i % len(COLOURS)]
