"""Whether a language's analysis fits texts: by their script, and by the share of its stop words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from ..core.scripts import letters, scripts_of
from .analysis import Analyser
from .languages import CODE, NO_STOP_LIST, STEMMED, code_of
from .normalise import normalised

_LEAST_LETTERS, _LEAST_WORDS, _LEAST_DISTINCT = 20, 60, 5
_WORD = re.compile(r"[^\W\d_]{2,}")  # single letters are names, variables and grades as well
_OF_SCRIPT = {
    "Han": "zh", "Kana": "ja", "Hangul": "ko", "Cyrillic": "ru", "Arabic": "ar", "Greek": "el", "Hebrew": "he",
    "Devanagari": "hi", "Thai": "th", "Bengali": "bn", "Tamil": "ta", "Telugu": "te", "Lao": "lo", "Burmese": "my",
    "Georgian": "ka", "Khmer": "km", "Armenian": "hy", "Latin": "en",
}  # fmt: skip
_PERSIAN, _UKRAINIAN = re.compile("[پچژگیک]"), re.compile("[іїєґІЇЄҐ]")


def misfit(texts: Sequence[str], language: str) -> str:
    """The reason why a language's analysis doesn't fit most of the texts, and the language that would; "" if it does,
    or if the texts are too short to tell.

    >>> misfit(["Москва является столицей России"], "english")
    'the texts are mostly Cyrillic and the language is english: stems and stop words will not fit (--language ru)'
    """
    if language in ("none", CODE):
        return ""
    counts = letters(texts)
    total = counts.total()
    if total < _LEAST_LETTERS:
        return ""
    fitting = scripts_of([code_of(language)])
    end = f"and the language is {language}: stems and stop words will not fit"
    if sum(counts[s] for s in fitting) * 2 < total:
        script = counts.most_common(1)[0][0]
        return f"the texts are mostly {_name(script)} {end} (--language {_suggested(script, counts, texts)})"
    if "Latin" not in fitting or language not in STEMMED or language in NO_STOP_LIST:
        return ""
    words = [w for text in texts for w in _WORD.findall(normalised(text[:2000]))]
    if len(words) < _LEAST_WORDS:
        return ""
    shares = {name: sum(map(_stops(name).is_stop_word, words)) / len(words) for name in _listed()}
    best = max(shares, key=lambda name: shares[name])
    distinct = sum(_stops(best).is_stop_word(w) and not _stops(language).is_stop_word(w) for w in set(words))
    if distinct >= _LEAST_DISTINCT and shares[best] >= 0.15 and shares[best] > 2 * shares[language]:
        return (
            f"{shares[best]:.0%} of the words are stop words of {best}, {shares[language]:.0%} of {language}, {end} "
            f"(--language {code_of(best)})"
        )
    return ""


def _name(script: str) -> str:
    return {"Han": "Chinese", "Kana": "Japanese", "Hangul": "Korean"}.get(script, script)


def _suggested(script: str, counts: dict[str, int], texts: Sequence[str]) -> str:
    """The code of the likeliest language of a script."""
    sample = " ".join(text[:2000] for text in texts)
    if script == "Han" and counts["Kana"] * 10 > counts["Han"]:
        return "ja"
    if script == "Arabic" and _PERSIAN.search(sample):
        return "fa"
    if script == "Cyrillic" and _UKRAINIAN.search(sample):
        return "uk"
    return _OF_SCRIPT.get(script, "none")


def _listed() -> list[str]:
    """Languages of Latin script with a list of stop words."""
    return [name for name in STEMMED if name not in NO_STOP_LIST and name != "russian"]


@cache
def _stops(language: str) -> Analyser:
    return Analyser(language)
