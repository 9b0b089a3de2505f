"""Exact match and F1 of short answers, as SQuAD's script has them (Rajpurkar et al., arXiv 1606.05250)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_SIGNS = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """A text without case, punctuation, articles and extra spaces.

    >>> normalised("The  Lilu's, (a) demon")
    'lilus demon'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_SIGNS)).split())


def exact_match(answer: str, gold: Sequence[str]) -> float:
    """1 if an answer equals one of the gold answers after `normalised`, else 0.

    >>> exact_match("The Demon.", ["demon", "spirit"])
    1.0
    """
    return float(normalised(answer) in {normalised(g) for g in gold})


def f1(answer: str, gold: Sequence[str]) -> float:
    """The best F1 of an answer's words against those of a gold answer. As HotpotQA's script has it (arXiv 1809.09600),
    "yes", "no" and "noanswer" count only if they are the whole answer.

    >>> f1("a big demon", ["the demon"])
    0.6666666666666666
    >>> f1("yes it is", ["yes"])
    0.0
    """
    return max((_f1(normalised(answer), normalised(g)) for g in gold), default=0.0)


def _f1(answer: str, gold: str) -> float:
    if answer != gold and {answer, gold} & {"yes", "no", "noanswer"}:
        return 0.0
    ours, theirs = answer.split(), gold.split()
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs)) if shared else float(ours == theirs)
