"""The values of an explanation: plain data that adds up, for a table, JSON or a page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

ROUNDING = "rounding"
"""The name of a part for numbers that were stored or computed in fewer bits."""
TOLERANCE = 1e-6
"""The largest difference between a score and the sum of its parts, relative to the score where that is above 1."""


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of a score: a stage, a part of a fusion, a term or a token.

    ``contribution`` is what it adds. ``score`` is its own raw score and ``rank`` the document's rank by it (from 1);
    in a fusion ``normalised`` is what the fusion made of the score, and ``contribution`` that times ``weight``. Of a
    term or token, ``score`` and ``weight`` are the factors. ``parts`` are the summands of ``score`` in turn.

    ``match`` is the token of the document that a token of the query is most similar to, ``span`` where it stands in
    the document's text [start, end). ``answers`` are texts that a language model wrote about the document.
    """

    name: str
    contribution: float
    score: float | None = None
    rank: int | None = None
    normalised: float | None = None
    weight: float | None = None
    note: str = ""
    parts: tuple[Part, ...] = ()
    match: str = ""
    span: tuple[int, int] | None = None
    answers: tuple[str, ...] = ()
    sentences: Sentences | None = None

    def as_dict(self) -> dict[str, Any]:
        """A JSON-ready form, without what is empty."""
        out: dict[str, Any] = {"name": self.name, "contribution": self.contribution}
        for name in ("score", "rank", "normalised", "weight"):
            if (value := getattr(self, name)) is not None:
                out[name] = value
        out |= {name: value for name in ("note", "match") if (value := getattr(self, name))}
        out |= {name: list(value) for name in ("span", "answers") if (value := getattr(self, name))}
        if self.parts:
            out["parts"] = [part.as_dict() for part in self.parts]
        return out | ({} if self.sentences is None else {"sentences": self.sentences.as_dict()})


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or a few neighbouring ones, and ``drop``: how much lower the judge scores the document without
    it."""

    text: str
    drop: float

    def as_dict(self) -> dict[str, Any]:
        return {"text": self.text, "drop": self.drop}


@dataclass(frozen=True, slots=True)
class Sentences:
    """What a judge's score owes to each sentence, by leaving one out at a time.

    ``faithfulness`` is measured beside it: random halves of the sentences were left out together ``checks`` times, and
    it is the correlation of the drops that the single ones predict with those that the judge gave; None if it was not
    checked, or nothing varied. 1: the sentences add up; near 0: they only count together, so that the list says
    little. ``calls`` is what all of it cost.
    """

    sentences: tuple[Sentence, ...]
    faithfulness: float | None = None
    checks: int = 0
    calls: int = 0
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("faithfulness", "checks", "calls", "note")}
        return {"sentences": [s.as_dict() for s in self.sentences], **own}


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a ranking: the ``parts`` add up to its ``score``. One that isn't in the result has no rank and no
    score, and ``lost`` says after which stage it was gone."""

    id: str
    rank: int | None
    score: float | None
    parts: tuple[Part, ...]
    text: str = ""
    lost: str = ""

    def as_dict(self) -> dict[str, Any]:
        own = {"id": self.id, "rank": self.rank, "score": self.score, "text": self.text}
        return own | ({"lost": self.lost} if self.lost else {}) | {"parts": [part.as_dict() for part in self.parts]}


def added(parts: Iterable[Part]) -> float:
    """The sum of contributions, rounded once."""
    return math.fsum(part.contribution for part in parts)


def whole(parts: Sequence[Part], score: float) -> tuple[Part, ...]:
    """The parts, with the rest of the score as one more, so that they add up to it exactly. A small rest comes from
    numbers that were stored or computed in fewer bits."""
    rest = score - added(parts)
    if abs(rest) <= 1e-12 * max(1.0, abs(score)) or not math.isfinite(rest):
        return tuple(parts)
    size = max([abs(score), *(abs(p.contribution) for p in parts)])
    name = ROUNDING if abs(rest) <= 1e-2 * size else "everything else"
    return (*parts, Part(name, rest))


def mismatch(document: Document) -> float:
    """The largest difference of a score from the sum of its parts, at any level, relative to the score where that is
    above 1."""

    def worst(score: float | None, parts: Sequence[Part]) -> float:
        own = 0.0
        if parts and score is not None:
            own = abs(added(parts) - score) / max(1.0, abs(score))
        return max([own, *(worst(part.score, part.parts) for part in parts)])

    return worst(document.score, document.parts)
