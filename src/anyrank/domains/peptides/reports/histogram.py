"""A histogram of two kinds as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ....pages.svg import WIDTH, drawing, element, line, text, title


def histogram(bins: Sequence[tuple[str, int, int]], label: str, x_label: str, kinds: tuple[str, str]) -> Markup:
    """Bars of the bins (label, count of the first kind, count of the second kind), stacked: the first kind in the
    colour of gains, the second in that of losses. ``kinds`` names them in the texts shown when a bar is pointed at."""
    left, top, bottom, right = 56.0, 14.0, 220.0, WIDTH - 8.0
    most = max((a + b for _, a, b in bins), default=0) or 1
    slot = (right - left) / max(len(bins), 1)
    marks = [line(left, bottom, right, bottom, "zero"), text(left - 8, top + 8, f"{most:,}", "tick", "end")]
    for i, (name, first, second) in enumerate(bins):
        x, base = left + slot * (i + 0.1), bottom
        for count, class_, kind in ((first, "win", kinds[0]), (second, "loss", kinds[1])):
            height = (bottom - top) * count / most
            if count:
                bar = element("rect", x=x, y=base - height, width=slot * 0.8, height=max(height, 1.0), class_=class_)
                marks.append(element("g", title(f"{name}: {count:,} {kind}"), bar, class_="mark"))
            base -= height
        marks.append(text(left + slot * (i + 0.5), bottom + 18, name, "tick", "middle"))
    marks.append(text((left + right) / 2, bottom + 40, x_label, "note", "middle"))
    return drawing(label, WIDTH, bottom + 50, *marks)
