"""How text becomes terms: word splitting, lower case, stop words, stems, and accents folded, by language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import InputError

if TYPE_CHECKING:
    from tantivy import TextAnalyzer

STEMMED = (
    "english", "arabic", "danish", "dutch", "finnish", "french", "german", "greek", "hungarian", "italian",
    "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", "tamil", "turkish",
)  # fmt: skip
NO_STOP_LIST = frozenset({"arabic", "greek", "romanian", "tamil", "turkish"})
BY_CHARACTER = ("chinese", "japanese")
LANGUAGES = (*STEMMED, *BY_CHARACTER, "none")

_SIGNS = r"\p{Han}\p{Hiragana}\p{Katakana}"
_LONGEST = 255


def check_language(language: str) -> str:
    """The language itself. Raises InputError where it isn't one of LANGUAGES."""
    if language not in LANGUAGES:
        raise InputError(f"language {language!r} is unknown: choose one of {', '.join(LANGUAGES)}")
    return language


def analyser(language: str = "english", stop_words: bool = True) -> TextAnalyzer:
    """The analyser of a language: Snowball stems (English: Porter 2) and the engine's stop words where it has a list.

    Chinese and Japanese are split into single characters; ``"none"`` only splits words and lowers case.
    Raises InputError on an unknown language.

    >>> analyser().analyze("The cafés weren't (title: AND running) IL-2")
    ['cafe', 'weren', 't', 'titl', 'run', 'il', '2']
    """
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    check_language(language)
    by_character = language in BY_CHARACTER
    split = Tokenizer.regex(rf"[{_SIGNS}]|[\w--[{_SIGNS}]]+") if by_character else Tokenizer.simple()
    chain = TextAnalyzerBuilder(split).filter(Filter.remove_long(_LONGEST)).filter(Filter.lowercase())
    if language in STEMMED:
        if stop_words and language not in NO_STOP_LIST:
            chain = chain.filter(Filter.stopword(language))
        chain = chain.filter(Filter.stemmer(language))
    return chain.filter(Filter.ascii_fold()).build()
