"""Bo1: terms that the documents found first have more often than chance, by Bose-Einstein statistics.

Amati, "Probabilistic models for information retrieval based on divergence from randomness", PhD thesis, Glasgow 2003
(no arXiv); the definition and defaults are Terrier's. With F a term's count in the collection of N documents, P = F / N
and tf its count in all feedback documents together,

    w(term) = tf * log2((1 + P) / P) + log2(1 + P)

The ``fb_terms`` terms with the largest w are added with w over its value at F = tf = the largest tf (the formula
without parameters); the query's own terms have their count over the largest. Terrier takes 3 feedback documents; here
all that come in are taken: ``bm25 % 3 >> bo1 >> bm25``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from ..core.errors import InputError
from ..core.stage import Stage
from ..index.base import WordIndex
from ..retrieve.term_feedback import term_feedback
from .card import Card

CARD = Card(
    name="bo1",
    title="Probabilistic models for information retrieval based on divergence from randomness",
    arxiv="",
    year=2003,
    summary="pseudo-relevance feedback: adds terms that the candidates have more often than chance to BM25's query",
    needs="an index of words, whose terms are counted in memory at the first query",
    lexical=True,
)


def rewriter(lexical: WordIndex, *, fb_terms: int = 10, min_docs: int = 2) -> Stage:
    """``min_docs``: a term is added only if so many feedback documents hold it (Terrier's 2; all of them if there are
    fewer)."""
    if fb_terms < 1 or min_docs < 1:
        raise InputError(f"fb_terms={fb_terms}, min_docs={min_docs}: expected at least 1")

    def expand(
        query: Mapping[str, float], documents: Sequence[Mapping[str, int]], scores: Sequence[float]
    ) -> Mapping[str, float]:
        held = Counter(term for counts in documents for term in counts)
        tf: Counter[str] = Counter()
        for counts in documents:
            tf.update({t: n for t, n in counts.items() if held[t] >= min(min_docs, len(documents))})
        added = weights(tf, lexical.frequencies(tf), len(lexical), fb_terms)
        most = max(query.values(), default=1.0)
        terms = dict.fromkeys((*query, *added)) if added else {}
        return {t: query.get(t, 0.0) / most + added.get(t, 0.0) for t in terms}

    return term_feedback(CARD.name, lexical, expand)


def weights(
    tf: Mapping[str, int], frequency: Mapping[str, float], documents: int, fb_terms: int = 10
) -> dict[str, float]:
    """The normalised weights of the best terms, from their counts in the feedback documents and in the collection.

    >>> {t: round(w, 4) for t, w in weights({"wing": 4, "lift": 1}, {"wing": 8, "lift": 64}, 64).items()}
    {'wing': 0.7817, 'lift': 0.1217}
    """
    if not tf:
        return {}
    informative = {t: bose_einstein(n, max(frequency[t], n) / documents) for t, n in tf.items()}
    most = max(tf.values())
    norm = bose_einstein(most, most / documents)
    best = sorted(informative.items(), key=lambda pair: (-pair[1], pair[0]))[:fb_terms]
    return {t: w / norm for t, w in best}


def bose_einstein(tf: float, mean: float) -> float:
    """w for a term of a mean count a document.

    >>> bose_einstein(3, 1.0)
    4.0
    """
    return tf * math.log2((1 + mean) / mean) + math.log2(1 + mean)
