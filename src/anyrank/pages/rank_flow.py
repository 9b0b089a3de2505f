"""The rank flow of one query: its best documents as lines from run to run (a bump chart)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from .svg import WIDTH, drawing, element, line, text, title

DEPTH = 10
"""The number of documents shown of each run."""
_ROW, _HEAD = 34.0, 86.0
_BELOW = _HEAD + _ROW * DEPTH + 4
"""The y at which the line of a document ends that the next run ranks below `DEPTH`."""


def rank_flow(
    orders: Mapping[str, Sequence[str]],
    grades: Mapping[str, int],
    document_text: Callable[[str], str],
    captions: Mapping[str, str],
    label: str,
) -> Markup:
    """The ten best documents of each run, coloured by grade, which is written in the circles. ``orders``: document ids
    by run; ``grades`` by id (absent is unjudged); ``document_text``: the beginning of a document; ``captions``: a line
    under each run's name."""
    runs = list(orders)
    width = max(WIDTH, 300 + 84 * len(runs))
    left, right = 86.0, width - 290.0
    step = (right - left) / max(len(runs) - 1, 1)
    xs = {run: left + step * i for i, run in enumerate(runs)}
    ranks = {run: {doc: rank for rank, doc in enumerate(docs[:DEPTH])} for run, docs in orders.items()}
    marks = [mark for run in runs for mark in _heading(run, xs[run], captions.get(run, ""), step, len(runs))]
    marks += [text(14, _y(rank) + 4, rank + 1, "tick", "middle") for rank in range(DEPTH)]
    documents = dict.fromkeys(doc for run in runs for doc in ranks[run])
    for doc in sorted(documents, key=lambda d: grades.get(d, -1)):  # the most relevant are drawn on top
        stops = [(xs[run], ranks[run].get(doc)) for run in runs]
        marks.append(_document(doc, stops, grades.get(doc), document_text(doc)))
    if len(runs) > 1:
        marks.append(text(14, _BELOW + 20, f"> {DEPTH}", "tick", "middle"))
    scrolling = {"style": f"min-width:{width}px"} if width > WIDTH else {}
    return element("div", drawing(label, width, _BELOW + 30, *marks, **scrolling), class_="scroll")


def _y(rank: int) -> float:
    """The middle of a rank's row; ranks count from 0."""
    return _HEAD + _ROW * rank + _ROW / 2


def _heading(run: str, x: float, caption: str, step: float, runs: int) -> list[Markup]:
    """A run's name on a few lines, its caption, and the line of its column."""
    room = max(int(step / 8.8), 4) if runs > 1 else 10
    lines = _wrapped(run, room)
    name = [text(x, 76 - 15 * (len(lines) - i), part, "name", "middle") for i, part in enumerate(lines)]
    column = line(x, _HEAD, x, _BELOW, "grid")
    return [element("g", title(run), *name), text(x, 78, caption, "tick", "middle", room), column]


def _document(doc: str, stops: Sequence[tuple[float, int | None]], grade: int | None, words: str) -> Markup:
    """A document's circles, the links between them, and its text beside the last run. ``stops``: each run's x, and the
    document's rank there, None below `DEPTH`."""
    within: list[str] = []
    leaving: list[str] = []
    for (xa, a), (xb, b) in pairwise(stops):
        (leaving if a is None or b is None else within).append(_link(xa, a, xb, b))
    # Wide transparent paths below the thin ones, so that a link is easy to point at.
    layers = (("hit", [*within, *leaving]), ("link", within), ("out", leaving))
    paths = [element("path", d=d, class_=kind) for kind, parts in layers if (d := "".join(parts))]
    inside = "?" if grade is None else grade
    circles = [
        mark
        for x, rank in stops
        if rank is not None
        for mark in (
            element("circle", cx=x, cy=_y(rank), r=11),
            text(x, _y(rank) + 4, inside, anchor="middle"),
        )
    ]
    last, rank = stops[-1]
    if rank is not None:
        circles.append(text(last + 22, _y(rank) + 4, words or doc, "words", most=32 if len(stops) > 1 else 120))
    judgement = "no judgement" if grade is None else f"grade {grade}"
    kind = "unjudged" if grade is None else f"grade{min(max(grade, 0), 3)}"
    return element(
        "g", title(f"{doc} ({judgement}): {words[:240]}"), *paths, *circles, class_=f"doc {kind}", tabindex=0
    )


def _wrapped(name: str, room: int, most: int = 4) -> list[str]:
    """A name on a few lines, broken after spaces, slashes, dots, hyphens and underscores if possible.

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


def _link(xa: float, a: int | None, xb: float, b: int | None) -> str:
    """A curve between two columns; from or to the bottom edge if one column lacks the document."""
    bend = (xb - xa) * 0.45
    if a is not None and b is not None:
        return f"M{xa:.1f} {_y(a):.1f}C{xa + bend:.1f} {_y(a):.1f} {xb - bend:.1f} {_y(b):.1f} {xb:.1f} {_y(b):.1f}"
    if a is not None:
        return f"M{xa:.1f} {_y(a):.1f}Q{xa + bend:.1f} {_y(a):.1f} {xa + bend:.1f} {_BELOW:.1f}"
    if b is not None:
        return f"M{xb:.1f} {_y(b):.1f}Q{xb - bend:.1f} {_y(b):.1f} {xb - bend:.1f} {_BELOW:.1f}"
    return ""
