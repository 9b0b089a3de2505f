"""Judges of articles for a question: relevance stated by a language model, and relevance times recency."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ...core.content import text_of
from ...core.errors import InputError
from ...core.language import Completion, Generates, Prompt, Turn
from ...core.rerank import Group, Judge
from ...core.trace import Usage
from ...core.types import Candidate, Judgement, Query
from ...llm.capabilities import need
from .questions import time_of
from .recency import Recency

FLOOR = 1e-4
"""The least relevance, so that recency still orders what is irrelevant."""
_GRADE = re.compile(r"(?<![\d.])[0-4](?![\d.]*\d)")


def prompt(question: str, article: str, words: int = 300) -> tuple[Turn, ...]:
    """The request for a grade (in our own words: the authors' is not published)."""
    shown = " ".join(article.split()[:words])
    text = (
        f"Question about the future: {question}\n\nNews article: {shown}\n\nHow much does the article help to answer "
        "the question? Answer with one digit: 0 (not at all), 1 (hardly), 2 (somewhat), 3 (much) or 4 (very much)."
    )
    return (Turn("user", text),)


def grade(answer: str) -> float:
    """The first grade from 0 to 4 in an answer; NaN if there is none.

    >>> grade("I'd say 3."), grade("Relevance: 4/4"), grade("10")
    (3.0, 4.0, nan)
    """
    match = _GRADE.search(answer)
    return float(match[0]) if match else math.nan


@dataclass(frozen=True)
class Relevance:
    """A judge: the mean of ``samples`` grades by a language model, each from 0 to 4, over 4; at least `FLOOR`. Answers
    without a grade are left out; a candidate without any gets NaN. The note has the first error of a call."""

    backend: Generates
    samples: int = 3
    temperature: float = 0.7
    words: int = 300

    def __post_init__(self) -> None:
        need(self.backend, Generates, "Relevance")
        if self.samples < 1:
            raise InputError(f"samples={self.samples}: at least one")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        pairs = [(query, c) for query, members in groups for c in members]
        prompts = [prompt(text_of(q.content), text_of(c.content), self.words) for q, c in pairs]
        rounds = [self._grades(prompts, seed) for seed in range(self.samples)] if prompts else []
        scores, usages, errors = [], [], []
        for answers in zip(*rounds):
            grades = [g for g in (grade(a.text) for a in answers) if not math.isnan(g)]
            scores.append(max(sum(grades) / len(grades) / 4, FLOOR) if grades else math.nan)
            unread = len(answers) - len(grades)
            extra = Usage(repairs={"no grade": unread}, mended=unread) if unread and grades else Usage()
            usages.append(sum((a.usage for a in answers), extra))
            errors.append(next((a.error for a in answers if a.error), ""))
        out, at = [], 0
        for _, members in groups:
            own = slice(at, at + len(members))
            at = own.stop
            out.append(Judgement(scores[own], sum(usages[own], Usage()), next(filter(None, errors[own]), "")))
        return out

    def _grades(self, prompts: Sequence[Prompt], seed: int) -> list[Completion]:
        return self.backend.generate(prompts, max_tokens=8, temperature=self.temperature, seed=seed)


@dataclass(frozen=True)
class Timely:
    """A judge: the relevance by another one times the recency of the article's date (``meta["date"]``) within the
    question's time (``meta["opened"]`` and ``meta["closed"]``).

    Relevance must be from 0 to 1, as `Relevance` gives it; with ``scale`` the scores of any judge are brought there,
    within each group, by their least and greatest, so the groups must be whole (`core.groupings.Whole`).
    Raises InputError on a missing date, and on scores below 0.
    """

    judge: Judge
    recency: Recency
    scale: bool = False

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        out = []
        for (query, members), judgement in zip(groups, self.judge(groups), strict=True):
            scores = scaled(judgement.scores) if self.scale else list(judgement.scores)
            if any(s < 0 for s in scores):
                raise InputError(f"query {query.id!r}: a relevance of {min(scores):g}, below 0: set scale=True")
            values = [s * self.recency.at(elapsed(query, c)) for s, c in zip(scores, members, strict=True)]
            out.append(Judgement(values, judgement.usage, judgement.note))
        return out


def elapsed(query: Query, candidate: Candidate) -> float:
    """The share of the question's time that had passed when an article was published."""
    opened, closed = (_moment("query", query, name) for name in ("opened", "closed"))
    date = _moment("candidate", candidate, "date")
    if closed <= opened:
        raise InputError(f"query {query.id!r} closes ({closed}) before it opens ({opened})")
    return (date - opened) / (closed - opened)


def _moment(what: str, owner: Query | Candidate, name: str) -> datetime:
    if name not in owner.meta:
        raise InputError(f"{what} {owner.id!r} has no {name} in its meta: give a date such as 2021-05-11")
    return time_of(owner.meta[name], name)


def scaled(scores: Sequence[float]) -> list[float]:
    """Scores from `FLOOR` to 1, by the least and the greatest; what isn't finite stays.

    >>> scaled([2.0, 4.0, 3.0])
    [0.0001, 1.0, 0.5]
    """
    known = [s for s in scores if math.isfinite(s)]
    if not known:
        return list(scores)
    low, span = min(known), max(known) - min(known)
    return [
        max((s - low) / span, FLOOR) if span and math.isfinite(s) else 1.0 if math.isfinite(s) else s for s in scores
    ]
