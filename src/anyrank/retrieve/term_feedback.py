"""Relevance feedback in terms: the candidates that came in give weighted terms, which BM25 then searches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from ..core.content import text_of
from ..core.types import Query, Ranking
from ..index.base import WordIndex
from . import rewritten
from .rewritten import Rewrite
from .stages import filled

Terms = Mapping[str, float]
Expand = Callable[[Terms, Sequence[Mapping[str, int]], Sequence[float]], Terms]
"""From the query's terms with their weights, and the counts of terms and the score of each feedback document, to the
weighted terms that are searched."""
_SHOWN = 10


def term_feedback(name: str, lexical: WordIndex, expand: Expand) -> Rewrite:
    """The rewriter that searches what ``expand`` makes of the query's terms and of all candidates that came in.

    The query's terms are those that an earlier rewriter left, else those of the text that is searched. Without
    candidates that have a term, and of a query of stop words alone, the query stays as it was."""

    def change(ranking: Ranking) -> tuple[Query, str]:
        query = ranking.query
        candidates = ranking.candidates
        if any(c.content is None for c in candidates):
            candidates = tuple(filled(candidates, lexical.store))
        counted = [(Counter(lexical.document_terms(c)), c.score) for c in candidates]
        counted = [(counts, score) for counts, score in counted if counts]
        before = rewritten.terms(query) or lexical.weights(text_of(rewritten.searched(query)))
        if not counted or not before:
            missing = "no candidate with a term" if before else "no term in the query"
            return query, f"{missing}: it stays as it was"
        after = expand(before, [counts for counts, _ in counted], [score for _, score in counted])
        after = {term: weight for term, weight in after.items() if weight > 0}
        if not after:
            return query, "no term to add: the query stays as it was"
        added = sorted((t for t in after if t not in before), key=lambda t: -after[t])
        shown = ", ".join(f"{term} {after[term]:.3g}" for term in added[:_SHOWN])
        more = f" and {len(added) - _SHOWN} more" if len(added) > _SHOWN else ""
        return rewritten.with_terms(query, after), f"{len(counted)} documents add {len(added)} terms: {shown}{more}"

    return Rewrite(name, change)
