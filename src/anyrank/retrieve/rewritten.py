"""Rewritten queries: the keys of ``Query.meta`` by which a rewriter tells the searches after it what to look for.

The query's own content is never overwritten, so that a later reranker still sees what the user asked. Every stage that
searches reads these keys:

``terms``            {analysed term: weight}: BM25 searches these instead of the text (RM3, Bo1).
``rewritten``        a text that every retriever searches instead of the content (rewriting, HyDE as a text).
``queries``          `Queries`: several texts that are searched one by one, and their results merged (decomposition).
``vector_feedback``  a tuple of `VectorRule`, applied in order to the encoded query (Rocchio, HyDE as a mean).

BM25 takes the first that is there of terms, queries, rewritten and content; encoders take the first of queries,
rewritten and content, and apply the rules to its vector. A new text replaces what earlier rewriters made of the old
one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..core.fusion import RRF, ArrayFusion, Fusion
from ..core.stage import Stage, merge
from ..core.trace import Step, Usage
from ..core.types import Query, Ranking
from ..vectors import Encoded, Encoder, Vectors

if TYPE_CHECKING:
    from ..core.fusion import Floats, Ints
    from ..index.base import Index

TERMS, REWRITTEN, QUERIES, VECTOR_FEEDBACK = "terms", "rewritten", "queries", "vector_feedback"


@runtime_checkable
class VectorRule(Protocol):
    """Changes an encoded query: from its vector (one row), the encoder that made it and the index that it will search,
    to the row that is searched, with the cost of what the rule encoded."""

    def __call__(self, vector: Vectors, encoder: Encoder, index: Index) -> Encoded: ...


@dataclass(frozen=True)
class Queries:
    """Texts that are searched one by one; ``merge`` makes one result of theirs."""

    texts: tuple[str, ...]
    merge: Fusion = RRF()

    @property
    def pooled(self) -> bool:
        """Whether the merged result is the union of all results, which a search's own limit doesn't cut."""
        return isinstance(self.merge, FirstOccurrence)


@dataclass(frozen=True)
class FirstOccurrence(ArrayFusion):
    """The union of the runs, one after another: a candidate stands where it appears first. Weights don't count.

    >>> FirstOccurrence()([{"a": 5.0, "b": 4.0}, {"b": 9.0, "c": 0.5}], [1, 1])
    {'a': 3.0, 'b': 2.0, 'c': 1.0}
    """

    def fuse(self, items: Sequence[Ints], scores: Sequence[Floats], n: int, weights: Sequence[float]) -> Floats:
        import numpy as np

        return np.arange(n, 0, -1, dtype=np.float64)  # candidates are numbered by their first appearance


def with_terms(query: Query, terms: Mapping[str, float]) -> Query:
    """The query with weighted terms for BM25; positive weights."""
    return replace(query, meta={**query.meta, TERMS: dict(terms)})


def with_rewritten(query: Query, text: str) -> Query:
    """The query with a text to be searched instead of its content."""
    return replace(query, meta={**_without(query, TERMS, QUERIES), REWRITTEN: text})


def with_queries(query: Query, queries: Queries) -> Query:
    """The query with several texts to be searched instead of its content."""
    return replace(query, meta={**_without(query, TERMS, REWRITTEN), QUERIES: queries})


def with_rule(query: Query, rule: VectorRule) -> Query:
    """The query with one more rule for its vector, after those that it has."""
    return replace(query, meta={**query.meta, VECTOR_FEEDBACK: (*rules(query), rule)})


def _without(query: Query, *keys: str) -> dict[str, Any]:
    return {k: v for k, v in query.meta.items() if k not in keys}


def terms(query: Query) -> Mapping[str, float] | None:
    """The weighted terms that BM25 searches; None if no rewriter made any."""
    value = query.meta.get(TERMS)
    return value if isinstance(value, Mapping) else None


def searched(query: Query) -> Any:
    """The content to search for: the rewritten text, else the query's own content.

    >>> searched(with_rewritten(Query("1", "why?"), "the reason"))
    'the reason'
    """
    value = query.meta.get(REWRITTEN)
    return value if isinstance(value, str) else query.content


def queries(query: Query) -> Queries | None:
    """The several texts to be searched one by one; None if there is one text."""
    value = query.meta.get(QUERIES)
    return value if isinstance(value, Queries) and value.texts else None


def rules(query: Query) -> tuple[VectorRule, ...]:
    """The rules for the query's vector, in the order in which they are applied."""
    value = query.meta.get(VECTOR_FEEDBACK)
    return tuple(r for r in value if isinstance(r, VectorRule)) if isinstance(value, tuple) else ()


def encode(rankings: Sequence[Ranking], encoder: Encoder, index: Index) -> Encoded:
    """A vector for each ranking's query, after its rules, and the cost."""
    encoded = encoder.encode([searched(r.query) for r in rankings], query=True)
    if not any(rules(r.query) for r in rankings):
        return encoded
    rows, usage = [], encoded.usage
    for i, ranking in enumerate(rankings):
        row: Vectors = encoded.vectors.take([i])
        for rule in rules(ranking.query):
            changed = rule(row, encoder, index)
            row, usage = changed.vectors, usage + changed.usage
        rows.append(row)
    return Encoded(type(rows[0]).join(rows), usage)


def run(
    rankings: Sequence[Ranking], search: Callable[[Sequence[Ranking]], list[Ranking]], by_terms: bool = False
) -> list[Ranking]:
    """Searches for all rankings at once. A ranking whose query has several texts is searched once for each, and the
    results are merged; each text's search finds as many as a search does, so the merged result may have more.
    ``by_terms``: the search takes weighted terms before several texts."""
    parts = [None if by_terms and terms(r.query) is not None else _split(r) for r in rankings]
    if all(p is None for p in parts):
        return search(rankings)
    done = iter(search([x for r, p in zip(rankings, parts) for x in ([r] if p is None else p)]))
    out = []
    for ranking, part in zip(rankings, parts):
        several = queries(ranking.query)
        if part is None or several is None:
            out.append(next(done))
        else:
            results = [next(done) for _ in part]
            merged = merge(ranking, results, several.merge)
            if several.pooled:
                merged = merged.with_step(Step("pool", notes=(_pool_note(several.texts, results),)))
            out.append(merged)
    return out


def _pool_note(texts: Sequence[str], results: Sequence[Ranking]) -> str:
    """How many candidates each text added to the pool of those before it."""
    pool: set[str] = set()
    added = []
    for text, result in zip(texts, results):
        before = len(pool)
        pool.update(result.ids)
        added.append(f"{len(pool) - before} by {text[:60]!r}")
    return f"a pool of {len(pool)}: {', '.join(added)}"


def _split(ranking: Ranking) -> list[Ranking] | None:
    several = queries(ranking.query)
    if several is None:
        return None
    return [ranking.with_query(with_rewritten(ranking.query, text)) for text in several.texts]


@dataclass(frozen=True)
class Rewrite(Stage):
    """A stage that changes the query by what a ranking holds, and leaves the candidates as they are.

    ``change`` gives the new query and a note that says what was done, for the trace; the same query if there is nothing
    to do."""

    name: str
    change: Callable[[Ranking], tuple[Query, str]]

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        out = []
        for ranking in rankings:
            start = time.perf_counter()
            query, note = self.change(ranking)
            step = Step(self.name, time.perf_counter() - start, Usage(), (note,) if note else ())
            out.append(ranking.with_query(query).with_step(step))
        return out
