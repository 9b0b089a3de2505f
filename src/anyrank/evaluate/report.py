"""The report of an evaluation: one HTML file that needs nothing else, with tables and plots."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from os import PathLike
from typing import Any

from ..core.content import text_of
from ..core.types import Ranking
from ..disk import whole_file
from .charts import Bar, Point, bars, esc, scatter, tag
from .evaluation import Evaluation
from .flow import TOP, flow
from .measures import Lists, Qrels, Run, lists
from .sections import cost, quality

FLOWS = 60
"""At most so many queries' rank flows are put into a report: those that the runs treat most differently."""


def report(
    e: Evaluation,
    runs: Mapping[str, Run],
    qrels: Qrels,
    *,
    title: str = "Evaluation",
    queries: Mapping[str, str] | None = None,
    texts: Mapping[str, str] | None = None,
    flows: int = FLOWS,
) -> str:
    """The page, as a text to be written to a file. ``runs`` and ``qrels`` are those that were evaluated; ``queries``
    and ``texts`` give the words of queries and documents by id where the rankings don't hold them. Plots show the
    evaluation's first measure."""
    given = {name: run if isinstance(run, Mapping) else list(run) for name, run in runs.items()}
    asked, held = _words(given.values())
    asked = asked | {q: str(t)[:1000] for q, t in (queries or {}).items()}
    words = held if texts is None else texts
    found = {name: lists(run, name, e.ties)[0] for name, run in given.items()}  # type: ignore[arg-type]
    best = max(e.runs, key=lambda r: e.mean(r, e.measures[0]))
    lead = (
        f"{len(e.runs)} run{'s' * (len(e.runs) > 1)}, {len(e.queries)} queries; the best by {e.measures[0]}: "
        f"{best} ({e.mean(best, e.measures[0]):.4f})."
    )
    sections = [
        _section("Quality", quality(e)),
        _section("Query by query", _differences(e, asked)) if e.comparisons else "",
        _section("Quality against latency", _latency(e)),
        _section("Rank flow of one query", _flows(e, found, qrels, asked, lambda d: words.get(d, ""), flows)),
        _section("Cost, and what went wrong", cost(e)),
    ]
    page, script = (files(__package__).joinpath(f"report.{kind}").read_text("utf-8") for kind in ("html", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {"policy": f"sha256-{digest}", "title": esc(title), "lead": esc(lead), "script": script}
    head, tail = page.split("@sections@")
    for name, part in parts.items():
        head, tail = head.replace(f"@{name}@", part), tail.replace(f"@{name}@", part)
    return head + "\n".join(filter(None, sections)) + tail


def write_report(
    path: str | PathLike[str], e: Evaluation, runs: Mapping[str, Run], qrels: Qrels, **options: Any
) -> None:
    """The page of `report` written to a file, whole or not at all."""
    page = report(e, runs, qrels, **options).encode("utf-8", errors="replace")
    with whole_file(path) as file:
        file.write(page)


def _words(runs: Iterable[Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The beginnings of queries and of the documents that a rank flow may show."""
    asked: dict[str, str] = {}
    held: dict[str, str] = {}
    for run in runs:
        for r in run if not isinstance(run, Mapping) else ():
            if isinstance(r, Ranking):
                asked.setdefault(r.query.id, _plain(r.query.content))
                for c in r.candidates[:TOP]:
                    if c.content is not None:
                        held.setdefault(c.id, _plain(c.content))
    return asked, held


def _plain(content: Any) -> str:
    return text_of(content)[:1000]


def _section(title: str, inside: str) -> str:
    return tag("section", tag("h2", esc(title)), inside)


def _chooser(name: str, label: str, options: Mapping[str, str], parts: Iterable[str]) -> str:
    """A menu and the parts of which it shows one. Without scripts the first is shown."""
    menu = tag(
        "select", *(tag("option", esc(v, 110), value=k) for k, v in options.items()), data_shows=name, id=f"{name}-menu"
    )
    drawn = "".join(
        tag("div", part, data_part=k, class_=name) if i == 0 else tag("div", part, data_part=k, class_=name, hidden="")
        for i, (k, part) in enumerate(zip(options, parts))
    )
    return tag("label", esc(label), for_=f"{name}-menu") + menu + tag("div", drawn, id=name)


def _differences(e: Evaluation, asked: Mapping[str, str]) -> str:
    m, base = e.measures[0], e.baseline or ""
    others = sorted((r for r in e.runs if r != base), key=lambda r: -e.mean(r, m))
    parts = []
    for r in others:
        c = e.compared(r, m)
        pairs = list(zip(e.queries, e.values[r][m], e.values[base][m]))
        made = [Bar(a - b, f"{q} {asked.get(q, '')[:160]}: {b:.4f} → {a:.4f} ({a - b:+.4f})") for q, a, b in pairs]
        said = f"{c.wins} queries better, {c.ties} level, {c.losses} worse than {base}." if c else ""
        ranked = sorted(pairs, key=lambda x: x[2] - x[1])
        ends = [
            ("Most gained", [x for x in ranked[:5] if x[1] > x[2]]),
            ("Most lost", [x for x in ranked[:-6:-1] if x[1] < x[2]]),
        ]
        lists_ = [
            tag(
                "div",
                tag("h3", name),
                tag(
                    "ol", *(tag("li", tag("b", f"{a - b:+.3f}"), esc(f"{q} {asked.get(q, '')}", 90)) for q, a, b in xs)
                ),
            )
            for name, xs in ends
        ]
        parts.append(
            bars(made, f"{m} of {r} less {base}, by query")
            + tag("p", esc(said), class_="key")
            + tag("div", *lists_, class_="two")
        )
    return _chooser("bars", f"{m} against {base}:", {str(i): r for i, r in enumerate(others)}, parts)


def _latency(e: Evaluation) -> str:
    m = e.measures[0]
    points = []
    for r in e.runs:
        cost, s = e.costs[r], e.summaries[r][m]
        if cost is not None and cost.ms > 0:
            points.append(Point(r, cost.ms, s.mean, s.low, s.high))
    if not points:
        return tag("p", "These runs hold no timings.", class_="key")
    untimed = [r for r in e.runs if r not in {p.name for p in points}]
    note = tag("span", esc("without timings: " + ", ".join(untimed))) if untimed else ""
    key = tag(
        "p", tag("span", '<i class="line"></i>Pareto front: nothing is both faster and better'), note, class_="key"
    )
    return scatter(points, m) + key


def _flows(
    e: Evaluation,
    found: Mapping[str, Lists],
    qrels: Qrels,
    asked: Mapping[str, str],
    words: Callable[[str], str],
    most: int,
) -> str:
    m = e.measures[0]
    spread = {q: [e.values[r][m][i] for r in e.runs] for i, q in enumerate(e.queries)}
    chosen = sorted(spread, key=lambda q: min(spread[q]) - max(spread[q]))[:most]
    options = {
        str(i): f"{q} {asked.get(q, '')} ({min(spread[q]):.2f} to {max(spread[q]):.2f})" for i, q in enumerate(chosen)
    }
    parts = (
        flow(
            {r: found[r].get(q, []) for r in e.runs}, qrels[q], words,
            {r: f"{v:.3f}" for r, v in zip(e.runs, spread[q])}, f"The best {TOP} documents of query {q}, run by run",
        )
        for q in chosen
    )  # fmt: skip
    colours = (
        ("none", "not judged"),
        ("g0", "grade 0"),
        ("g1", "grade 1"),
        ("g2", "grade 2"),
        ("g3", "grade 3 and above"),
    )
    key = "".join(tag("span", tag("i", style=f"background:var(--{c})"), esc(n)) for c, n in colours)
    left = len(e.queries) - len(chosen)
    note = (
        f" The {len(chosen)} queries that the runs treat most differently; {left} others are left out." if left else ""
    )
    said = (
        f"Each line is a document, its grade in the circles; point at it for its text. Under each name: its {m}." + note
    )
    return _chooser("flow", "Query:", options, parts) + tag("p", key, "<br>", tag("span", esc(said)), class_="key")
