"""Charts as inline SVG: an interval's whisker, bars of differences by query, quality against latency."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 1000
MOST_BARS = 240
Box = tuple[float, float, float, float]


def esc(text: object, most: int = 300) -> str:
    """Text from data made fit for HTML: one line, cut to ``most`` characters, nothing unprintable, escaped.

    >>> esc("a <b>  &" + chr(0))
    'a &lt;b&gt; &amp;'
    """
    words = _line(str(text)[: 4 * most])
    return html.escape(words if len(words) <= most else words[: most - 1] + "…")


def _line(said: str) -> str:
    return " ".join((said if said.isprintable() else "".join(c if c.isprintable() else " " for c in said)).split())


def tag(name: str, *inside: str, **attributes: object) -> str:
    """An element; ``inside`` is markup already. Attributes: ``class_`` is class, other underscores are hyphens.

    >>> tag("g", tag("title", esc("x < y")), class_="dot", data_n=1.50)
    '<g class="dot" data-n="1.5"><title>x &lt; y</title></g>'
    """
    said = "".join(
        f' {k.rstrip("_").replace("_", "-") if k != "viewBox" else k}="{_value(v)}"' for k, v in attributes.items()
    )
    return f"<{name}{said}>{''.join(inside)}</{name}>"


def _value(v: object) -> str:
    return f"{v:.2f}".rstrip("0").rstrip(".") if isinstance(v, float) else html.escape(_line(str(v)))


def svg(label: str, width: float, height: float, *inside: str, **attributes: object) -> str:
    """A drawing that scales to its frame, with its name for those who can't see it."""
    return tag("svg", *inside, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label, **attributes)


