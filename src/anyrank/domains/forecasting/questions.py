"""Forecasting questions with their crowd's forecasts, and dated articles, as JSON lines; questions also in the form of
the Autocast data set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from ...core.content import is_blank
from ...core.errors import InputError, quoted
from ...core.types import Candidate, Query, Ranking
from ...io.files import File
from ...io.records import id_of, json_lines, parsed, text_field

Kind = Literal["bool", "choice", "number"]
_KINDS: dict[str, Kind] = {
    "bool": "bool",
    "choice": "choice",
    "number": "number",
    "t/f": "bool",
    "mc": "choice",
    "num": "number",
}


@dataclass(frozen=True, slots=True)
class Forecast:
    """The crowd's forecast at a moment: of a "bool" the probability of yes, of a "choice" one of each choice, of a
    "number" the number (in Autocast scaled to 0 to 1)."""

    at: datetime
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was open from ``opened`` to ``closed``. ``answer`` is "yes" or "no", one of the choices' letters
    (A, B, …), or a number; None while it isn't known. ``forecasts`` rise in time."""

    id: str
    text: str
    kind: Kind
    opened: datetime
    closed: datetime
    answer: str | float | None = None
    choices: tuple[str, ...] = ()
    forecasts: tuple[Forecast, ...] = ()

    def __post_init__(self) -> None:
        if self.closed <= self.opened:
            raise InputError(f"question {quoted(self.id)} closes ({self.closed}) before it opens ({self.opened})")

    def elapsed(self, at: datetime) -> float:
        """The share of the question's time that had passed: 0 at its opening, 1 at its closing."""
        return (at - self.opened) / (self.closed - self.opened)

    def truth(self, values: Sequence[float]) -> float:
        """What a forecast gives to the right answer: its probability; of a number the forecast itself. NaN without an
        answer, or of a choice that the forecast leaves out."""
        if self.answer is None:
            return math.nan
        if self.kind == "number":
            return values[0]
        if self.kind == "bool":
            return values[0] if self.answer == "yes" else 1 - values[0]
        position = ord(str(self.answer)) - ord("A")
        return values[position] if 0 <= position < len(values) else math.nan

    def crowd_at(self, at: datetime) -> float:
        """`truth` of the last forecast made by then; NaN if there is none."""
        known = [f for f in self.forecasts if f.at <= at]
        return self.truth(known[-1].values) if known else math.nan

    def query(self) -> Query:
        """The question as a query, with its times in ``meta``."""
        return Query(self.id, self.text, {"opened": self.opened.isoformat(), "closed": self.closed.isoformat()})


@dataclass(frozen=True, slots=True)
class Article:
    """A news article with the time of its publication; ``question`` is the id of the one question it was retrieved
    for, or empty if it is for all."""

    id: str
    title: str
    text: str
    date: datetime
    question: str = ""

    def candidate(self) -> Candidate:
        content = {"title": self.title, "text": self.text} if self.title else self.text
        return Candidate(self.id, content, meta={"date": self.date.isoformat()})


def time_of(value: Any, what: str) -> datetime:
    """A moment from ISO 8601 text, in UTC unless it states a zone. Raises InputError on anything else.

    >>> time_of("2021-05-11", "closed").isoformat()
    '2021-05-11T00:00:00+00:00'
    """
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InputError(f"{what}: expected a date such as 2021-05-11, found {quoted(value)}") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def question_of(record: Mapping[str, Any]) -> Question:
    """A question of a record: {"id", "question", "kind", "opened", "closed", "answer", "choices", "forecasts":
    [{"date", "value"}]}, or Autocast's names ("qtype", "publish_time", "close_time", "crowd":
    [{"timestamp", "forecast"}]).
    Raises InputError on what is missing or can't be read."""
    kind = record.get("kind", record.get("qtype"))
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(f"kind: expected {', '.join(_KINDS)}, found {quoted(kind)}")
    id, text = id_of(record, ("id",), "id")[1], text_field(record, ("question",), "question")[1]
    if is_blank(text):
        raise InputError("the question is empty")
    choices = record.get("choices") or ()
    forecasts = []
    for item in _forecasts(record):
        value = item.get("value", item.get("forecast"))
        forecasts.append(
            Forecast(time_of(item.get("date", item.get("timestamp")), "forecast"), _values(value, _KINDS[kind]))
        )
    _check_answer(_KINDS[kind], record.get("answer"))
    return Question(
        id,
        text,
        _KINDS[kind],
        time_of(record.get("opened", record.get("publish_time")), "opened"),
        time_of(record.get("closed", record.get("close_time")), "closed"),
        record.get("answer"),
        tuple(map(str, choices)) if isinstance(choices, list) else (),
        tuple(sorted(forecasts, key=lambda f: f.at)),
    )


