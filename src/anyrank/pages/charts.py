"""Charts as inline SVG: an interval's whisker, bars of differences, quality against latency, curves of shares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .svg import WIDTH, drawing, element, line, text, ticks, title

MOST_BARS = 240
"""The most bars of a chart; of more differences an even sample is drawn."""
MOST_POINTS = 500
"""The most points of a curve that are drawn."""
SERIES = 12
"""The number of colours of curves (``--series0`` and so on in the style); further curves reuse them and are dashed."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def whisker(mean: float, low: float, high: float, start: float, end: float) -> Markup:
    """A dot on its interval, on a scale from ``start`` to ``end``."""

    def x(value: float) -> float:
        return 6 + 148 * (value - start) / max(end - start, 1e-9)

    label = f"{mean:.4f}, interval {low:.4f} to {high:.4f}"
    marks = line(x(low), 9, x(high), 9, "range"), element("circle", cx=x(mean), cy=9.0, r=4, class_="dot")
    return drawing(label, 160, 18, element("g", title(label), *marks), class_="whisker")


@dataclass(frozen=True, slots=True)
class Bar:
    """A query's difference from the baseline, and the text shown when its bar is pointed at."""

    value: float
    label: str


def bars(differences: Sequence[Bar], label: str) -> Markup:
    """Bars sorted from the greatest gain to the greatest loss, with a line at their mean."""
    ordered = sorted(differences, key=lambda b: -b.value)
    n = min(len(ordered), MOST_BARS)
    shown = [ordered[round(i * (len(ordered) - 1) / max(n - 1, 1))] for i in range(n)]
    left, top, bottom, right = 56.0, 14.0, 270.0, WIDTH - 8.0
    high, low = max(0.05, *(b.value for b in ordered)), min(-0.05, *(b.value for b in ordered))
    scale = (bottom - top) / (high - low)

    def y(value: float) -> float:
        return top + (high - value) * scale

    marks = []
    for v in ticks(low, high, 8):
        marks.append(line(left, y(v), right, y(v), "zero" if v == 0 else "grid"))
        marks.append(text(left - 8, y(v) + 4, f"{v:+.2g}" if v else "0", "tick", "end"))
    slot = (right - left) / max(n, 1)
    width = min(slot * 0.82, 40.0)
    for i, bar in enumerate(shown):
        # A bar of next to no height is drawn two units high around the zero line, so that it can be seen.
        height = abs(bar.value) * scale
        visible = max(height, 2.0)
        at = left + slot * i
        box = element(
            "rect",
            x=at + (slot - width) / 2,
            y=min(y(bar.value), y(0)) - (visible - height) / 2,
            width=width,
            height=visible,
            class_="tie" if abs(bar.value) < 1e-9 else "win" if bar.value > 0 else "loss",
        )
        target = element("rect", x=at, y=top, width=slot, height=bottom - top, class_="hit")
        marks.append(element("g", title(bar.label), target, box, class_="mark"))
    mean = sum(b.value for b in ordered) / max(len(ordered), 1)
    marks.append(line(left, y(mean), right, y(mean), "mean"))
    marks.append(text(right, y(mean) - 6 if mean >= 0 else y(mean) + 15, f"mean {mean:+.4f}", "note halo", "end"))
    return drawing(label, WIDTH, bottom + 14, *marks)


@dataclass(frozen=True, slots=True)
class Point:
    """One run: milliseconds a query, quality and its interval, and the interval of the milliseconds if it is known."""

    name: str
    ms: float
    quality: float
    low: float
    high: float
    ms_low: float = 0.0
    ms_high: float = 0.0


