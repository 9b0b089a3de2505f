"""The label that sentences about several labels conclude with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_CLAUSE = re.compile(
    r"[.!?;\n]+\s|\b(?:but|while|whereas|although|though)\b|,?\s*\b(?:rather than|instead of|unlike|than|over)\b"
    r"|,\s*(?=(?:and )?not\b)|\bas\b(?=\W*(?:[a-z]+\W{1,2})?\W*(?:\d|[A-Z]\b))"
)
_AGAINST = re.compile(
    r"\b(?:not|none|neither|nor|less|least|worse|worst|irrelevant|unrelated|unlike|than|over|off.topic|instead of"
    r"|only)\b|n't\b",
    re.IGNORECASE,
)
_LESS = re.compile(r"\b(?:less|worse|lower|weaker|not (?:as|so)|isn't (?:as|so))\b", re.IGNORECASE)
_FOR = re.compile(
    r"\b(?:most|best|better|therefore|thus|hence|so|final|conclusion|choose|chose|choice|go with|prefer|recommend"
    r"|select|pick|answer)\b",
    re.IGNORECASE,
)


def conclusion(answer: str, marks: Sequence[re.Match[str]]) -> str:
    """The name of the label in ``marks`` (in group 1) that the answer picks: the last one of the last clause that
    speaks for a label ("is the most relevant"), else of the last clause that doesn't speak against one ("are not",
    "than [1]"), else of the answer.

    >>> text = "Passage [3] is most relevant. Passages [1] and [2] are not."
    >>> conclusion(text, list(re.finditer(r"\\[(\\d)\\]", text)))
    '3'
    """
    starts = [0, *(m.start() for m in _CLAUSE.finditer(answer)), len(answer)]
    chosen, best, position = marks[-1][1], 0, 0
    clause = ""
    for start, end in pairwise(starts):
        inside = None
        while position < len(marks) and marks[position].start() < end:
            inside, position = marks[position], position + 1
        before, clause = clause, answer[start:end]
        if inside is None:
            continue
        value = -1 if _AGAINST.search(clause) else 1 if _FOR.search(clause) else 0
        if _LESS.search(before) and re.match(r"\W*(?:than|as)\b", clause):  # "[1] is less relevant than [3]"
            value = 1
        if value >= best:
            chosen, best = inside[1], value
    return str(chosen)
