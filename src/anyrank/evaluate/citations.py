"""Citation recall and precision of a text's statements, whether a model or a rule judged their support."""

from __future__ import annotations

from collections.abc import Sequence


def citation_recall(cites: Sequence[bool]) -> float:
    """The share of a text's statements that cite a source; 0 for a text without statements.

    >>> citation_recall([True, False])
    0.5
    """
    return sum(cites) / len(cites) if cites else 0.0


def citation_precision(supports: Sequence[float]) -> float:
    """The mean support, 0 to 1, of the statements that cite anything, by what they cite; 0 if none does.

    >>> citation_precision([1.0, 0.5])
    0.75
    """
    return sum(supports) / len(supports) if supports else 0.0
