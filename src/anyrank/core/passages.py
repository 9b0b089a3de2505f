"""Texts in parts: windows of words, sentences, and the sentences that a query's words need (QUITE)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from typing import TypeVar

_WORD = re.compile(r"\S+")
_END = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])|\s*\n+\s*")
"""The ends of sentences: a mark before white space, a Chinese mark, or the end of a line."""
T = TypeVar("T")


def passages(text: str, words: int, stride: int) -> list[str]:
    """Windows of ``words`` words, one every ``stride``, until the last word is in one; a short text is its own passage.

    >>> passages("a b c d e", words=3, stride=2)
    ['a b c', 'c d e']
    >>> passages(" one passage ", words=3, stride=2)
    [' one passage ']
    """
    spans = [m.span() for m in _WORD.finditer(text)]
    if len(spans) <= words:
        return [text]
    return [text[spans[a][0] : spans[b - 1][1]] for a, b in windows(len(spans), words, stride)]


def windows(n: int, size: int, stride: int) -> list[tuple[int, int]]:
    """The windows [start, end) of ``size`` of n items, one every ``stride``, until the last item is in one.

    >>> windows(5, 3, 2), windows(2, 3, 2)
    ([(0, 3), (2, 5)], [(0, 2)])
    """
    if n <= size:
        return [(0, n)]
    return [(i, min(i + size, n)) for i in range(0, n - size + stride, stride)]


def sentences(text: str) -> list[str]:
    """The sentences of a text; a text without a mark is one, an empty text too.

    >>> sentences("Lift is a force. Is drag? Yes, it is")
    ['Lift is a force.', 'Is drag?', 'Yes, it is']
    >>> sentences("")
    ['']
    """
    return [part for part in _END.split(text.strip()) if part] or [text]


def quite(importance: Mapping[T, float], parts: Sequence[Set[T]], most: int, decay: float = 0.5) -> list[int]:
    """Positions of the at most ``most`` sentences that cover the words of a query best, in the order of choice: QUITE,
    the query-weighted summary extraction of Baidu's ranker (arXiv 2105.11108, algorithm 1).

    ``importance`` is that of each word of the query; ``parts`` are the words of each sentence. A sentence's score is
    the sum over the query's words that it has; the best is taken (the first of equal ones), and the importance of its
    words is multiplied by ``decay``, so that the next one covers others. Sentences without a word of the query are
    taken last, in their order.

    >>> quite({"cheap": 1, "hotel": 2, "paris": 3}, [{"hotel", "paris"}, {"paris"}, {"cheap", "hotel"}], 2)
    [0, 2]
    """
    weights, rest, chosen = dict(importance), list(range(len(parts))), list[int]()
    while rest and len(chosen) < most:
        best = max(rest, key=lambda i: sum(weights[w] for w in parts[i] if w in weights))
        rest.remove(best)
        chosen.append(best)
        for word in parts[best]:
            if word in weights:
                weights[word] *= decay
    return chosen
