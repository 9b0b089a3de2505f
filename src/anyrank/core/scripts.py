"""The scripts of a text, by its letters; and notes where a model doesn't read the script or language of its texts."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from string import ascii_letters
from typing import Protocol, runtime_checkable

from .content import text_of
from .function_words import foreign_language
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
    "Gurmukhi": "\u0a00-\u0a7f",
    "Gujarati": "\u0a80-\u0aff",
    "Odia": "\u0b00-\u0b7f",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Kannada": "\u0c80-\u0cff",
    "Malayalam": "\u0d00-\u0d7f",
    "Sinhala": "\u0d80-\u0dff",
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Tibetan": "\u0f00-\u0fff",
    "Burmese": "\u1000-\u109f",
    "Georgian": "\u10a0-\u10ff",
    "Ethiopic": "\u1200-\u139f",
    "Mongolian": "\u1800-\u18af",
    "Hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3",
    "Khmer": "\u1780-\u17ff",
    "Kana": "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "Han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f",
}
_ASCII_LETTERS = ascii_letters.encode()
_PATTERNS = {name: re.compile(f"[{ranges}]+") for name, ranges in _LETTERS.items()}
_OF_CODE = {
    "zh": ("Han",), "ja": ("Kana", "Han"), "ko": ("Hangul", "Han"), "ru": ("Cyrillic",), "uk": ("Cyrillic",),
    "be": ("Cyrillic",), "bg": ("Cyrillic",), "mk": ("Cyrillic",), "kk": ("Cyrillic",), "sr": ("Cyrillic", "Latin"),
    "el": ("Greek",), "he": ("Hebrew",), "ar": ("Arabic",), "fa": ("Arabic",), "ur": ("Arabic",), "hi": ("Devanagari",),
    "mr": ("Devanagari",), "bn": ("Bengali",), "ta": ("Tamil",), "te": ("Telugu",), "th": ("Thai",), "lo": ("Lao",),
    "my": ("Burmese",), "ka": ("Georgian",), "km": ("Khmer",), "hy": ("Armenian",),
    "pa": ("Gurmukhi",), "gu": ("Gujarati",), "or": ("Odia",), "kn": ("Kannada",), "ml": ("Malayalam",),
    "si": ("Sinhala",), "bo": ("Tibetan",), "am": ("Ethiopic",), "ti": ("Ethiopic",), "mn": ("Mongolian", "Cyrillic"),
}  # fmt: skip


@runtime_checkable
class ReadsLanguages(Protocol):
    """A model that says which languages it reads, by ISO codes."""

    @property
    def languages(self) -> tuple[str, ...]: ...


_CHARACTERS = 2000
"""Of each text, so many are looked at for its script."""
_BEGINNING, _TEXTS = 200, 20
"""Characters of a text, and texts of a query, that are looked at for their language."""


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
    coded = text.encode("utf-8", "replace")
    # Bytes of other letters than ASCII's are at least as many as these letters: most texts need no closer look.
    if "Latin" in scripts and len(coded) - len(text) <= len(coded) - len(coded.translate(None, _ASCII_LETTERS)):
        return False
    counts = letters([text])
    return sum(n for script, n in counts.items() if script not in scripts) * 2 > counts.total() > 0


def unread_notes(model: str, languages: Sequence[str], groups: Sequence[Group]) -> list[str]:
    """For each group a note, if its query or most of that query's texts are written in a script or in a language of
    the Latin script (`foreign_language`) other than those of the model's ``languages`` (ISO codes; none, or
    "multilingual", for a model of many); and a warning in the log."""
    if not languages or "multilingual" in languages:
        return [""] * len(groups)
    scripts, seen = scripts_of(languages), dict[str, bool]()

    def outside(text: str) -> bool:
        if text not in seen:
            seen[text] = _outside(text, scripts)
        return seen[text]

    texts: dict[str, list[str]] = {}  # of a query, since a pointwise judge gets its candidates one by one
    queries: dict[str, str] = {}
    for query, candidates in groups:
        texts.setdefault(query.id, []).extend(text_of(c.content)[:_CHARACTERS] for c in candidates)
        queries.setdefault(query.id, text_of(query.content)[:_CHARACTERS])
    unread = {id: _unread(queries[id], texts[id], languages, outside) for id in queries}
    notes = [
        f"{model} reads {', '.join(languages)} alone, and {part}, whose order means little (e5-small reads many "
        "languages)"
        if (part := unread[query.id])
        else ""
        for query, _ in groups
    ]
    if any(notes):
        log.warning(next(filter(None, notes)))
    return notes


def _unread(query: str, texts: Sequence[str], languages: Sequence[str], outside: Callable[[str], bool]) -> str:
    """The part of a query's texts that a model of these languages doesn't read, and why; "" if it reads all."""
    if sum(map(outside, texts)) * 2 > len(texts):
        return "most texts are in another script"
    if outside(query):
        return "the query is in another script"
    beginnings = list(dict.fromkeys(text[:_BEGINNING] for text in texts[:_TEXTS]))
    if code := foreign_language(beginnings, languages):
        return f"most texts are in another language ({code})"
    if code := foreign_language([query], languages):
        return f"the query is in another language ({code})"
    return ""
