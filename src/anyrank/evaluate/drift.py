"""Drift between two periods of the same service: of scores, cost, truncation, fallback and language, with tests."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.content import text_of
from ..core.errors import InputError, reason
from ..core.function_words import foreign_language
from ..core.scripts import letters
from ..core.trace import Step, total, worst
from ..io.candidates import step_from_dict
from ..io.files import File, label, lines
from ..io.runs import read_run
from .significance import corrected, samples_test, shares_test

LEAST = 5
"""The fewest queries of a period."""
HEAD = 10
"""The results of a query whose scores are looked at together."""
SUFFIX = ".trace.jsonl"


@dataclass(frozen=True, slots=True)
class Answered:
    """One query as it was answered: its text ("" if not known), the scores of its results (None if not known) and the
    steps that ranked them."""

    text: str
    scores: tuple[float, ...] | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What changed, or didn't: of numbers the medians of both periods, of shares the shares. ``size`` is the largest
    distance of the two distributions (Kolmogorov-Smirnov), or the difference of the shares; ``p`` is corrected for all
    tests of the comparison (Holm)."""

    name: str
    old: float
    new: float
    size: float
    p: float
    drifted: bool

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("name", "old", "new", "size", "p", "drifted")}


@dataclass(frozen=True, slots=True)
class Drift:
    """The comparison of two periods."""

    old: int
    new: int
    alpha: float
    changes: tuple[Change, ...]

    @property
    def drifted(self) -> bool:
        return any(change.drifted for change in self.changes)

    def as_dict(self) -> dict[str, Any]:
        own = {"old": self.old, "new": self.new, "alpha": self.alpha, "drifted": self.drifted}
        return own | {"changes": [change.as_dict() for change in self.changes]}

    def __str__(self) -> str:
        width = max(len(change.name) for change in self.changes)
        rows = [f"{self.old:,} queries before, {self.new:,} after; p corrected for {len(self.changes)} tests (Holm)"]
        rows.append(f"{'':{width}}  {'old':>10}  {'new':>10}  {'size':>6}  {'p':>7}")
        for c in self.changes:
            p = "<0.0001" if c.p < 0.0001 else f"{c.p:.4f}"
            mark = "  drift" if c.drifted else ""
            rows.append(f"{c.name:{width}}  {c.old:>10.4g}  {c.new:>10.4g}  {c.size:>6.3f}  {p:>7}{mark}")
        return "\n".join(rows)


def read_answered(path: File, texts: Mapping[str, str] | None = None) -> list[Answered]:
    """The queries of a period, from the JSON lines that ``anyrank search --json`` and ``rerank`` write, from a TREC
    run with its trace beside it, or from a trace alone. ``texts``: those of queries by id, which runs don't hold.

    Raises InputError, with the line, on what is none of these, and on fewer than 5 queries.
    """
    texts = texts or {}
    name = str(path)
    if not name.endswith(SUFFIX) and Path(f"{name}{SUFFIX}").is_file():
        path = f"{name}{SUFFIX}"
    run = str(path).removesuffix(SUFFIX)
    scores = read_run(run) if run != str(path) and Path(run).is_file() else {}
    out = list(_records(path, {q: tuple(s for _, s in docs) for q, docs in scores.items()}, texts))
    if len(out) < LEAST:
        raise InputError(f"{len(out)} queries: at least {LEAST} of a period can be compared", path=label(path))
    return out


def _records(path: File, scores: Mapping[str, tuple[float, ...]], texts: Mapping[str, str]) -> Iterator[Answered]:
    for n, raw in lines(path):
        if raw.isspace():
            continue
        try:
            record = json.loads(raw)
            if n == 1 and isinstance(record, dict) and "format" in record and "run" in record:
                continue
            steps = tuple(map(step_from_dict, record["trace"]))
            if "ranking" in record:
                own = tuple(float(row["score"]) for row in record["ranking"])
                query = record["query"]
                text = text_of(query.get("content", query) if isinstance(query, dict) else query)
                yield Answered(text, own, steps)
            else:
                id = str(record["query"])
                yield Answered(texts.get(id, ""), scores.get(id), steps)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError) as error:
            what = (
                f"is no answer with its trace ({reason(error)}): expected the output of anyrank search "
                "--json, or a run with its trace"
            )
            raise InputError(what, path=label(path), line=n) from None


