"""Text analysis, from text to terms: word splitting, lower case, stop words, stems, and accents folded, by language."""

from __future__ import annotations

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from ..core.errors import InputError

STEMMED = (
    "english", "arabic", "danish", "dutch", "finnish", "french", "german", "greek", "hungarian", "italian",
    "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", "tamil", "turkish",
)  # fmt: skip
NO_STOP_LIST = frozenset({"arabic", "greek", "romanian", "tamil", "turkish"})
STOP_WORDS = """
a about above after again against all am an and any are as at be because been before being below between both but by
can could did do does doing down during each few for from further had has have having he her here hers herself him
himself his how i if in into is it its itself just me more most my myself no nor not now of off on once only or other
our ours ourselves out over own same she should so some such than that the their theirs them themselves then there
these they this those through to too under until up very was we were what when where which while who whom why will
with would you your yours yourself yourselves
""".split()  # noqa: SIM905
"""English function words; the other languages have the engine's lists."""

BY_CHARACTER = ("chinese", "japanese")
LANGUAGES = (*STEMMED, *BY_CHARACTER, "none")

_SIGNS = r"\p{Han}\p{Hiragana}\p{Katakana}"
_LONGEST = 255


def check_language(language: str) -> str:
    """The language itself. Raises InputError if it isn't one of LANGUAGES."""
    if language not in LANGUAGES:
        raise InputError(f"language {language!r} is unknown: choose one of {', '.join(LANGUAGES)}")
    return language


def analyser(language: str = "english", stop_words: bool = True) -> TextAnalyzer:
    """The analyser of a language: Snowball stems (English: Porter 2) and stop words if there is a list.

    Chinese and Japanese are split into single characters; ``"none"`` only splits words and lowers case.
    Raises InputError on an unknown language.

    >>> analyser().analyze("The cafés weren't (title: AND running) IL-2")
    ['cafe', 'weren', 't', 'titl', 'run', 'il', '2']
    """
    check_language(language)
    by_character = language in BY_CHARACTER
    split = Tokenizer.regex(rf"[{_SIGNS}]|[\w--[{_SIGNS}]]+") if by_character else Tokenizer.simple()
    chain = TextAnalyzerBuilder(split).filter(Filter.remove_long(_LONGEST)).filter(Filter.lowercase())
    if language in STEMMED:
        if stop_words and language not in NO_STOP_LIST:
            own = language == "english"
            chain = chain.filter(Filter.custom_stopword(STOP_WORDS) if own else Filter.stopword(language))
        chain = chain.filter(Filter.stemmer(language))
    return chain.filter(Filter.ascii_fold()).build()
