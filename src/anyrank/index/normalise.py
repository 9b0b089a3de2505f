"""Text in one form, so that what looks the same is the same: NFKC, folded case, and the letters and signs that people
and programs write in several ways."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_DROPPED = "\u00ad\u200b\u200d\u2060\ufeff\u180e\u0640\u034f"  # soft hyphen, zero width, byte order mark, tatweel
_SPACES = "\u2122\u2120"  # trade and service marks, which NFKC would make letters of the word before
_LETTERS = {
    "ي": "ی", "ى": "ی", "ك": "ک", "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ۀ": "ه", "ہ": "ه",
    "ё": "е", "ґ": "г", "ʼ": "'",
}  # fmt: skip
_ARABIC = {"ی": "ي", "ک": "ك"}  # as Snowball's Arabic stemmer reads them
_LATIN = {
    "ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i",
    "ŋ": "n", "ŧ": "t", "ĸ": "k", "ɖ": "d", "ƒ": "f", "ə": "e",
}  # fmt: skip
_MARKS = re.compile("(?<=[a-zα-ω])[\u0300-\u036f]+")  # of letters that Unicode has no accented form of
_JOINER = re.compile(r"(?<=[\u0600-\u06ff])\u200c(?=[\u0600-\u06ff])")
_ASIAN = re.compile(r"(?<=[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b")


class _Characters(dict[int, str | None]):
    """A table for str.translate that is filled as characters come."""

    def __missing__(self, code: int) -> str | None:
        self[code] = out = self._replaced(chr(code))
        return out

    @staticmethod
    def _replaced(c: str) -> str | None:
        if c in _LETTERS:
            return _LETTERS[c]
        if c in _DROPPED or c == "\u200c" or "\u200e" <= c <= "\u200f" or "\u202a" <= c <= "\u202e":
            return None
        if _vowel_sign(c):
            return None
        if (digit := unicodedata.decimal(c, None)) is not None:
            return str(digit)
        return c


def _vowel_sign(c: str) -> bool:
    """True for the signs of Arabic and Hebrew vowels, which most texts leave out."""
    return unicodedata.combining(c) > 0 and ("\u064b" <= c <= "\u065f" or c == "\u0670" or "\u0591" <= c <= "\u05c7")


class _Folded(dict[int, str]):
    """A table for str.translate: letters of Latin and Greek without their accents."""

    def __missing__(self, code: int) -> str:
        c = chr(code)
        if c not in _LATIN:
            base, *marks = list(unicodedata.normalize("NFD", c))
            script = unicodedata.name(base, "").partition(" ")[0]
            accents = all(map(unicodedata.combining, marks)) and script in ("LATIN", "GREEK")
            self[code] = base if marks and accents else c
        else:
            self[code] = _LATIN[c]
        return self[code]


_CHARACTERS, _FOLDED = _Characters(), _Folded()


def normalised(text: str) -> str:
    """A text in lower case and one form; accents of Latin letters stay (`folded` drops them).

    Compatibility forms are made one (NFKC: decomposed accents, half-width kana, ligatures, micro signs), invisible
    signs are dropped, digits are 0 to 9, Arabic and Persian letters are one set without vowel signs, and what a
    zero-width non-joiner parts in Arabic script stands apart.

    >>> normalised("Cafe\\u0301 ｶﾞ co\\u00adop µm ۱۲")
    'café ガ coop μm 12'
    """
    if text.isascii():
        return text.lower()
    for sign in _SPACES:
        text = text.replace(sign, " ")
    text = _ASIAN.sub(" ", _JOINER.sub(" ", text))
    return unicodedata.normalize("NFKC", text).casefold().translate(_CHARACTERS)


def folded(word: str) -> str:
    """A normalised word without the accents of Latin and Greek letters.

    >>> folded("résumé"), folded("łódź"), folded("ёлка"), folded("ή")
    ('resume', 'lodz', 'ёлка', 'η')
    """
    if word.isascii():
        return word
    return _MARKS.sub("", unicodedata.normalize("NFC", word).translate(_FOLDED))


def arabic(word: str) -> str:
    """A normalised word with the letters that an Arabic stemmer knows."""
    return word.translate(_arabic_table())


@cache
def _arabic_table() -> dict[int, str]:
    return str.maketrans(_ARABIC)