Number = Callable[[Answered], float]

NUMBERS: dict[str, Number] = {
    "best score": lambda a: a.scores[0] if a.scores else math.nan,
    f"mean score of the first {HEAD}": lambda a: float(np.mean(a.scores[:HEAD])) if a.scores else math.nan,
    f"best score less the {HEAD}th": lambda a: (
        a.scores[0] - a.scores[HEAD - 1] if a.scores and len(a.scores) >= HEAD else math.nan
    ),
    "results": lambda a: math.nan if a.scores is None else float(len(a.scores)),
    "candidates cut off": lambda a: float(sum(len(step.cut) for step in a.steps)),
    "texts truncated": lambda a: float(total(a.steps).usage.truncated),
    "model calls": lambda a: float(total(a.steps).usage.calls),
    "tokens": lambda a: float(total(a.steps).usage.tokens),
}
"""Numbers of a query whose distributions are compared; NaN where it has none."""

SHARES: dict[str, Callable[[Answered], bool | None]] = {
    "queries with truncated texts": lambda a: total(a.steps).usage.truncated > 0,
    "queries not fully judged": lambda a: worst(a.steps) in ("partial", "fallback"),
    "queries with mended answers": lambda a: total(a.steps).usage.mended > 0,
    "queries without a result": lambda a: None if a.scores is None else not a.scores,
}
"""What is true of some queries, whose shares are compared; None where it isn't known."""


def drift(old: Sequence[Answered], new: Sequence[Answered], alpha: float = 0.05) -> Drift:
    """What changed from one period to another: numbers by the two-sample Kolmogorov-Smirnov test, shares by Fisher's
    exact test, all corrected together. What neither period has, or what is the same number for all, is left out.
    Queries are taken as independent draws. Raises MissingExtra without scipy."""
    found: list[tuple[str, float, float, float, float]] = []
    for name, number in NUMBERS.items():
        a, b = (np.array([v for q in part if not math.isnan(v := number(q))]) for part in (old, new))
        if min(len(a), len(b)) >= LEAST and len(set(a.tolist()) | set(b.tolist())) > 1:
            size, p = samples_test(a, b)
            found.append((name, float(np.median(a)), float(np.median(b)), size, p))
    for name, true in SHARES.items():
        counts = [[known for q in part if (known := true(q)) is not None] for part in (old, new)]
        found += _share(name, *((sum(values), len(values)) for values in counts))
    spoken = [Counter(language for q in part if (language := language_of(q.text))) for part in (old, new)]
    for language in sorted(spoken[0] | spoken[1]):
        found += _share(f"language {language}", *((c[language], c.total()) for c in spoken))
    if not found:
        raise InputError("nothing varies between the two periods, and nothing within them: there is nothing to test")
    ps = corrected([p for *_, p in found])
    changes = tuple(Change(n, a, b, size, p, p < alpha) for (n, a, b, size, _), p in zip(found, ps))
    return Drift(len(old), len(new), alpha, changes)


def _share(name: str, old: tuple[int, int], new: tuple[int, int]) -> list[tuple[str, float, float, float, float]]:
    """The comparison of two shares, (hits, all); none if nothing, or everything, was hit in both."""
    (a, n), (b, m) = old, new
    if min(n, m) < LEAST or a + b in (0, n + m):
        return []
    return [(name, a / n, b / m, abs(a / n - b / m), shares_test(a, n, b, m))]


def language_of(text: str) -> str:
    """The language of a text that is told by its function words, else its script; "" without letters.

    >>> language_of("Wie hoch ist der Berg und wo liegt er?"), language_of("wing flutter"), language_of("что такое")
    ('de', 'Latin, English or not told', 'Cyrillic')
    """
    counts = letters([text])
    if not counts.total():
        return ""
    script = max(counts, key=lambda name: counts[name])
    return foreign_language([text], ["en"]) or (f"{script}, English or not told" if script == "Latin" else script)
