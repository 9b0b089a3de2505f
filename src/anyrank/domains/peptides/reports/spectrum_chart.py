"""The chart of a spectrum: annotated with a candidate's ions upwards, and with a rival's downwards (a mirror plot)."""

from __future__ import annotations

from markupsafe import Markup

from ....pages.svg import WIDTH, drawing, element, line, text, ticks, title
from ..matching import NARROW, Match, Tolerance, match
from ..peptide import Peptide
from ..spectrum import Spectrum

_LEFT, _RIGHT, _HEIGHT = 56.0, WIDTH - 16.0, 150.0
"""The sides of the chart and the height of the highest peak."""
_MIDDLE = 86.0 + _HEIGHT
"""The base line of the peaks, upwards and downwards; above and below them is room for the sequences."""
_SEQUENCE = 280.0
"""The x at which a sequence begins, right of its caption."""


def spectrum_chart(
    spectrum: Spectrum,
    above: tuple[str, Peptide],
    below: tuple[str, Peptide] | None = None,
    tolerance: Tolerance = NARROW,
) -> Markup:
    """Draw a spectrum with the ions of one or two peptides, each given with its caption. Peaks of y ions have one
    colour, of b ions another, with the names of the highest; other peaks are grey."""
    shown = spectrum.prepared(peaks=200, precursor=0.0)
    high = float(shown.mz.max()) if len(shown) else 100.0
    scale = (_RIGHT - _LEFT) / (high * 1.02)
    axis = _MIDDLE + _HEIGHT + (86 if below else 24)
    marks = [line(_LEFT, _MIDDLE, _RIGHT, _MIDDLE, "zero"), text(_RIGHT, axis, "m/z", "note", "end")]
    marks += [text(_LEFT + scale * v, axis, f"{v:g}", "tick", "middle") for v in ticks(0, high, 10)]
    for direction, captioned in ((-1, above), (1, below)):
        if captioned is not None:
            caption, peptide = captioned
            matched = match(shown, peptide, tolerance)
            marks += _peaks(shown, ion_names(matched), scale, direction)
            marks += _sequence(caption, peptide, matched, 42.0 if direction < 0 else _MIDDLE + _HEIGHT + 54)
    label = f"Spectrum {spectrum.name} by {above[1]}" + (f" and {below[1]}" if below else "")
    return drawing(label, WIDTH, axis + 12, *marks)


def _peaks(shown: Spectrum, names: dict[int, str], scale: float, direction: int) -> list[Markup]:
    """The peaks as bars up (``direction`` -1) or down (1), the highest drawn last; of ions close to each other,
    only the highest is named."""
    top = float(shown.intensity.max()) if len(shown) else 1.0
    marks: list[Markup] = []
    named: list[float] = []
    for i in sorted(range(len(shown)), key=lambda i: -shown.intensity[i]):
        height, x = _HEIGHT * float(shown.intensity[i]) / top, _LEFT + scale * float(shown.mz[i])
        name = names.get(i, "")
        bar = element(
            "rect",
            x=x - 1,
            y=_MIDDLE - height if direction < 0 else _MIDDLE,
            width=2 if name else 1.2,
            height=max(height, 1.0),
            class_="win" if name[:1] == "y" else "loss" if name else "tie",
        )
        words = f"m/z {shown.mz[i]:.4f}, {shown.intensity[i] / top:.0%} (root)"
        marks.append(element("g", title(f"{name}, {words}" if name else words), bar, class_="mark"))
        if name and all(abs(x - other) > 30 for other in named):
            named.append(x)
            y = _MIDDLE - height - 6 if direction < 0 else _MIDDLE + height + 15
            marks.append(text(x, y, name, "tick halo", "middle"))
    return marks[::-1]


def ion_names(matched: Match) -> dict[int, str]:
    """The ion's name for each matched peak, as in b3 or y7++; of several, the y ion of the lowest charge."""
    names: dict[int, str] = {}
    charges, kinds, n = matched.peak.shape
    for z in range(charges):
        for k in range(kinds - 1, -1, -1):
            for i in range(n):
                names.setdefault(int(matched.peak[z, k, i]), f"{'by'[k]}{i + 1}{'+' * (z + 1) if z else ''}")
    names.pop(-1, None)
    return names


def _sequence(caption: str, peptide: Peptide, matched: Match, y: float) -> list[Markup]:
    """The sequence with a tick at each bond that was seen to break: up for y ions, down for b ions; modified residues
    have their mass above them in whole Da."""
    step = min(24.0, (_RIGHT - _SEQUENCE - 20) / max(len(peptide), 1))
    marks = [text(_LEFT, y, caption, "note", most=34)]
    if peptide.n_term:
        marks.append(text(_SEQUENCE - step * 0.7, y - 12, peptide.n_term, "tick", "end"))
    b_seen, y_seen = matched.sites
    for i, token in enumerate(peptide.residues):
        x = _SEQUENCE + step * i
        marks.append(text(x, y, token[0], "strong", "middle"))
        if len(token) > 1:
            marks.append(text(x, y - 22, f"{float(token[1:]):+.0f}", "tick", "middle"))
        if i < len(peptide) - 1:
            if y_seen[i]:
                marks.append(element("rect", x=x + step / 2 - 1, y=y - 18, width=2, height=13, class_="win"))
            if b_seen[i]:
                marks.append(element("rect", x=x + step / 2 - 1, y=y - 4, width=2, height=13, class_="loss"))
    return marks
