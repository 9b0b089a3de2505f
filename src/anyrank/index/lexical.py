"""The lexical index: BM25 (k1 = 1.2, b = 0.75) over title and text, in the engine of a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import tantivy
from tantivy import Occur, Query

from ..core.content import parts_of
from ..core.errors import InputError
from ..core.matches import Matches
from ..core.types import Candidate
from ..store.engine import clean
from ..store.filters import Filter
from ..store.store import Store
from .analysis import NO_STOP_LIST, STEMMED, analyser

_TITLE = 3  # how often a title is counted in the body
_SMOOTHING = 4  # words added to the length of every body, so that very short ones don't score too high
_FILLER = tantivy.PreTokenizedString("\0", [tantivy.Token("\0", i, 0, 1) for i in range(_SMOOTHING)])
Hits = tuple[list[int], Sequence[float]]
"""Rows and scores of one query, best first."""


@dataclass(slots=True, eq=False)
class Lexical:
    """The engine's field ``body``: the words of documents. Queries are made of terms only, never by a query parser, so
    any text is safe."""

    store: Store
    _analyser: tantivy.TextAnalyzer
    threads: int = 1

    @classmethod
    def over(cls, store: Store) -> Lexical:
        """The lexical index of a store, with the analyser that the manifest names."""
        own = analyser(store.manifest.language, store.manifest.stop_words)
        store.engine.register_tokenizer("body", own)
        return cls(store, own)

    def enter(self, entry: tantivy.Document, doc: Candidate) -> None:
        """Adds a document's words to its entry: those of its content, and the title's again."""
        content = doc.content
        for part in (content,) if isinstance(content, str) else parts_of(content):
            if isinstance(part, str):
                entry.add_text("body", clean(part))
        inner = content.get("title") if isinstance(content, Mapping) else None
        if title := doc.meta.get("title") or inner:
            entry.add_text("body", f"{clean(str(title))} " * (_TITLE - 1))
        entry.add_pre_tokenized_text("body", _FILLER)

    def __len__(self) -> int:
        return len(self.store)

    @property
    def drops_stop_words(self) -> bool:
        """Whether the index holds no stop words, so that no query can search for them."""
        manifest = self.store.manifest
        return manifest.stop_words and manifest.language in STEMMED and manifest.language not in NO_STOP_LIST

    def terms(self, text: str) -> list[str]:
        """The search terms of a text, in its order."""
        return list(self._analyser.analyze(clean(text)))

    def search(self, texts: Sequence[str], k: int, among: Filter | None = None) -> list[Matches]:
        """The k best documents that pass the filter, for each text; fewer if fewer hold a term of it.

        Any text is safe. Raises InputError if k < 1 or on a malformed filter.
        """
        self.store.refresh()
        hits = list(self._hits(texts, k, among))
        reader = self.store.reader([max(rows) for rows, _ in hits if rows])
        return [
            Matches(np.array(rows, dtype=np.int64), np.array(scores, dtype=np.float64), reader) for rows, scores in hits
        ]

    def _hits(self, texts: Sequence[str], k: int, among: Filter | None) -> Iterator[Hits]:
        if k < 1:
            raise InputError(f"k={k}: ask for at least 1 document")
        searcher = self.store.engine.searcher()
        clauses = self.store.clauses(among)
        limit = min(k, searcher.num_docs)

        def one(text: str) -> Hits:
            query = self._query(text, clauses) if limit else None
            if query is None:
                return [], []
            hits = searcher.search(query, limit, count=False).hits
            scores, addresses = zip(*hits) if hits else ((), ())
            rows: Any = searcher.fast_field_values("row", list(addresses))
            return rows, scores

        if self.threads > 1 and len(texts) > 1:
            with ThreadPoolExecutor(self.threads) as pool:
                yield from pool.map(one, texts)
        else:
            yield from map(one, texts)

    def _query(self, text: str, clauses: Sequence[Any]) -> Query | None:
        """Any of the text's terms, each weighted by its count; None if it has no term."""
        counts = Counter(self.terms(text))
        if not counts:
            return None
        any_term = []
        for word, n in counts.items():
            clause = Query.term_query(self.store.engine.schema, "body", word, "freq")
            any_term.append((Occur.Should, clause if n == 1 else Query.boost_query(clause, float(n))))
        query = Query.boolean_query(any_term)
        return Query.boolean_query([(Occur.Must, query), *clauses]) if clauses else query
