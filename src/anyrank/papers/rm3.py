"""RM3: the query's terms, interpolated with a model of the terms of the documents found first.

Abdul-Jaleel et al., "UMass at TREC 2004: Novelty and HARD", TREC 2004 (no arXiv), after Lavrenko and Croft's relevance
model (RM1). The definition and defaults are Anserini's: every feedback document is cut to its ``fb_terms`` most
frequent terms, P(term | document) = count / their sum; RM1 is the sum over documents of P(term | document) times the
document's score, cut to ``fb_terms`` terms and scaled to the sum 1; a term's weight in the new query is

    weight * P(term | query) + (1 - weight) * RM1(term)

Anserini takes 10 feedback documents; here all that come in are taken: ``bm25 % 10 >> rm3 >> bm25``. PyTerrier's RM3 is
documented with 3 documents, 10 terms and the weight .6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.errors import InputError
from ..core.stage import Stage
from ..index.base import WordIndex
from ..retrieve.term_feedback import term_feedback
from .card import Card

CARD = Card(
    name="rm3",
    title="UMass at TREC 2004: Novelty and HARD",
    arxiv="",
    year=2004,
    summary="pseudo-relevance feedback: adds the terms of the candidates that came in to BM25's query",
    needs="an index of words",
    lexical=True,
    differences=(
        "a score that is not above 0 gives no weight to Anserini's sum: if there is one, all documents weigh the same",
        "terms of any script are taken, Anserini's are of a-z and 0-9 alone",
    ),
)


def rewriter(lexical: WordIndex, *, fb_terms: int = 10, weight: float = 0.5, max_df: float = 0.1) -> Stage:
    """``weight`` is that of the original query, from 0 to 1. Terms of fewer than 2 or more than 20 characters, and
    those that more than the part ``max_df`` of the index's documents hold, are no feedback terms."""
    if fb_terms < 1 or not 0 <= weight <= 1 or not 0 < max_df <= 1:
        raise InputError(
            f"fb_terms={fb_terms}, weight={weight}, max_df={max_df}: expected at least 1 term, and parts from 0 to 1"
        )

    def expand(
        query: Mapping[str, float], documents: Sequence[Mapping[str, int]], scores: Sequence[float]
    ) -> Mapping[str, float]:
        held = lexical.document_frequencies({t for counts in documents for t in counts if 2 <= len(t) <= 20})
        most = max_df * len(lexical)
        some = [{t: n for t, n in counts.items() if held.get(t, most + 1) <= most} for counts in documents]
        return interpolated(query, relevance_model(some, scores, fb_terms), weight)

    return term_feedback(CARD.name, lexical, expand)


def relevance_model(
    documents: Sequence[Mapping[str, int]], scores: Sequence[float], fb_terms: int = 10
) -> dict[str, float]:
    """RM1 of documents' counts of terms and their scores: the ``fb_terms`` best terms, with weights of the sum 1.

    >>> model = relevance_model([{"wing": 2, "lift": 1}, {"lift": 1, "heat": 1}], [2.0, 1.0])
    >>> {term: round(p, 4) for term, p in model.items()}
    {'wing': 0.4444, 'lift': 0.3889, 'heat': 0.1667}
    """
    if any(not s > 0 for s in scores):
        scores = [1.0] * len(documents)
    total: dict[str, float] = {}
    for counts, score in zip(documents, scores):
        best = _best(counts, fb_terms)
        length = sum(best.values())
        for term, count in best.items():
            total[term] = total.get(term, 0.0) + count / length * score
    best_terms = _best(total, fb_terms)
    norm = sum(best_terms.values())
    return {term: weight / norm for term, weight in best_terms.items()}


def interpolated(query: Mapping[str, float], model: Mapping[str, float], weight: float) -> dict[str, float]:
    """``weight`` times the query's terms, scaled to the sum 1, and the rest of 1 times the model's. No terms if the
    model has none."""
    if not model:
        return {}
    norm = sum(query.values()) or 1.0
    terms = dict.fromkeys((*query, *model))
    return {t: weight * query.get(t, 0.0) / norm + (1 - weight) * model.get(t, 0.0) for t in terms}


def _best(weights: Mapping[str, float], n: int) -> dict[str, float]:
    """The n largest; of equals, the first by the alphabet."""
    return dict(sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:n])
