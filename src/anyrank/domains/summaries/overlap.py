"""How much two texts have in common: overlap of sets of n-grams, and ROUGE by the package rouge-score."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from ...core.errors import InputError, MissingExtra

Utility = Callable[[str, str], float]
"""(reference, summary) -> how well the summary says what the reference says, higher is better."""

METRICS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words of a text, in lower case.

    >>> words("Wings, lift-off!")
    ['wings', 'lift', 'off']
    """
    return _WORD.findall(text.lower())


def ngrams(tokens: Sequence[str], n: int) -> frozenset[tuple[str, ...]]:
    """The set of a text's n-grams.

    >>> sorted(ngrams(["a", "b", "a", "b"], 2))
    [('a', 'b'), ('b', 'a')]
    """
    return frozenset(zip(*(tokens[i:] for i in range(n))))


def set_f(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    """The F measure of one set as a prediction of another, 2 |a and b| / (|a| + |b|); 0 if both are empty.

    >>> set_f(frozenset([("a",), ("b",)]), frozenset([("b",)]))  # two thirds
    0.6666666666666666
    """
    return 2 * len(a & b) / (len(a) + len(b)) if a or b else 0.0


def similarity(a: str, b: str) -> float:
    """The mean of `set_f` over sets of words and of pairs of words, 0 to 1: a quick ROUGE without stemming or
    counts.

    >>> round(similarity("the cat sat", "The cat ran."), 3)
    0.583
    """
    first, second = words(a), words(b)
    return (set_f(ngrams(first, 1), ngrams(second, 1)) + set_f(ngrams(first, 2), ngrams(second, 2))) / 2


def rouge(metrics: Sequence[str] = ("rouge1", "rouge2", "rougeLsum"), *, stem: bool = True) -> Utility:
    """The mean F measure of some ROUGE metrics by rouge-score; "rougeLsum" takes lines as sentences.

    Raises InputError for a metric it doesn't know, MissingExtra without the package (anyrank[summaries]).
    """
    if not metrics or (set(metrics) - set(METRICS)):
        raise InputError(
            f"rouge: no such metrics: {', '.join(metrics) or 'none given'}: choose from {', '.join(METRICS)}"
        )
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingExtra("rouge-score", extra="summaries") from error
    scorer = RougeScorer(list(metrics), use_stemmer=stem)

    @cache  # a consensus compares each pair from both sides, an oracle the same reference many times
    def mean_f(reference: str, summary: str) -> float:
        values = scorer.score(reference, summary)
        return sum(float(v.fmeasure) for v in values.values()) / len(values)

    return mean_f
