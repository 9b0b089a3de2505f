"""The scripts that a text is written in, told by its letters: to say when a model or an analyser doesn't fit it."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

from .content import text_of
from .rerank import Group

log = logging.getLogger(__name__)

_LETTERS = {
    "Latin": "A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff\uff21-\uff5a",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Cyrillic": "\u0400-\u052f",
    "Armenian": "\u0530-\u058f",
    "Hebrew": "\u0590-\u05ff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff",
    "Devanagari": "\u0900-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Burmese": "\u1000-\u109f",
    "Georgian": "\u10a0-\u10ff",
    "Hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3",
    "Khmer": "\u1780-\u17ff",
    "Kana": "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "Han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f",
}
_PATTERNS = {name: re.compile(f"[{ranges}]+") for name, ranges in _LETTERS.items()}
_OF_CODE = {
    "zh": ("Han",), "ja": ("Kana", "Han"), "ko": ("Hangul", "Han"), "ru": ("Cyrillic",), "uk": ("Cyrillic",),
    "be": ("Cyrillic",), "bg": ("Cyrillic",), "mk": ("Cyrillic",), "kk": ("Cyrillic",), "sr": ("Cyrillic", "Latin"),
    "el": ("Greek",), "he": ("Hebrew",), "ar": ("Arabic",), "fa": ("Arabic",), "ur": ("Arabic",), "hi": ("Devanagari",),
    "mr": ("Devanagari",), "bn": ("Bengali",), "ta": ("Tamil",), "te": ("Telugu",), "th": ("Thai",), "lo": ("Lao",),
    "my": ("Burmese",), "ka": ("Georgian",), "km": ("Khmer",), "hy": ("Armenian",),
}  # fmt: skip


@runtime_checkable
class ReadsLanguages(Protocol):
    """A model that says which languages it reads, by ISO codes."""

    @property
    def languages(self) -> tuple[str, ...]: ...


_CHARACTERS = 2000
"""Of each text, so many are looked at."""


def scripts_of(codes: Iterable[str]) -> set[str]:
    """The scripts of languages, by their ISO codes.

    >>> sorted(scripts_of(["en", "ja"]))
    ['Han', 'Kana', 'Latin']
    """
    return {script for code in codes for script in _OF_CODE.get(code, ("Latin",))}


def letters(texts: Iterable[str]) -> Counter[str]:
    """The number of letters of each script in the beginnings of texts.

    >>> letters(["a Привет"])
    Counter({'Cyrillic': 6, 'Latin': 1})
    """
    out: Counter[str] = Counter()
    for text in texts:
        text = text[:_CHARACTERS]
        if text.isascii():
            out["Latin"] += sum(map(len, _PATTERNS["Latin"].findall(text)))
        else:
            out += Counter({name: sum(map(len, p.findall(text))) for name, p in _PATTERNS.items()})
    return out


def _outside(text: str, scripts: Collection[str]) -> bool:
    counts = letters([text])
    return sum(n for script, n in counts.items() if script not in scripts) * 2 > counts.total() > 0


def unread_notes(model: str, languages: Sequence[str], groups: Sequence[Group]) -> list[str]:
    """For each group a note, if its query or most of that query's texts are written in scripts other than those of the
    model's ``languages`` (ISO codes; none, or "multilingual", for a model of many); and a warning in the log."""
    if not languages or "multilingual" in languages:
        return [""] * len(groups)
    scripts, seen = scripts_of(languages), dict[str, bool]()

    def outside(content: Any) -> bool:
        text = text_of(content)[:_CHARACTERS]
        if text not in seen:
            seen[text] = _outside(text, scripts)
        return seen[text]

    texts: dict[str, list[bool]] = {}  # of a query, since a pointwise judge gets its candidates one by one
    for query, candidates in groups:
        texts.setdefault(query.id, []).extend(outside(c.content) for c in candidates)
    notes = []
    for query, _ in groups:
        mine = texts[query.id]
        part = "most texts are" if sum(mine) * 2 > len(mine) else "the query is" if outside(query.content) else ""
        notes.append(
            f"{model} reads {', '.join(languages)} alone, and {part} in another script, whose order means little "
            "(e5-small reads many languages)"
            if part
            else ""
        )
    if any(notes):
        log.warning(next(filter(None, notes)))
    return notes
