"""Languages of the lexical index: their names and codes, and which have stems and stop words."""

from __future__ import annotations

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
"""English function words; the other stemmed languages have the engine's lists."""
PERSIAN_STOP_WORDS = """
از با به در را که و یا این ان برای تا بر هم نیز است بود شد می ها های
""".split()  # noqa: SIM905
"""Persian function words, and the endings that stand apart after a zero-width non-joiner."""

UNSTEMMED = {
    "chinese": "zh zho chi cmn yue", "japanese": "ja jpn", "korean": "ko kor", "thai": "th tha", "lao": "lo lao",
    "khmer": "km khm", "burmese": "my mya", "persian": "fa fas per prs", "urdu": "ur urd", "hebrew": "he heb iw",
    "hindi": "hi hin", "bengali": "bn ben", "marathi": "mr mar", "telugu": "te tel", "ukrainian": "uk ukr",
    "belarusian": "be bel", "bulgarian": "bg bul", "serbian": "sr srp", "croatian": "hr hrv", "bosnian": "bs bos",
    "slovenian": "sl slv", "macedonian": "mk mkd", "polish": "pl pol", "czech": "cs ces cze", "slovak": "sk slk slo",
    "lithuanian": "lt lit", "latvian": "lv lav", "estonian": "et est", "catalan": "ca cat", "basque": "eu eus",
    "galician": "gl glg", "irish": "ga gle", "icelandic": "is isl", "afrikaans": "af afr", "albanian": "sq sqi",
    "armenian": "hy hye", "georgian": "ka kat", "kazakh": "kk kaz", "vietnamese": "vi vie", "indonesian": "id ind",
    "malay": "ms msa", "filipino": "fil tl tgl", "swahili": "sw swa", "yoruba": "yo yor",
}  # fmt: skip
"""Languages whose words are normalised and split, without stems, and their codes."""
_STEMMED_CODES = {
    "english": "en eng", "arabic": "ar ara", "danish": "da dan", "dutch": "nl nld dut", "finnish": "fi fin",
    "french": "fr fra fre", "german": "de deu ger", "greek": "el ell gre", "hungarian": "hu hun", "italian": "it ita",
    "norwegian": "no nor nb nob nn nno", "portuguese": "pt por", "romanian": "ro ron rum", "russian": "ru rus",
    "spanish": "es spa", "swedish": "sv swe", "tamil": "ta tam", "turkish": "tr tur",
}  # fmt: skip
CODE = "code"
LANGUAGES = (*STEMMED, *UNSTEMMED, CODE, "none")
_NAME_OF = {
    code: name for table in (_STEMMED_CODES, UNSTEMMED) for name, codes in table.items() for code in codes.split()
}


def check_language(language: str) -> str:
    """The name of a language given by its name or its ISO 639 code, with or without a region. Raises InputError if it
    is neither.

    >>> check_language("zh-TW"), check_language("German"), check_language("fas")
    ('chinese', 'german', 'persian')
    """
    if not isinstance(language, str):
        raise InputError(f"language is of type {type(language).__name__}: expected its name or code, or 'none'")
    wanted = language.strip().lower().replace("_", "-")
    name = wanted if wanted in LANGUAGES else _NAME_OF.get(wanted.partition("-")[0], "")
    if not name:
        raise InputError(
            f"language {language!r:.60} is unknown: choose one of {', '.join(LANGUAGES)}, or an ISO code such as 'de'"
        )
    return name


def code_of(language: str) -> str:
    """The shortest code of a language, or its name if it has none."""
    return (_STEMMED_CODES | UNSTEMMED).get(language, language).split()[0]
