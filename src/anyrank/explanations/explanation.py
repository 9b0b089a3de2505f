"""Explanation: the explained documents of one query, and the difference of two of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import InputError, quoted
from ..core.trace import Step
from .table import table
from .values import Document, Part

_SHOWN = 500  # characters of a query that are shown


@dataclass(frozen=True, slots=True)
class Difference:
    """Why document ``a`` scores above document ``b`` (or below): the differences of their contributions, which add up
    to that of their scores. ``parts``: name, contribution to a, to b, and their difference, the largest first."""

    a: str
    b: str
    score: float
    parts: tuple[tuple[str, float, float, float], ...]

    def as_dict(self) -> dict[str, Any]:
        names = ("name", "a", "b", "difference")
        return {"a": self.a, "b": self.b, "score": self.score, "parts": [dict(zip(names, p)) for p in self.parts]}

    def __str__(self) -> str:
        sign = "above" if self.score >= 0 else "below"
        lines = [f"{self.a} is {abs(self.score):.4f} {sign} {self.b}:"]
        width = max((len(name) for name, *_ in self.parts), default=0)
        return "\n".join(lines + [f"  {n:<{width}}  {a:9.4f} - {b:9.4f} = {d:+9.4f}" for n, a, b, d in self.parts])


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explained documents of one query, best first, with the trace of the run that was explained."""

    query: str
    qid: str
    pipeline: str
    documents: tuple[Document, ...]
    trace: tuple[Step, ...] = field(default=(), repr=False)

    def __getitem__(self, id: str) -> Document:
        """The document of an id. Raises InputError if it wasn't explained."""
        for document in self.documents:
            if document.id == id:
                return document
        raise InputError(f"document {quoted(id)} was not explained: name it by ids=[{quoted(id)}]")

    def why(self, a: str, b: str) -> Difference:
        """The difference of two documents of the result. Raises InputError if one isn't in it."""
        scores = []
        for id in (a, b):
            document = self[id]
            if document.score is None:
                raise InputError(f"document {quoted(id)} has no score to compare: {document.lost}")
            scores.append(document.score)
        first, second = _flat(self[a].parts), _flat(self[b].parts)
        rows = [(name, first.get(name, 0.0), second.get(name, 0.0)) for name in {**first, **second}]
        parts = sorted(((n, x, y, x - y) for n, x, y in rows if x or y), key=lambda row: -abs(row[3]))
        return Difference(a, b, scores[0] - scores[1], tuple(parts))

    def as_dict(self, *, times: bool = True) -> dict[str, Any]:
        """A JSON-ready form; without ``times`` it holds no seconds, so that equal results are equal byte for byte."""
        steps = [step.as_dict() for step in self.trace]
        return {
            "query": self.query,
            "qid": self.qid,
            "pipeline": self.pipeline,
            "documents": [d.as_dict() for d in self.documents],
            "trace": [{k: v for k, v in s.items() if times or k != "seconds"} for s in steps],
        }

    def __str__(self) -> str:
        lines = [f"{quoted(self.query, _SHOWN)} by {self.pipeline}"]
        for document in self.documents:
            lines += ["", *table(document)]
        return "\n".join(lines)


def _flat(parts: Sequence[Part]) -> dict[str, float]:
    """Contributions by name; a name that comes again is numbered."""
    seen: Counter[str] = Counter()
    out = {}
    for part in parts:
        seen[part.name] += 1
        out[part.name if seen[part.name] == 1 else f"{part.name} ({seen[part.name]})"] = part.contribution
    return out
