"""Retrievers as stages: they start from the query's content, or from what rewriters made of it (`rewritten`), and
replace the candidates that came in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..core.content import required_text
from ..core.matches import Matches
from ..core.shares import shared
from ..core.stage import Limited, Stage
from ..core.trace import Step, Usage
from ..core.types import Candidate, Ranking, StoredCandidate
from ..index.base import CountsBlank, Documents, Index, Located, WordIndex
from ..index.collection import Collection
from ..index.exact import Settings
from ..store.filters import Filter
from ..vectors import Encoder
from . import rewritten

Results = Sequence[Sequence[tuple[str, float]]]


_NO_TERM = "the query has no term to search for: only signs, which the index leaves out"
_NO_STOP_WORDS = (
    "the query has no term to search for: only stop words or signs, which the index leaves out (one in a folder, "
    "built anew with --overwrite, holds the former)"
)


def _retrieved(
    name: str,
    rankings: Sequence[Ranking],
    search: Callable[[], tuple[Results, Usage]],
    documents: Documents | None,
    empty: Callable[[Ranking], tuple[str, ...]] = lambda _: (),
    notes: tuple[str, ...] = (),
) -> list[Ranking]:
    """The results of a search of all queries at once as rankings, with contents if there are ``documents``; ``empty``
    gives the notes of a query without results, ``notes`` are every query's."""
    if not rankings:
        return []
    start = time.perf_counter()
    results, usage = search()
    after = [_ranking(r, result, documents) for r, result in zip(rankings, results)]
    seconds = (time.perf_counter() - start) / len(rankings)
    steps = [
        Step(name, seconds, u, notes + (() if len(r) else empty(r))) for r, u in zip(after, shared(usage, len(after)))
    ]
    return [r.with_step(step) for r, step in zip(after, steps)]


def _ranking(ranking: Ranking, result: Sequence[tuple[str, float]], documents: Documents | None) -> Ranking:
    """The ranking with a search's result for its query."""
    if isinstance(result, Matches) and _holds(documents, result):
        return Ranking.of_matches(ranking.query, result, ranking.trace, ranking.limits)
    candidates: Sequence[Candidate] = [Candidate(i, None, score) for i, score in result]
    return replace(ranking, candidates=tuple(candidates if documents is None else filled(candidates, documents)))


def _holds(documents: Documents | None, matches: Matches) -> bool:
    """Whether these documents are those of the matches' own source."""
    if not isinstance(documents, Located):
        return False
    last = [int(matches.rows.max())] if len(matches) else []
    return not last or documents.reader(last).source is matches.reader.source


def _text(ranking: Ranking) -> str:
    return required_text(rewritten.searched(ranking.query), f"query {ranking.query.id!r}")


@dataclass(frozen=True)
class BM25(Limited):
    """The k best documents of a lexical index, or of a collection's, for the query's text or terms; contents and fields
    are read at first access. ``filter`` as in `Filter`. The step of a query without a term notes that.

    By default a title counts three times and four words are added to every length; ``settings`` choose otherwise, and
    k1 and b: `Settings(title=1, smoothing=0)` is the plain formula."""

    lexical: WordIndex | Collection = field(repr=False)
    k: int = 1000
    filter: Filter | None = None
    settings: Settings | None = None

    def limit(self, k: int) -> BM25:
        return replace(self, k=min(k, self.k))

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return rewritten.run(rankings, self._batch, by_terms=True)

    def _batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        index = self.lexical.lexical if isinstance(self.lexical, Collection) else self.lexical
        terms = [rewritten.terms(r.query) for r in rankings]
        queries = [_text(r) if t is None else t for r, t in zip(rankings, terms)]

        def empty(ranking: Ranking) -> tuple[str, ...]:
            weights = rewritten.terms(ranking.query)
            if weights or (weights is None and index.terms(_text(ranking))):
                return ()
            return (_NO_STOP_WORDS if index.drops_stop_words else _NO_TERM,)

        def search() -> tuple[Results, Usage]:
            return index.search(queries, self.k, self.filter, self.settings), Usage()

        return _retrieved("bm25", rankings, search, index.store, empty)


@dataclass(frozen=True)
class VectorSearch(Limited):
    """The k nearest documents of a vector index; the encoder sees each query's content. With ``documents`` (those that
    the index is over), candidates have contents and fields. A ``filter`` needs an index that takes one (a
    collection's). Documents without content are never results; a note counts them."""

    index: Index = field(repr=False)
    encoder: Encoder
    documents: Documents | None = field(default=None, repr=False)
    k: int = 1000
    filter: Filter | None = None

    def limit(self, k: int) -> VectorSearch:
        return replace(self, k=min(k, self.k))

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return rewritten.run(rankings, self._batch)

    def _batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        blank = self.index.blank if isinstance(self.index, CountsBlank) else 0
        notes = (f"{blank} of the index's documents have no content: vector search leaves them out",) if blank else ()
        return _retrieved(self.encoder.name, rankings, lambda: self._search(rankings), self.documents, notes=notes)

    def _search(self, rankings: Sequence[Ranking]) -> tuple[Results, Usage]:
        encoded = rewritten.encode(rankings, self.encoder, self.index)
        options = {} if self.filter is None else {"among": self.filter}
        return self.index.search(encoded.vectors, self.k, **options), encoded.usage


@dataclass(frozen=True)
class Attach(Stage):
    """Contents and fields for candidates that have only ids (a run read from a file). Order and scores stay."""

    documents: Documents = field(repr=False)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return [r if r.matches else replace(r, candidates=tuple(filled(r, self.documents))) for r in rankings]


def filled(candidates: Iterable[Candidate], documents: Documents) -> list[Candidate]:
    """The candidates, those without content given that of their document; a store's are read at first access.
    A candidate's own fields stay.

    Raises InputError on an id that the documents lack.
    """
    candidates = list(candidates)
    empty = [n for n, c in enumerate(candidates) if type(c) is not StoredCandidate and c.content is None]
    ids = [candidates[n].id for n in empty]
    if isinstance(documents, Located):
        rows = documents.known(ids)
        reader = documents.reader(rows)
        for n, row in zip(empty, rows):
            c = candidates[n]
            candidates[n] = StoredCandidate(c.id, c.score, reader, row, c.meta or None)
    else:
        for n, doc in zip(empty, documents.get(ids)):
            c = candidates[n]
            candidates[n] = replace(c, content=doc.content, meta={**doc.meta, **c.meta})
    return candidates
