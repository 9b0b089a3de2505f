"""Reads the lines of an answer that was to list questions or queries, one a line or as a JSON list."""

from __future__ import annotations

import json
import re

_MARK = re.compile(
    r"^\s*(?:(?:(?:sub-?)?(?:question|query|q))?\s*\(?\d{1,2}\s*[.):\]]\s*|[-*•–+>]\s+|\(?[a-z]\)\s+)+", re.IGNORECASE
)
"""Numbers, letters and bullets before an item."""
_QUOTES = "\"'`“”‘’«» \t"


def listed_texts(answer: str, *, most: int, but: str = "") -> list[str]:
    """The items of an answer, in order: numbers, bullets and quotes taken off; without empty ones, introductions
    (lines that end in ":"), and repeats, also of the text ``but``; ``most`` at most.

    >>> listed_texts('Sure, here they are:\\n1. Who wrote Emma?\\n2) "When was that?"\\n- who wrote Emma?', most=5)
    ['Who wrote Emma?', 'When was that?']
    >>> listed_texts('["a b", "c d"]', most=1)
    ['a b']
    """
    out: list[str] = []
    seen = {_key(but), ""}
    for item in _json(answer) or answer.splitlines():
        text = _MARK.sub("", item).strip(_QUOTES).rstrip(",").strip(_QUOTES).replace("**", "")
        if text.endswith(":") or text.startswith("```") or text in ("[", "]", "{", "}") or _key(text) in seen:
            continue
        seen.add(_key(text))
        out.append(text)
    return out[:most]


def _json(answer: str) -> list[str]:
    """The texts of the first JSON list in an answer; none if there is no such list."""
    start, end = answer.find("["), answer.rfind("]")
    if start < 0 or end < start:
        return []
    try:
        value = json.loads(answer[start : end + 1])
    except ValueError:
        return []
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _key(text: str) -> str:
    """A text for comparison: its words in lower case."""
    return " ".join(re.findall(r"\w+", text.lower()))
