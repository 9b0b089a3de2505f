"""Text analysis, from text to terms: normalised words, stop words, stems; pairs of characters where words aren't parted
by spaces; the parts of identifiers in code.

The analysis has editions, and an index keeps the one that it was built with: in the first, accents were folded after
stemming, by the engine's own filters (`engine_analyser`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from .languages import CODE, NO_STOP_LIST, PERSIAN_STOP_WORDS, STEMMED, STOP_WORDS
from .normalise import arabic, folded, normalised

EDITION = 2
_SIGNS = r"\p{Han}\p{Hiragana}\p{Katakana}"
_LONGEST = 255
_CACHED = 500_000
"""Words whose terms are remembered; above that all are forgotten."""
_REMEMBERED = 32
"""The longest word that is remembered: longer ones are sentences without spaces, and come once."""

_CJK = (
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # Han
    "\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff\uac00-\ud7a3\u1100-\u11ff"  # kana and Hangul
)
_MARKED = "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese and Khmer: vowels are marks of consonants
_RUNS = re.compile(f"([{_CJK}]+)|([{_MARKED}]+)|([^{_CJK}{_MARKED}]+)")
_CLUSTER = re.compile(
    "[\u0e40-\u0e44\u0ec0-\u0ec4]?.[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"
    "\u102b-\u103e\u1056-\u1060\u17b6-\u17d3]*",
    re.DOTALL,
)
_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_IDENTIFIER = re.compile(r"[^\W\d]\w*(?:\+\+|#(?!\w))?|\d+(?:\.\d+)*|\.net\b", re.IGNORECASE)
_HUMPS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+")

_PLURAL = re.compile("(?<=...)ها(?:یی|ی)?$")  # the Persian plural, where it is written without a joiner

Forms = tuple[str, ...]
"""The terms of one word, of which a document has all and a query may match any."""


@cache
def _words() -> re.Pattern[str]:
    """Runs of letters, digits and marks of any script, as one class of characters, which is a table to Python's engine;
    above the 65,536 characters that it holds there are only two ranges, of scripts and of Han."""
    ranges, start = [], None
    for code in range(0x80, 0x10000):
        word = chr(code).isalnum() or unicodedata.category(chr(code)).startswith("M")
        if word and start is None:
            start = code
        elif not word and start is not None:
            ranges.append(f"{chr(start)}-{chr(code - 1)}")
            start = None
    return re.compile(f"[a-z0-9{''.join(ranges)}\U00010000-\U0001eeff\U00020000-\U000323af]+")


class _Word(NamedTuple):
    """A word's terms in a document and in a query, none of a stop word, whose text it has instead."""

    stored: Forms
    searched: Forms
    stop_word: str = ""


def _has_pairs(word: str) -> bool:
    """True if a word holds characters of a script without spaces between words, which are paired."""
    return not word.isascii() and any(m.lastindex != 3 for m in _RUNS.finditer(word))


