"""Makes SVG as escaped markup: elements, and the lines, labels and axis ticks that charts share."""

from __future__ import annotations

import math

from markupsafe import Markup, escape

WIDTH = 1000
"""The width of a chart in its own units; the page scales it to its column."""
_JOINERS = "\u200c\u200d"  # shape letters of many scripts, and are harmless


def one_line(text: object, most: int = 300) -> str:
    """Text from data on one line of at most ``most`` characters, without what can't be printed (control characters,
    lone surrogates, marks that turn the direction of reading). It is not escaped: markup and templates do that.

    >>> one_line("a <b>  &" + chr(0) + chr(0x202E) + "c"), one_line("abcdef", 4)
    ('a <b> & c', 'abc…')
    """
    words = _printable(str(text)[: 4 * most])
    return words if len(words) <= most else words[: most - 1] + "…"


def _printable(text: str) -> str:
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c in _JOINERS else " " for c in text)
    return " ".join(text.split())


def element(name: str, *children: object, **attributes: object) -> Markup:
    """An element. Children that are no markup yet are text, made `one_line` and escaped. Attributes: ``class_`` is
    class, other underscores are hyphens; of numbers two decimals are written.

    >>> element("g", element("title", "x < y"), class_="dot", data_n=1.50)
    Markup('<g class="dot" data-n="1.5"><title>x &lt; y</title></g>')
    """
    pairs = "".join(f' {_attribute_name(k)}="{_attribute_value(v)}"' for k, v in attributes.items())
    inside = "".join(c if isinstance(c, Markup) else escape(one_line(c)) for c in children)
    return Markup(f"<{name}{pairs}>{inside}</{name}>")


def _attribute_name(name: str) -> str:
    return name if name == "viewBox" else name.rstrip("_").replace("_", "-")


def _attribute_value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return escape(_printable(str(value)))


def drawing(label: str, width: float, height: float, *children: Markup, **attributes: object) -> Markup:
    """A drawing that scales to its frame; ``label`` names it for those who can't see it."""
    return element("svg", *children, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text(x: float, y: float, words: object, class_: str = "", anchor: str = "start", most: int = 300) -> Markup:
    return element("text", one_line(words, most), x=x, y=y, class_=class_, text_anchor=anchor)


def title(words: object, most: int = 300) -> Markup:
    """The text shown when the mouse is over the element around it."""
    return element("title", one_line(words, most))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """About ``about`` round numbers from low to high.

    >>> ticks(0.43, 0.81)
    [0.5, 0.6, 0.7, 0.8]
    """
    raw = max(high - low, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    return [round(i * step, 10) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