def pareto(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in both speed and quality, fastest first.

    >>> [p.name for p in pareto([Point("a", 1, .5, 0, 1), Point("b", 9, .4, 0, 1), Point("c", 5, .7, 0, 1)])]
    ['a', 'c']
    """
    front: list[Point] = []
    for p in sorted(points, key=lambda p: (p.ms, -p.quality)):
        if not front or p.quality > front[-1].quality:
            front.append(p)
    return front


def scatter(points: Sequence[Point], measure: str) -> Markup:
    """Quality against latency (logarithmic), whiskers for the intervals, the Pareto front as a stepped line."""
    left, top, right, bottom = frame = (64.0, 32.0, WIDTH - 20.0, 410.0)
    powers = [math.log10(ms) for p in points for ms in (p.ms, p.ms_low, p.ms_high) if ms > 0]
    x0, x1 = min(powers) - 0.15, max(powers) + 0.15
    if x1 - x0 < 1:
        x0, x1 = (x0 + x1) / 2 - 0.5, (x0 + x1) / 2 + 0.5
    y0, y1 = min(p.low for p in points), max(p.high for p in points)
    y0, y1 = max(0.0, y0 - 0.08 * (y1 - y0) - 1e-3), y1 + 0.08 * (y1 - y0) + 1e-3

    def x(ms: float) -> float:
        return left + (right - left) * (math.log10(ms) - x0) / (x1 - x0)

    def y(quality: float) -> float:
        return bottom - (bottom - top) * (quality - y0) / (y1 - y0)

    marks = []
    for v in ticks(y0, y1):
        marks += [line(left, y(v), right, y(v), "grid"), text(left - 8, y(v) + 4, f"{v:g}", "tick", "end")]
    steps = (1, 2, 5) if x1 - x0 < 3 else (1,)
    for ms in (step * 10.0**power for power in range(math.floor(x0), math.ceil(x1) + 1) for step in steps):
        if left <= x(ms) <= right:
            marks.append(line(x(ms), top, x(ms), bottom, "grid"))
            marks.append(text(x(ms), bottom + 18, _duration(ms), "tick", "middle"))
    marks.append(text((left + right) / 2, bottom + 40, "time a query (logarithmic)", "note", "middle"))
    marks.append(text(left - 8, 16, measure, "note"))
    front = pareto(points)
    stairs = "".join(f" H{x(p.ms):.1f} V{y(p.quality):.1f}" for p in front)
    path = f"M{x(front[0].ms):.1f} {bottom:.1f}{stairs} H{right:.1f}"
    marks.append(element("path", title("Pareto front: nothing is both faster and better"), d=path, class_="front"))
    taken: list[Box] = [(x(p.ms) - 8, y(p.quality) - 8, x(p.ms) + 8, y(p.quality) + 8) for p in points]
    steps_of_front = _stairs([(x(p.ms), y(p.quality)) for p in front], right, bottom)
    labels = []
    for p in sorted(points, key=lambda p: -p.quality):
        cx, cy, best = x(p.ms), y(p.quality), p in front
        details = f"{p.name}: {p.quality:.4f} ({p.low:.3f} to {p.high:.3f}), {_duration(p.ms)} a query"
        dot = element("circle", cx=cx, cy=cy, r=6.5, class_="dot" if best else "dot dim")
        intervals = [line(cx, y(p.low), cx, y(p.high), "range faint")]
        if 0 < p.ms_low < p.ms_high:
            intervals.append(line(x(p.ms_low), cy, x(p.ms_high), cy, "range faint"))
            details += f" ({_duration(p.ms_low)} to {_duration(p.ms_high)})"
        more = ", on the Pareto front" if best else ""
        marks.append(element("g", title(details + more), *intervals, dot, class_="mark", tabindex=0))
        labels.append(_point_label(p.name, cx, cy, taken, steps_of_front, frame, best))
    return drawing(f"{measure} against time a query", WIDTH, bottom + 50, *marks, *labels)


def _stairs(corners: Sequence[tuple[float, float]], right: float, bottom: float) -> list[Box]:
    """The thin boxes of the lines of a Pareto front through these points."""
    boxes: list[Box] = []
    last = bottom
    for i, (cx, cy) in enumerate(corners):
        end = corners[i + 1][0] if i + 1 < len(corners) else right
        boxes += [(cx - 1, cy, cx + 1, last), (cx, cy - 1, end, cy + 1)]
        last = cy
    return boxes


def _point_label(
    name: str, cx: float, cy: float, taken: list[Box], lines: Sequence[Box], frame: Box, strong: bool
) -> Markup:
    """The name beside its point, at the first of several positions where it covers no point, no other name and none of
    the lines (or, where there is none, a line); empty if all are taken. The position is added to ``taken``."""
    shown = name if len(name) <= 34 else f"{name[:14]}…{name[-19:]}"
    width = 7.6 * len(shown)
    for obstacles in ([*taken, *lines], taken):
        for dy in (-15.0, 17.0, 0.0, 30.0, -30.0, 44.0, -44.0, 58.0, -58.0):
            for anchor, at, start in (
                ("start", cx + 12, cx + 12),
                ("end", cx - 12, cx - 12 - width),
                ("middle", cx, cx - width / 2),
            ):
                box = (start - 3, cy + dy - 9, start + width + 3, cy + dy + 8)
                clear = all(box[2] < t[0] or t[2] < box[0] or box[3] < t[1] or t[3] < box[1] for t in obstacles)
                inside = frame[0] < box[0] and box[2] <= frame[2] and frame[1] - 8 <= box[1] and box[3] <= frame[3]
                if clear and inside:
                    taken.append(box)
                    return text(at, cy + dy + 4, shown, "name halo strong" if strong else "name halo", anchor)
    return Markup()


def _duration(ms: float) -> str:
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:.3g} ms"


def curves(series: Mapping[str, Sequence[tuple[float, float]]], label: str, x_label: str) -> Markup:
    """One line per series through its points (x, y), both shares between 0 and 1, in the colours of `series_colour`."""
    left, top, right, bottom = 64.0, 14.0, WIDTH - 20.0, 400.0

    def x(share: float) -> float:
        return left + (right - left) * share

    def y(share: float) -> float:
        return bottom - (bottom - top) * share

    marks = []
    for v in ticks(0, 1, 5):
        marks += [line(left, y(v), right, y(v), "grid"), text(left - 8, y(v) + 4, f"{v:g}", "tick", "end")]
        marks.append(text(x(v), bottom + 18, f"{v:g}", "tick", "middle"))
    for i, (name, points) in enumerate(series.items()):
        n = min(len(points), MOST_POINTS)
        shown = [points[j * (len(points) - 1) // max(n - 1, 1)] for j in range(n)]
        if n == 1:  # a line of no length would not be seen
            dot = element("circle", cx=x(shown[0][0]), cy=y(shown[0][1]), r=4, style=f"fill:{series_colour(i)}")
            marks.append(element("g", title(name), dot, class_="mark"))
        elif n:
            path = "M" + " L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in shown)
            dashes = {"stroke_dasharray": "6 3"} if i >= SERIES else {}
            curve = element("path", d=path, class_="curve", style=f"stroke:{series_colour(i)}", **dashes)
            marks.append(element("g", title(name), curve, class_="mark"))
    marks.append(text((left + right) / 2, bottom + 40, x_label, "note", "middle"))
    return drawing(label, WIDTH, bottom + 50, *marks)


def series_colour(i: int) -> str:
    """The colour of a chart's series, counted from 0, for CSS."""
    return f"var(--series{i % SERIES})"


def reliability_chart(bins: Sequence[tuple[float, float, int]]) -> Markup:
    """The share of relevant candidates against their mean probability, bin by bin, beside the line of perfect
    probabilities; a bin is (probability, share, count)."""
    left, top, bottom, right = 56.0, 14.0, 270.0, 330.0
    most = max([0.05, *(max(p, share) for p, share, _ in bins)])

    def x(value: float) -> float:
        return left + (right - left) * value / most

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / most

    marks = [line(x(0), y(0), x(most), y(most), "zero")]
    for v in ticks(0, most, 5):
        marks += [line(left, y(v), right, y(v), "grid"), text(left - 8, y(v) + 4, f"{v:.2g}", "tick", "end")]
        marks.append(text(x(v), bottom + 18, f"{v:.2g}", "tick", "middle"))
    for p, share, count in bins:
        label = f"{count:,} candidates of probability {p:.3f}: {share:.3f} are relevant"
        marks.append(element("g", title(label), element("circle", cx=x(p), cy=y(share), r=4, class_="dot")))
    return drawing("reliability: share of relevant by probability", right + 12, bottom + 30, *marks)
