"""The label that sentences about several labels conclude with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_CLAUSE = re.compile(
    r"[.!?;\n]+\s|\b(?:but|while|whereas|although|though)\b|,?\s*\b(?:rather than|instead of|unlike|than|over)\b"
)
_AGAINST = re.compile(
    r"\b(?:not|none|neither|nor|less|least|worse|worst|irrelevant|unrelated|unlike|than|over|off.topic|instead of"
    r"|only)\b|n't\b",
    re.IGNORECASE,
)
_FOR = re.compile(
    r"\b(?:most|best|better|therefore|thus|hence|so|final|conclusion|choose|chose|select|pick|answer)\b", re.IGNORECASE
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
    for start, end in pairwise(starts):
        inside = None
        while position < len(marks) and marks[position].start() < end:
            inside, position = marks[position], position + 1
        if inside is None:
            continue
        clause = answer[start:end]
        value = -1 if _AGAINST.search(clause) else 1 if _FOR.search(clause) else 0
        if value >= best:
            chosen, best = inside[1], value
    return str(chosen)