def text(x: float, y: float, said: object, class_: str = "", anchor: str = "start", most: int = 300) -> str:
    return tag("text", esc(said, most), x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from low to high, about so many.

    >>> ticks(0.43, 0.81)
    [0.5, 0.6, 0.7, 0.8]
    """
    raw = max(high - low, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    return [round(i * step, 10) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def whisker(mean: float, low: float, high: float, start: float, end: float) -> str:
    """A dot on its interval, on a scale from ``start`` to ``end``."""

    def x(v: float) -> float:
        return 6 + 148 * (v - start) / max(end - start, 1e-9)

    said = f"{mean:.4f}, interval {low:.4f} to {high:.4f}"
    marks = line(x(low), 9, x(high), 9, "range"), tag("circle", cx=x(mean), cy=9.0, r=4, class_="dot")
    return svg(said, 160, 18, tag("g", tag("title", said), *marks), class_="whisker")


@dataclass(frozen=True, slots=True)
class Bar:
    """One query: its difference from the baseline and what to say of it."""

    value: float
    said: str


def bars(given: Sequence[Bar], label: str) -> str:
    """Bars sorted from the greatest gain to the greatest loss; of more than `MOST_BARS` an even sample."""
    every = sorted(given, key=lambda b: -b.value)
    n = min(len(every), MOST_BARS)
    shown = [every[round(i * (len(every) - 1) / max(n - 1, 1))] for i in range(n)]
    left, top, bottom, right = 56.0, 14.0, 270.0, WIDTH - 8.0
    high, low = max(0.05, *(b.value for b in every)), min(-0.05, *(b.value for b in every))
    scale = (bottom - top) / (high - low)

    def y(v: float) -> float:
        return top + (high - v) * scale

    marks = []
    for v in ticks(low, high, 8):
        marks += [line(left, y(v), right, y(v), "zero" if v == 0 else "grid")]
        marks += [text(left - 8, y(v) + 4, f"{v:+.2g}" if v else "0", "tick", "end")]
    step = (right - left) / max(n, 1)
    wide = min(step * 0.82, 40.0)
    for i, b in enumerate(shown):
        x, tall = left + step * i + (step - wide) / 2, abs(b.value) * scale
        title = tag("title", esc(b.said))
        hit = tag("rect", x=left + step * i, y=top, width=step, height=bottom - top, class_="hit")
        kind = "tie" if abs(b.value) < 1e-9 else "win" if b.value > 0 else "loss"
        thick = max(tall, 2.0)
        box = tag("rect", x=x, y=min(y(b.value), y(0)) - (thick - tall) / 2, width=wide, height=thick, class_=kind)
        marks.append(tag("g", title, hit, box, class_="mark"))
    mean = sum(b.value for b in every) / max(len(every), 1)
    marks.append(line(left, y(mean), right, y(mean), "mean"))
    marks.append(text(right, y(mean) - 6 if mean >= 0 else y(mean) + 15, f"mean {mean:+.4f}", "note halo", "end"))
    return svg(label, WIDTH, bottom + 14, *marks)


@dataclass(frozen=True, slots=True)
class Point:
    """One run: milliseconds a query, quality and its interval."""

    name: str
    ms: float
    quality: float
    low: float
    high: float


def pareto(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in both speed and quality, fastest first.

    >>> [p.name for p in pareto([Point("a", 1, .5, 0, 1), Point("b", 9, .4, 0, 1), Point("c", 5, .7, 0, 1)])]
    ['a', 'c']
    """
    out: list[Point] = []
    for p in sorted(points, key=lambda p: (p.ms, -p.quality)):
        if not out or p.quality > out[-1].quality:
            out.append(p)
    return out


def scatter(points: Sequence[Point], measure: str) -> str:
    """Quality against latency (logarithmic), whiskers for the intervals, the Pareto front as a stepped line."""
    left, top, right, bottom = 64.0, 32.0, WIDTH - 20.0, 410.0
    ends = [math.log10(p.ms) for p in points]
    x0, x1 = min(ends) - 0.15, max(ends) + 0.15
    if x1 - x0 < 1:
        x0, x1 = (x0 + x1) / 2 - 0.5, (x0 + x1) / 2 + 0.5
    y0, y1 = min(p.low for p in points), max(p.high for p in points)
    y0, y1 = max(0.0, y0 - 0.08 * (y1 - y0) - 1e-3), y1 + 0.08 * (y1 - y0) + 1e-3

    def x(ms: float) -> float:
        return left + (right - left) * (math.log10(ms) - x0) / (x1 - x0)

    def y(q: float) -> float:
        return bottom - (bottom - top) * (q - y0) / (y1 - y0)

    marks = []
    for q in ticks(y0, y1):
        marks += [line(left, y(q), right, y(q), "grid"), text(left - 8, y(q) + 4, f"{q:g}", "tick", "end")]
    for power in range(math.floor(x0), math.ceil(x1) + 1):
        for m in (1, 2, 5) if x1 - x0 < 3 else (1,):
            if left <= x(m * 10.0**power) <= right:
                at = x(m * 10.0**power)
                marks += [
                    line(at, top, at, bottom, "grid"),
                    text(at, bottom + 18, _ms(m * 10.0**power), "tick", "middle"),
                ]
    marks.append(text((left + right) / 2, bottom + 40, "time a query (logarithmic)", "note", "middle"))
    marks.append(text(left - 8, 16, measure, "note"))
    front = pareto(points)
    path = f"M{x(front[0].ms):.1f} {bottom:.1f}"
    for p in front:
        path += f" H{x(p.ms):.1f} V{y(p.quality):.1f}"
    marks.append(
        tag(
            "path",
            tag("title", "Pareto front: nothing is both faster and better"),
            d=path + f" H{right:.1f}",
            class_="front",
        )
    )
    taken: list[Box] = [(x(p.ms) - 8, y(p.quality) - 8, x(p.ms) + 8, y(p.quality) + 8) for p in points]
    labels = []
    for p in sorted(points, key=lambda p: -p.quality):
        cx, cy, best = x(p.ms), y(p.quality), p in front
        said = (
            f"{p.name}: {p.quality:.4f} ({p.low:.3f} to {p.high:.3f}), {_ms(p.ms)} a query"
            + ", on the Pareto front" * best
        )
        dot = tag("circle", cx=cx, cy=cy, r=6.5, class_="dot" if best else "dot dim")
        ends_of_it = line(cx, y(p.low), cx, y(p.high), "range faint")
        marks.append(tag("g", tag("title", esc(said)), ends_of_it, dot, class_="mark", tabindex=0))
        labels.append(_label(p.name, cx, cy, taken, (left, top, right, bottom), best))
    return svg(f"{measure} against time a query", WIDTH, bottom + 50, *marks, *labels)


def _label(name: str, cx: float, cy: float, taken: list[Box], frame: Box, strong: bool) -> str:
    """The name beside its point, at the first of some places where it hides nothing."""
    shown = name if len(name) <= 34 else f"{name[:14]}…{name[-19:]}"
    wide = 7.6 * len(shown)
    for away in (-15.0, 17.0, 0.0, 30.0, -30.0, 44.0, -44.0, 58.0, -58.0):
        for anchor, at, start in (
            ("start", cx + 12, cx + 12),
            ("end", cx - 12, cx - 12 - wide),
            ("middle", cx, cx - wide / 2),
        ):
            box = (start - 3, cy + away - 9, start + wide + 3, cy + away + 8)
            clear = all(box[2] < t[0] or t[2] < box[0] or box[3] < t[1] or t[3] < box[1] for t in taken)
            inside = frame[0] < box[0] and box[2] <= frame[2] and frame[1] - 8 <= box[1] and box[3] <= frame[3]
            if clear and inside:
                taken.append(box)
                return text(at, cy + away + 4, shown, "name halo strong" if strong else "name halo", anchor)
    return ""


def _ms(ms: float) -> str:
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:.3g} ms"
