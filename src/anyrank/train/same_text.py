"""Finds copies of relevant texts: the same text under another id is no negative."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from ..core.content import text_of
from ..core.errors import AnyrankError


def normalised(content: Any) -> str:
    """A content's text for comparison: composed (NFKC), in lower case, white space as single spaces, without format
    characters such as soft hyphens; "" if it has no text.

    >>> normalised("  The  Wing\\u00ad lifts. ") == normalised("the wing lifts.")
    True
    """
    try:
        text = text_of(content)
    except (AnyrankError, TypeError):  # an image, a spectrum
        return ""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c for c in plain if unicodedata.category(c) != "Cf").split())


def copies(contents: Iterable[Any], relevant: Iterable[Any]) -> list[bool]:
    """For each content, whether its text is the same as that of one of the relevant ones.

    >>> copies(["Lift and drag", "heat"], ["lift  and drag"])
    [True, False]
    """
    known = {text for content in relevant if (text := normalised(content))}
    return [bool(known) and normalised(content) in known for content in contents]


def unlike_relevant(candidates: Sequence[Any], labels: Sequence[float]) -> list[int]:
    """The positions of a group's candidates without those labelled 0 or less whose text is that of one labelled above
    0."""
    relevant = [c.content for c, label in zip(candidates, labels) if label > 0]
    others = [i for i, label in enumerate(labels) if label <= 0]
    same = dict(zip(others, copies([candidates[i].content for i in others], relevant)))
    return [i for i in range(len(candidates)) if not same.get(i, False)]
