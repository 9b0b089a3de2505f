"""Citations: which passages each sentence of an answer cites, and how much of the sentence these passages hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...index.analysis import Analyser

_NUMBERS = r"\[\s*\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*\s*\]"
_CITATION = re.compile(_NUMBERS)
_AFTER_STOP = re.compile(rf"([.!?])(\s*(?:{_NUMBERS}\s*)+)")
_SENTENCE = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\b(?:Mr|Dr|St|vs|No)\.)(?<!\bMrs\.)\s+(?=[\w\"'(\[])|\n+")


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of an answer. ``citations`` are numbers of passages, from 1, of those that were read; ``unknown``
    those cited that were not. ``support`` is the share of the sentence's terms that the cited passages hold together,
    0 to 1 (a rule of ours: it finds what passages don't mention, not what they contradict); None without citations."""

    text: str
    citations: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()
    support: float | None = None


def statements(answer: str, passages: Sequence[str]) -> list[Statement]:
    """The sentences of an answer with their citations, written as [1], [1, 3] or [2-4] before or after the full stop.

    >>> statements("Gallu is a demon [1]. Lilu is one too.[1][7] Both are old.", ["Gallu: a demon.", "Lilu, a spirit"])
    ... # doctest: +NORMALIZE_WHITESPACE
    [Statement(text='Gallu is a demon.', citations=(1,), unknown=(), support=1.0),
     Statement(text='Lilu is one too.', citations=(1,), unknown=(7,), support=0.0),
     Statement(text='Both are old.', citations=(), unknown=(), support=None)]
    """
    analyser = Analyser("english")
    held = [set(analyser.terms(passage)) for passage in passages]
    out = []
    for sentence in _sentences(answer):
        cited = list(dict.fromkeys(n for m in _CITATION.finditer(sentence) for n in _numbers(m[0])))
        text = _tidy(_CITATION.sub("", sentence))
        if not any(c.isalnum() for c in text):
            continue
        known = tuple(n for n in cited if 1 <= n <= len(passages))
        unknown = tuple(n for n in cited if n not in known)
        terms = set(analyser.terms(text))
        union = set().union(*(held[n - 1] for n in known))
        support = (len(terms & union) / len(terms) if terms else 1.0) if known else (0.0 if unknown else None)
        out.append(Statement(text, known, unknown, support))
    return out


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text, also where they begin in small letters.

    >>> sentences("the wing lifts . it flies ! Mr. B. left.")
    ['the wing lifts .', 'it flies !', 'Mr. B. left.']
    """
    return [part.strip() for part in _SENTENCE.split(text) if part and part.strip(" .!?\n")]


def _sentences(answer: str) -> Iterator[str]:
    """Sentences and lines, citations after a full stop with the sentence before them."""
    moved = _AFTER_STOP.sub(lambda m: f" {m[2].strip()}{m[1]} ", answer)
    yield from sentences(moved)


def _numbers(citation: str) -> Iterator[int]:
    """The numbers of one pair of brackets; a range counts its numbers, if they are few."""
    for part in re.split(r"\s*[,;]\s*", citation.strip("[] ")):
        first, _, last = (p.strip() for p in re.sub("[–-]", "-", part).partition("-"))
        end = int(last or first)
        yield from range(int(first), end + 1) if int(first) <= end < int(first) + 20 else (int(first), end)


def _tidy(text: str) -> str:
    return re.sub(r"\s+([.!?,;:])", r"\1", " ".join(text.split())).lstrip("-*• ").strip()