def _forecasts(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The forecasts of a record, which may have none. Raises InputError unless they are a list of objects."""
    items = record.get("forecasts", record.get("crowd"))
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise InputError(f'forecasts: expected a list of {{"date", "value"}}, found {quoted(items)}')
    return items


def _values(value: Any, kind: Kind) -> tuple[float, ...]:
    """The numbers of a forecast. Raises InputError on what are none, and on a probability that is not from 0 to 1."""
    try:
        values = tuple(map(float, value if isinstance(value, list) else [value]))
    except (TypeError, ValueError):
        values = ()
    if not values or not all(map(math.isfinite, values)):
        raise InputError(f"forecast: expected finite numbers, found {quoted(value)}")
    if kind != "number" and not all(0 <= v <= 1 for v in values):
        raise InputError(f"forecast: expected probabilities from 0 to 1, found {quoted(value)} (70% is 0.7)")
    return values


def _check_answer(kind: Kind, answer: Any) -> None:
    """Raises InputError on an answer of another kind, which would count as a wrong one."""
    if answer is None:
        return
    if kind == "number" and not (isinstance(answer, int | float) and not isinstance(answer, bool)):
        raise InputError(f"answer: expected a number, found {quoted(answer)}")
    if kind == "bool" and answer not in ("yes", "no"):
        raise InputError(f"answer: expected yes or no, found {quoted(answer)}")
    if kind == "choice" and not (isinstance(answer, str) and len(answer) == 1 and "A" <= answer <= "Z"):
        raise InputError(f"answer: expected the letter of a choice (A, B, …), found {quoted(answer)}")


def read_questions(path: File) -> list[Question]:
    """The questions of JSON lines. Raises InputError, with the line, on one that can't be read, on an id that comes
    twice, and on an empty file."""
    seen: set[str] = set()

    def question(record: Mapping[str, Any]) -> Question:
        made = question_of(record)
        if made.id in seen:
            raise InputError(f"the id {quoted(made.id)} comes twice")
        seen.add(made.id)
        return made

    form = '{"id", "question", "kind", "opened", "closed"}'
    return list(parsed(path, json_lines(path), question, f"questions, a line of {form} each"))


def read_articles(path: File) -> list[Article]:
    """The articles of JSON lines {"id", "title", "text", "date", "question"}; one without an id has that of its
    number, as a1. Raises InputError, with the line, on one that can't be read or has neither title nor text, on one
    that comes twice for the same question, and on an empty file."""
    number, seen = 0, set[tuple[str, str]]()

    def article(record: Mapping[str, Any]) -> Article:
        nonlocal number
        number += 1
        date = time_of(record.get("date"), "date")
        title, text, question = (_text(record, name) for name in ("title", "text", "question"))
        if is_blank(title + text):
            raise InputError("the article has neither a title nor a text")
        id = id_of(record, ("id",), "id")[1] if record.get("id") is not None else f"a{number}"
        if (id, question) in seen:
            raise InputError(f"the article {quoted(id)} comes twice" + (f" for {question!r}" if question else ""))
        seen.add((id, question))
        return Article(id, title, text, date, question)

    return list(parsed(path, json_lines(path), article, 'articles, a line of {"id", "text", "date"} each'))


def _text(record: Mapping[str, Any], name: str) -> str:
    """A field's text or id; empty if it has none."""
    value = record.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    if name == "question" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InputError(f"the {name} is {type(value).__name__}: expected a text")


def rankings(
    questions: Iterable[Question], articles: Sequence[Article], until: datetime | None = None
) -> list[Ranking]:
    """Each question with the articles of its time, newest first: published from its opening to before its closing, or
    before ``until``, so that no article tells the outcome afterwards."""
    out = []
    for q in questions:
        end = q.closed if until is None else min(q.closed, until)
        mine = [a for a in articles if a.question in ("", q.id) and q.opened <= a.date < end]
        members = [a.candidate() for a in sorted(mine, key=lambda a: a.date, reverse=True)]
        ranking = Ranking(q.query(), tuple(members))
        out.append(ranking.ordered(range(len(members))))
    return out
