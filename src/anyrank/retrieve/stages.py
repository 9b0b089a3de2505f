"""Retrievers as stages: they start from the query's content and replace the candidates that came in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..core.errors import InputError
from ..core.shares import shared
from ..core.stage import Limited, Stage
from ..core.trace import Step, Usage
from ..core.types import Candidate, Ranking
from ..index.base import Documents, Index
from ..index.collection import Collection
from ..index.lexical import Lexical
from ..store.filters import Filter
from ..vectors import Encoder


def _retrieved(
    name: str,
    rankings: Sequence[Ranking],
    found: Callable[[], tuple[Sequence[Sequence[Candidate]], Usage]],
    why: Callable[[Ranking], tuple[str, ...]] = lambda _: (),
) -> list[Ranking]:
    if not rankings:
        return []
    began = time.perf_counter()
    lists, usage = found()
    seconds = (time.perf_counter() - began) / len(rankings)
    steps = [Step(name, seconds, u, why(r)) for r, u in zip(rankings, shared(usage, len(rankings)))]
    return [
        replace(r, candidates=tuple(candidates), trace=(*r.trace, step))
        for r, candidates, step in zip(rankings, lists, steps)
    ]


def _text(ranking: Ranking) -> str:
    content = ranking.query.content
    if not isinstance(content, str):
        raise InputError(f"query {ranking.query.id!r}: BM25 needs a text, not {type(content).__name__}")
    return content


@dataclass(frozen=True)
class BM25(Limited):
    """The k best documents of a lexical index, or of a collection's, for the query's text, with contents and fields.
    ``filter`` as in ``facts.Filter``. A query of stop words alone finds nothing, and its step says why."""

    lexical: Lexical | Collection = field(repr=False)
    k: int = 1000
    filter: Filter | None = None

    def limit(self, k: int) -> BM25:
        return replace(self, k=min(k, self.k))

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        index = self.lexical if isinstance(self.lexical, Lexical) else self.lexical.lexical
        texts = [_text(r) for r in rankings]

        def why(ranking: Ranking) -> tuple[str, ...]:
            return () if index.terms(_text(ranking)) else ("the query has no term to search for: only stop words or "
                                                           "signs, which the index leaves out",)  # fmt: skip

        return _retrieved("bm25", rankings, lambda: (index.candidates(texts, self.k, self.filter), Usage()), why)


@dataclass(frozen=True)
class VectorSearch(Limited):
    """The k nearest documents of a vector index; the encoder sees each query's content. With ``documents``, contents
    and fields are filled in. A ``filter`` needs an index that takes one (a collection's)."""

    index: Index = field(repr=False)
    encoder: Encoder
    documents: Documents | None = field(default=None, repr=False)
    k: int = 1000
    filter: Filter | None = None

    def limit(self, k: int) -> VectorSearch:
        return replace(self, k=min(k, self.k))

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return _retrieved(self.encoder.name, rankings, lambda: self._found(rankings))

    def _found(self, rankings: Sequence[Ranking]) -> tuple[list[list[Candidate]], Usage]:
        encoded = self.encoder.encode([r.query.content for r in rankings], query=True)
        options = {} if self.filter is None else {"among": self.filter}
        hits = self.index.search(encoded.vectors, self.k, **options)
        bare = [[Candidate(i, None, s) for i, s in one] for one in hits]
        return (bare if self.documents is None else [filled(c, self.documents) for c in bare]), encoded.usage


@dataclass(frozen=True)
class Attach(Stage):
    """Contents and fields for candidates that have only ids (a run read from a file). Order and scores stay."""

    documents: Documents = field(repr=False)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return [replace(r, candidates=tuple(filled(r.candidates, self.documents))) for r in rankings]


def filled(candidates: Sequence[Candidate], documents: Documents) -> list[Candidate]:
    """The candidates, those without content given that of their document. Fields the candidate has already win.

    Raises InputError on an id that the documents lack.
    """
    known = iter(documents.get([c.id for c in candidates if c.content is None]))
    out = []
    for c in candidates:
        doc = next(known) if c.content is None else None
        out.append(c if doc is None else replace(c, content=doc.content, meta={**doc.meta, **c.meta}))
    return out
