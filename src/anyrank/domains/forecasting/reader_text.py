"""What the reader reads of a question and an article, and the answers it writes: words, letters and bins."""

from __future__ import annotations

from .questions import Question

BINS = 20
"""Bins of numbers from 0 to 1, named A to T."""
_LEVELS = ((0.1, "very low"), (0.3, "low"), (0.5, "medium"), (0.7, "high"))


def level(relevance: float) -> str:
    """A relevance from 0 to 1 in words.

    >>> [level(r) for r in (0.05, 0.1, 0.3, 0.69, 0.7)]
    ['very low', 'low', 'medium', 'high', 'very high']
    """
    return next((word for bound, word in _LEVELS if relevance < bound), "very high")


def bin_of(value: float) -> str:
    """The letter of a number's bin.

    >>> bin_of(0.0), bin_of(0.5), bin_of(1.0)
    ('A', 'K', 'T')
    """
    return chr(ord("A") + min(max(int(value * BINS), 0), BINS - 1))


def middle_of(letter: str) -> float:
    """The middle of a bin.

    >>> middle_of("A"), middle_of("T")
    (0.025, 0.975)
    """
    return (ord(letter) - ord("A") + 0.5) / BINS


def options(question: Question) -> list[str]:
    """The answers among which the reader chooses."""
    if question.kind == "bool":
        return ["yes", "no"]
    return [chr(ord("A") + i) for i in range(BINS if question.kind == "number" else len(question.choices))]


def target(question: Question) -> str:
    """The text of the right answer; a number's is the letter of its bin."""
    return bin_of(float(question.answer or 0)) if question.kind == "number" else str(question.answer)


def context(question: Question, title: str, summary: str, date: str, relevance: float) -> str:
    """One article under its question, as the reader sees it."""
    choices = " | ".join(f"{chr(ord('A') + i)}: {c}" for i, c in enumerate(question.choices))
    asked = f"question: {question.text} start time: {question.opened:%Y-%m-%d} expiry time: {question.closed:%Y-%m-%d}"
    asked += f" choices: {choices}" if choices else ""
    news = f"news date: {date[:10]} title: {title} question-news content relevance: {level(relevance)}"
    return f"{asked} | {news} context: {summary}"
