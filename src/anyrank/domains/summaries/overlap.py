"""How much two texts have in common: overlap of sets of n-grams, and ROUGE by the package rouge-score."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, MissingExtra

Utility = Callable[[str, str], float]
"""(reference, summary) -> how well the summary says what the reference says, higher is better."""

METRICS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
CELLS = 4_000_000
"""Pairs of words that a comparison by rougeL or rougeLsum has at most: some seconds of rouge-score's loop."""
_ALONE = "\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_WORD = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+")
_LATIN = re.compile(r"[\W\d_A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff]*")


def words(text: str) -> list[str]:
    """The words of a text, in lower case; of Chinese and Japanese, which write no spaces, the characters.

    >>> words("Wings, lift-off!"), words("第3回")
    (['wings', 'lift', 'off'], ['第', '3', '回'])
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


class Overlaps:
    """`similarity` of a text with each of many, by lists of the texts that hold an n-gram, so that a comparison costs
    what the texts share.

    >>> Overlaps(["it rained", "they won"]).near("they won").tolist()
    [0.0, 1.0]
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._sizes = np.zeros((2, len(texts)))
        self._holders: dict[tuple[str, ...], list[int]] = {}
        for i, tokens in enumerate(map(words, texts)):
            for n in (1, 2):
                grams = ngrams(tokens, n)
                self._sizes[n - 1, i] = len(grams)
                for gram in grams:
                    self._holders.setdefault(gram, []).append(i)

    def near(self, text: str) -> NDArray[np.float64]:
        """The similarity of the text with each."""
        tokens, total = words(text), np.zeros(self._sizes.shape[1])
        for n in (1, 2):
            grams = ngrams(tokens, n)
            shared = np.zeros(len(total))
            for gram in grams:
                shared[self._holders.get(gram, [])] += 1
            total += 2 * shared / np.maximum(len(grams) + self._sizes[n - 1], 1)
        return total / 2


def rouge(metrics: Sequence[str] = ("rouge1", "rouge2", "rougeLsum"), *, stem: bool = True) -> Utility:
    """The mean F measure of some ROUGE metrics by rouge-score; "rougeLsum" takes lines as sentences. Texts of other
    scripts than the Latin one, of which rouge-score keeps nothing but digits, are split by `words`, without stemming.

    Raises InputError for a metric it doesn't know, and on two texts of more than `CELLS` pairs of words for a metric of
    subsequences; MissingExtra without the package (anyrank[summaries]).
    """
    if not metrics or (set(metrics) - set(METRICS)):
        raise InputError(
            f"rouge: no such metrics: {', '.join(metrics) or 'none given'}: choose from {', '.join(METRICS)}"
        )
    try:
        from rouge_score.rouge_scorer import RougeScorer
        from rouge_score.tokenizers import DefaultTokenizer, Tokenizer
    except ImportError as error:
        raise MissingExtra("rouge-score", extra="summaries") from error

    class OfAnyScript(Tokenizer):  # type: ignore[misc, unused-ignore]
        own = DefaultTokenizer(stem)

        def tokenize(self, text: str) -> list[str]:
            return list(self.own.tokenize(text)) if _LATIN.fullmatch(text) else words(text)

    scorer = RougeScorer(list(metrics), tokenizer=OfAnyScript())

    @cache  # a consensus compares each pair from both sides, an oracle the same reference many times
    def mean_f(reference: str, summary: str) -> float:
        if any(m.startswith("rougeL") for m in metrics):
            lengths = len(words(reference)), len(words(summary))
            if lengths[0] * lengths[1] > CELLS:
                raise InputError(
                    f"ROUGE-L compares every word with every word, and a text of {lengths[0]:,} words with one of "
                    f"{lengths[1]:,} takes minutes: leave out --rouge, or shorten the texts"
                )
        values = scorer.score(reference, summary)
        return sum(float(v.fmeasure) for v in values.values()) / len(values)

    return mean_f
