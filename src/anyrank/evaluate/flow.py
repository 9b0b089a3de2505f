"""The rank flow of one query: its best documents as lines from run to run (a bump chart)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from .charts import WIDTH, esc, line, svg, tag, text

TOP = 10
_ROW, _HEAD = 34.0, 86.0


def flow(
    orders: Mapping[str, Sequence[str]],
    grades: Mapping[str, int],
    texts: Callable[[str], str],
    heads: Mapping[str, str],
    label: str,
) -> str:
    """The ten best documents of each run, coloured by grade, which stands in the circles. ``orders`` ids by run,
    ``grades`` by id (absent is unjudged), ``texts`` a document's beginning, ``heads`` a line under each run's name."""
    runs = list(orders)
    width = max(WIDTH, 300 + 84 * len(runs))
    left, right = 46.0, width - 250.0
    step = (right - left - 80) / max(len(runs) - 1, 1)
    xs = {r: left + 40 + step * i for i, r in enumerate(runs)}
    low = _HEAD + _ROW * TOP + 4  # where lines leave the picture

    def y(place: int) -> float:
        return _HEAD + _ROW * place + _ROW / 2

    room = max(int(step / 8.8), 4) if len(runs) > 1 else 10
    marks = []
    for r in runs:
        lines = _wrapped(r, room)
        rows = [text(xs[r], 76 - 15 * (len(lines) - i), w, "name", "middle") for i, w in enumerate(lines)]
        marks += [tag("g", tag("title", esc(r)), *rows), text(xs[r], 78, heads.get(r, ""), "tick", "middle", room)]
        marks.append(line(xs[r], _HEAD, xs[r], low, "grid"))
    marks += [text(14, y(p) + 4, p + 1, "tick", "middle") for p in range(TOP)]
    places = {r: {d: p for p, d in enumerate(docs[:TOP])} for r, docs in orders.items()}
    seen = dict.fromkeys(d for r in runs for d in places[r])
    for doc in sorted(seen, key=lambda d: grades.get(d, -1)):  # the most relevant are drawn on top
        grade = grades.get(doc)
        kind = "unjudged" if grade is None else f"grade{min(max(grade, 0), 3)}"
        said = f"{doc} ({'no judgement' if grade is None else f'grade {grade}'}): {texts(doc)[:240]}"
        inner: list[str] = []
        outer: list[str] = []
        for a, b in pairwise(runs):
            ends = places[a].get(doc), places[b].get(doc)
            (outer if None in ends else inner).append(_link(*ends, xs[a], xs[b], y, low))
        dots = [
            tag("circle", cx=xs[r], cy=y(place), r=11)
            + text(xs[r], y(place) + 4, "?" if grade is None else grade, anchor="middle")
            for r in runs
            if (place := places[r].get(doc)) is not None
        ]
        kinds = (("hit", [*inner, *outer]), ("link", inner), ("out", outer))
        paths = [tag("path", d=d, class_=c) for c, parts in kinds if (d := "".join(parts))]
        end = places[runs[-1]].get(doc)
        words = (
            ""
            if end is None
            else text(xs[runs[-1]] + 22, y(end) + 4, texts(doc) or doc, "words", most=32 if len(runs) > 1 else 120)
        )
        title = tag("title", esc(said))
        marks.append(tag("g", title, *paths, *dots, words, class_=f"doc {kind}", tabindex=0))
    if len(runs) > 1:
        marks.append(text(14, low + 20, f"> {TOP}", "tick", "middle"))
    drawn = svg(label, width, low + 30, *marks, **({"style": f"min-width:{width}px"} if width > WIDTH else {}))
    return tag("div", drawn, class_="scroll")


def _wrapped(name: str, room: int, most: int = 4) -> list[str]:
    """A name on a few lines, broken after spaces and joints where it can be.

    >>> _wrapped("bm25_rm3 >> cross_encoder", 10)
    ['bm25_rm3', '>> cross_', 'encoder']
    """
    out = [""]
    for part in re.findall(rf"[^\s_/.-]{{1,{room}}}[\s_/.-]*|[\s_/.-]+", name):
        if len((out[-1] + part).rstrip()) > room and out[-1]:
            out.append("")
        out[-1] += part
    lines = [line.strip() for line in out]
    return lines if len(lines) <= most else [*lines[: most - 1], "…" + name[1 - room :]]


def _link(a: int | None, b: int | None, xa: float, xb: float, y: Callable[[int], float], low: float) -> str:
    """A curve between two columns; from or to below the picture where one column lacks the document."""
    if a is None and b is None:
        return ""
    bend = (xb - xa) * 0.45
    if a is None or b is None:
        near, far = (xa, xa + bend) if b is None else (xb, xb - bend)
        place = y(a if a is not None else b or 0)
        return f"M{near:.1f} {place:.1f}Q{far:.1f} {place:.1f} {far:.1f} {low:.1f}"
    return f"M{xa:.1f} {y(a):.1f}C{xa + bend:.1f} {y(a):.1f} {xb - bend:.1f} {y(b):.1f} {xb:.1f} {y(b):.1f}"