@dataclass(slots=True, eq=False)
class Analyser:
    """The terms of texts in a language, by its name (`check_language`).

    >>> Analyser("english").terms("The cafés weren't (title: AND running) IL-2")
    ['cafe', 'weren', 't', 'titl', 'run', 'il', '2']
    >>> Analyser("english").query("东京 résumés")
    [('东京',), ('resum',)]
    """

    language: str
    stop_words: bool = True
    _stem: TextAnalyzer | None = None
    _stop_list: frozenset[str] | TextAnalyzer | None = None
    _known: dict[str, _Word] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        language = self.language
        if language in STEMMED:
            self._stem = _filtered(Filter.stemmer(language))
        if not self.stop_words:
            return
        if language in ("english", CODE):
            self._stop_list = frozenset(STOP_WORDS)
        elif language == "persian":
            self._stop_list = frozenset(map(normalised, PERSIAN_STOP_WORDS))
        elif language in STEMMED and language not in NO_STOP_LIST:
            self._stop_list = _filtered(Filter.stopword(language))

    def words(self, text: str) -> list[str]:
        """The normalised words of a text, in its order."""
        if self.language == CODE:
            return _IDENTIFIER.findall(unicodedata.normalize("NFKC", text))
        text = normalised(text)
        return _ASCII_WORDS.findall(text) if text.isascii() else _words().findall(text)

    def terms(self, text: str) -> list[str]:
        """The terms that a document of this text is found by, in its order."""
        return self.split(text)[0]

    def query(self, text: str) -> list[Forms]:
        """The terms that a query of this text searches for: for each of its words one, or several of which any
        will do."""
        out: list[Forms] = []
        for word in self.words(text):
            searched = self._analysed(word).searched
            if self.language == CODE or _has_pairs(word):
                out.extend((t,) for t in searched)
            elif searched:
                out.append(searched)
        return out

    def dropped(self, text: str) -> list[str]:
        """The stop words of a text, in its order."""
        return [word for word in self.split(text)[1] if word]

    def split(self, text: str) -> tuple[list[str], list[str]]:
        """The terms of a text, and its stop words, with an empty text for each run of other words between them."""
        terms: list[str] = []
        common: list[str] = []
        known, after_word = self._known.get, False
        for word in self.words(text):  # the loop that building spends its time in
            stored, _, stop_word = known(word) or self._analysed(word)
            if stop_word:
                common.append(stop_word)
                after_word = False
            else:
                terms += stored
                if not after_word:
                    common.append("")
                    after_word = True
        return terms, common

    def is_stop_word(self, word: str) -> bool:
        """True if a normalised word is one of the language's stop words, and these are left out."""
        if self._stop_list is None:
            return False
        if isinstance(self._stop_list, TextAnalyzer):
            return not self._stop_list.analyze(word)
        return folded(word).lower() in self._stop_list

    def _analysed(self, word: str) -> _Word:
        if (known := self._known.get(word)) is not None:
            return known
        analysed = _Word((), (), folded(word).lower()) if self.is_stop_word(word) else _Word(*self._forms(word))
        if len(word) <= _REMEMBERED:
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[word] = analysed
        return analysed

    def _forms(self, word: str) -> tuple[Forms, Forms]:
        """The terms of a word in a document, and those in a query."""
        if self.language == CODE:
            both = tuple(self._of_identifier(word))
            return both, both
        if _has_pairs(word):
            stored: list[str] = []
            searched: list[str] = []
            for match in _RUNS.finditer(word):
                run = match[0]
                if match.lastindex == 3:
                    forms = self._of_word(run)
                    stored.extend(forms)
                    searched.extend(forms[:1])
                else:
                    units = list(run) if match.lastindex == 1 else _CLUSTER.findall(run)
                    pairs = ["".join(p) for p in pairwise(units)]
                    # single characters are words of their own in Chinese and Japanese, so they can be searched for
                    stored.extend([*units, *pairs] if match.lastindex == 1 else pairs or units)
                    searched.extend(pairs or units)
            return tuple(stored), tuple(searched)
        forms = self._of_word(word)
        return forms, forms

    def _of_word(self, word: str) -> Forms:
        """The stem of a word without its accents; and in languages whose endings have accents, the stem of the word as
        it is written, if that is another."""
        if len(word.encode()) >= _LONGEST:
            return ()
        plain = folded(word)
        if self.language == "persian":
            return (_PLURAL.sub("", plain),)
        if self._stem is None:
            return (plain,)
        if self.language == "arabic":
            word = plain = arabic(plain)
        stems = [self._stem.analyze(plain)]
        if self.language != "english" and word != plain:
            stems.append([folded(s) for s in self._stem.analyze(word)])
        return tuple(dict.fromkeys(t for stem in stems for t in stem))

    def _of_identifier(self, word: str) -> Iterator[str]:
        """An identifier as a whole, and its parts, if it has several."""
        whole = folded(word.lower())
        if len(whole.encode()) >= _LONGEST:
            return
        yield whole
        parts = [p.lower() for p in _HUMPS.findall(word)]
        if len(parts) > 1:
            yield from (folded(p) for p in parts if not self.is_stop_word(p))


@cache
def _filtered(filter: Filter) -> TextAnalyzer:
    """An analyser of single words by one filter."""
    return TextAnalyzerBuilder(Tokenizer.raw()).filter(filter).build()


def engine_analyser(language: str = "english", stop_words: bool = True) -> TextAnalyzer:
    """The engine's analyser of an index of the first edition."""
    by_character = language in ("chinese", "japanese")
    split = Tokenizer.regex(rf"[{_SIGNS}]|[\w--[{_SIGNS}]]+") if by_character else Tokenizer.simple()
    chain = TextAnalyzerBuilder(split).filter(Filter.remove_long(_LONGEST)).filter(Filter.lowercase())
    if language in STEMMED:
        if stop_words and language not in NO_STOP_LIST:
            own = language == "english"
            chain = chain.filter(Filter.custom_stopword(STOP_WORDS) if own else Filter.stopword(language))
        chain = chain.filter(Filter.stemmer(language))
    return chain.filter(Filter.ascii_fold()).build()
