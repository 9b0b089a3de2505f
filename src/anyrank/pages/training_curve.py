"""The curve of a training: its loss and what was measured on the way, by step, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from .charts import MOST_POINTS
from .svg import WIDTH, drawing, element, line, text, ticks, title

HEIGHT = 190.0
"""Of a panel, with the space below it."""
Points = Sequence[tuple[float, float]]


def training_curve(series: Mapping[str, Points], x_label: str = "step") -> Markup:
    """A panel for each series of (step, value), one below the other over the same steps; values that aren't finite and
    series without any are left out. ``x_label`` names the steps. Raises ValueError if nothing is left.

    >>> training_curve({"loss": [(1, 0.7), (2, 0.4)], "nDCG@10": [(2, 0.5)]}).count("<g")
    2
    """
    finite = {name: [(s, v) for s, v in points if math.isfinite(v)] for name, points in series.items()}
    panels = {name: points for name, points in finite.items() if points}
    if not panels:
        raise ValueError("a curve needs a value that is a finite number")
    steps = [step for points in panels.values() for step, _ in points]
    marks = []
    for i, (name, points) in enumerate(panels.items()):
        marks += _panel(name, points, (min(steps), max(steps)), 24.0 + i * HEIGHT)
    bottom = len(panels) * HEIGHT
    marks.append(text(WIDTH / 2, bottom + 20, x_label, "note", "middle"))
    return drawing(f"{', '.join(panels)} by {x_label}", WIDTH, bottom + 30, *marks)


def _panel(name: str, points: Points, steps: tuple[float, float], top: float) -> list[Markup]:
    left, right, bottom = 84.0, WIDTH - 20.0, top + HEIGHT - 54
    values = [value for _, value in points]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - max(abs(low) * 0.1, 1e-6), high + max(abs(high) * 0.1, 1e-6)

    def x(step: float) -> float:
        return left + (right - left) * (step - steps[0]) / max(steps[1] - steps[0], 1e-9)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - low) / (high - low)

    marks = [text(left, top - 8, name, "note")]
    for v in ticks(low, high, 4):
        marks += [line(left, y(v), right, y(v), "grid"), text(left - 8, y(v) + 4, f"{v:.4g}", "tick", "end")]
    for v in ticks(*steps, 8) if steps[0] < steps[1] else [steps[0]]:
        marks.append(text(x(v), bottom + 18, f"{v:g}", "tick", "middle"))
    n = min(len(points), MOST_POINTS)
    shown = [points[j * (len(points) - 1) // max(n - 1, 1)] for j in range(n)]
    colour = "var(--series0)"
    dots = [element("circle", cx=x(s), cy=y(v), r=3.0, style=f"fill:{colour}") for s, v in shown if n <= 40]
    path = "M" + " L".join(f"{x(s):.1f} {y(v):.1f}" for s, v in shown)
    curve = element("path", d=path, class_="curve", style=f"stroke:{colour}")
    return [*marks, element("g", title(f"{name}: {values[0]:.4g} to {values[-1]:.4g}"), curve, *dots, class_="mark")]
