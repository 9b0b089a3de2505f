"""The lexical index: BM25 (k1 = 1.2, b = 0.75) over title and text, in the engine of a store.

A title counts three times, and four words are added to every length: measured, these are better defaults than the plain
formula (LOG.md), but a paper's "BM25" is `Settings(title=1, smoothing=0)` with its own k1 and b.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import tantivy
from tantivy import Occur, Query

from ..core.content import parts_of
from ..core.errors import InputError, quoted
from ..core.matches import Matches
from ..core.types import Candidate
from ..store.engine import clean
from ..store.filters import Filter
from ..store.store import Store
from .analysis import Analyser, Forms, engine_analyser
from .exact import Settings, TermCounts, title_of
from .languages import NO_STOP_LIST, STEMMED

TITLE = 3
"""How often a title is counted in the body."""
SMOOTHING = 4
"""Words added to the length of every body, so that very short ones don't score too high."""
_PHRASE = 3.0  # the weight of a query of stop words as a phrase, beside its words
_FIRST_FILLER = tantivy.PreTokenizedString("\0", [tantivy.Token("\0", i, 0, 1) for i in range(SMOOTHING)])
_FILLER = " \0" * SMOOTHING
SEARCH_TEXT = "search_text"
"""The field of a document with a text that is searched in place of its content (`anyrank expand` writes it)."""
TextOrTerms = str | Mapping[str, float]
"""A query: a text, or analysed terms with their weights (all above 0), which are searched as they are."""
Hits = tuple[list[int], Sequence[float]]
"""Rows and scores of one query, best first."""


@dataclass(frozen=True, slots=True)
class Summand:
    """What a word of a query adds to a document's score: its term (or terms, of which the best counts), the value, its
    weight in the query and the number of documents that hold it."""

    term: str
    value: float
    weight: float
    documents: int


@dataclass(slots=True, eq=False)
class Lexical:
    """The engine's fields ``body``, the words of documents, and ``common``, their stop words, which a query of stop
    words alone searches. Queries are made of terms only, never by a query parser, so any text is safe.

    ``analyser`` makes the terms; None in an index of the first edition, whose ``_engine_analyser`` is the engine's.
    """

    store: Store
    analyser: Analyser | None
    _engine_analyser: tantivy.TextAnalyzer
    threads: int = 1
    _counts: tuple[int, TermCounts] | None = None  # with the store's generation that they were made of

    @classmethod
    def over(cls, store: Store) -> Lexical:
        """The lexical index of a store, with the analyser that the manifest names."""
        manifest = store.manifest
        if manifest.analysis == 1:
            analyser, own = None, engine_analyser(manifest.language, manifest.stop_words)
        else:
            analyser = Analyser(manifest.language, manifest.stop_words)
            own = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        store.engine.register_tokenizer("body", own)
        return cls(store, analyser, own)

    def enter(self, entry: tantivy.Document, doc: Candidate) -> None:
        """Adds a document's words to its entry: those of its content, and the title's again."""
        content = searched(doc)
        texts = [
            clean(p) for p in ((content,) if isinstance(content, str) else parts_of(content)) if isinstance(p, str)
        ]
        title = clean(title_of(doc))
        if self.analyser is None:
            for text in texts:
                entry.add_text("body", text)
            if title:
                entry.add_text("body", f"{title} " * (TITLE - 1))
            entry.add_pre_tokenized_text("body", _FIRST_FILLER)
            return
        terms: list[str] = []
        common: list[str] = []
        for text in texts:
            mine, stop_words = self.analyser.split(text)
            terms += mine
            common += stop_words
        if title:
            terms += self.analyser.terms(title) * (TITLE - 1)
        entry.add_text("body", " ".join(terms) + _FILLER)
        if any(common):
            entry.add_text("common", " ".join(word or "\0" for word in common))

    def __len__(self) -> int:
        return len(self.store)

    @property
    def drops_stop_words(self) -> bool:
        """Whether the index holds no stop words, so that no query can search for them: one of the first edition."""
        manifest = self.store.manifest
        listed = manifest.language in STEMMED and manifest.language not in NO_STOP_LIST
        return self.analyser is None and manifest.stop_words and listed

    def terms(self, text: str) -> list[str]:
        """The search terms of a text, in its order; its stop words if it has nothing else."""
        text = clean(text)
        return self._query_terms(text) or self._common(text)

    def weights(self, text: str) -> dict[str, float]:
        """The search terms of a text with their counts, without its stop words.

        The query that BM25 makes of the text, as weighted terms, which a rewriter may change."""
        return dict(Counter(self._query_terms(clean(text))))

    def document_terms(self, doc: Candidate) -> list[str]:
        """The terms of a document's content, as the index has them, its title once."""
        return self._body_terms(doc)

    def document_frequency(self, term: str) -> int:
        """The number of documents that hold a term."""
        self.store.refresh()
        return int(self.store.engine.searcher().doc_freq("body", term))

    def document_frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """For each term the number of documents that hold it."""
        return {term: self.document_frequency(term) for term in terms}

    def frequencies(self, terms: Iterable[str]) -> dict[str, float]:
        """For each term how often it stands in all documents together, titles counted once."""
        counts = self.exact()
        return {term: counts.frequency(term) for term in terms}

    def _common(self, text: str) -> list[str]:
        return [] if self.analyser is None else self.analyser.dropped(text)

    def search(
        self, queries: Sequence[TextOrTerms], k: int, among: Filter | None = None, settings: Settings | None = None
    ) -> list[Matches]:
        """The k best documents that pass the filter, for each text, or weighted terms; fewer if fewer hold a term of
        it.

        Any text is safe. With ``settings`` other than the default ones, BM25 is computed from counts of terms in memory
        (`exact`); a query of stop words alone is searched by the engine all the same. Raises InputError if k < 1, on
        a malformed filter, or on a weight that is not a positive number.
        """
        for query in queries:
            check_weights(query)
        self.store.refresh()
        if settings is None or settings == Settings():
            hits = list(self._hits(queries, k, among))
        else:
            hits = self._exact_hits(queries, k, among, settings)
        reader = self.store.reader([max(rows) for rows, _ in hits if rows])
        return [
            Matches(np.array(rows, dtype=np.int64), np.array(scores, dtype=np.float64), reader) for rows, scores in hits
        ]

    def _hits(self, queries: Sequence[TextOrTerms], k: int, among: Filter | None) -> Iterator[Hits]:
        if k < 1:
            raise InputError(f"k={k}: ask for at least 1 document")
        searcher = self.store.engine.searcher()
        clauses = self.store.clauses(among)
        limit = min(k, searcher.num_docs)

        def one(text_or_terms: TextOrTerms) -> Hits:
            query = self._query(text_or_terms, clauses) if limit else None
            if query is None:
                return [], []
            hits = searcher.search(query, limit, count=False).hits
            scores, addresses = zip(*hits) if hits else ((), ())
            rows: Any = searcher.fast_field_values("row", list(addresses))
            return rows, scores

        if self.threads > 1 and len(queries) > 1:
            with ThreadPoolExecutor(self.threads) as pool:
                yield from pool.map(one, queries)
        else:
            yield from map(one, queries)

    def _exact_hits(
        self, queries: Sequence[TextOrTerms], k: int, among: Filter | None, settings: Settings
    ) -> list[Hits]:
        if k < 1:
            raise InputError(f"k={k}: ask for at least 1 document")
        counts = self.exact()
        mask = None if among is None else self.store.passing(among)
        out: list[Hits] = []
        for query in queries:
            weights = self.weights(query) if isinstance(query, str) else query
            if weights:
                rows, scores = counts.best(weights, k, settings, mask)
                out.append((rows.tolist(), scores.tolist()))
            else:
                out.extend(self._hits([query], k, among))
        return out

    def summands(self, query: TextOrTerms, id: str, settings: Settings | None = None) -> list[Summand]:
        """What each word of a query adds to the score of a document in `search`, without those that add nothing; the
        sum is the score up to the engine's rounding. Raises InputError on an unknown id.

        A word of several terms counts by the best of them. The stop words of a query of nothing else, and their phrase,
        are one summand.
        """
        row = self.store.known([id])[0]
        if settings is not None and settings != Settings():
            weights = self.weights(query) if isinstance(query, str) else query
            if weights:
                counts = self.exact()
                column = int(np.flatnonzero(counts.rows == row)[0])
                values = {term: float(counts.scores({term: w}, settings)[column]) for term, w in weights.items()}
                return [Summand(t, v, weights[t], self.document_frequency(t)) for t, v in values.items() if v]
        searcher, schema = self.store.engine.searcher(), self.store.engine.schema
        only = Query.boost_query(Query.term_query(schema, "id", id), 0.0)
        out = []
        for words, weight, clause in self._summand_clauses(query):
            both = Query.boolean_query([(Occur.Must, clause), (Occur.Must, only)])
            hits = searcher.search(both, 1, count=False).hits
            if hits:
                frequency = max((int(searcher.doc_freq("body", word)) for word in words), default=0)
                out.append(Summand(" ".join(words), float(hits[0][0]), weight, frequency))
        return out

    def _summand_clauses(self, query: TextOrTerms) -> Iterator[tuple[Forms, float, Query]]:
        """(terms, weight, clause) of each word of a query."""
        words = self._words(query)
        for forms, weight in words.items():
            clause = self._clause(forms)
            yield forms, float(weight), clause if weight == 1 else Query.boost_query(clause, float(weight))
        if not words and isinstance(query, str) and (common := self._common(clean(query))):
            yield tuple(dict.fromkeys(common)), 1.0, Query.boolean_query(self._stop_word_clauses(common))

    def exact(self) -> TermCounts:
        """Counts of terms of all documents, made anew after a change."""
        if self._counts is None or self._counts[0] != self.store.generation:
            rows = [row for part in self.store.live() for row in part]
            texts = ((self._body_terms(doc), self._document_terms(title_of(doc))) for doc in self.store.documents())
            self._counts = self.store.generation, TermCounts.of(rows, texts)
        return self._counts[1]

    def _body_terms(self, doc: Candidate) -> list[str]:
        return [t for part in parts_of(searched(doc)) if isinstance(part, str) for t in self._document_terms(part)]

    def _document_terms(self, text: str) -> list[str]:
        text = clean(text)
        return list(self._engine_analyser.analyze(text)) if self.analyser is None else self.analyser.terms(text)

    def _query_terms(self, text: str) -> list[str]:
        """A query's terms but for stop words; of a word that has several, all."""
        if self.analyser is None:
            return list(self._engine_analyser.analyze(text))
        return [t for forms in self.analyser.query(text) for t in forms]

    def _query(self, query: TextOrTerms, clauses: Sequence[Any]) -> Query | None:
        """Any of the text's terms, each weighted by its count, or any of the weighted terms; None without a term."""
        any_term = [
            (Occur.Should, clause if n == 1 else Query.boost_query(clause, float(n)))
            for clause, n in ((self._clause(forms), n) for forms, n in self._words(query).items())
        ]
        if not any_term and isinstance(query, str):
            any_term = self._stop_word_clauses(self._common(clean(query)))
        if not any_term:
            return None
        either = Query.boolean_query(any_term)
        return Query.boolean_query([(Occur.Must, either), *clauses]) if clauses else either

    def _words(self, query: TextOrTerms) -> Mapping[Forms, float]:
        """The words of a query, each with its terms, and their weights: of a text how often they stand in it."""
        if not isinstance(query, str):
            return {(term,): weight for term, weight in query.items()}
        if self.analyser is None:
            return Counter((t,) for t in self._engine_analyser.analyze(clean(query)))
        return Counter(self.analyser.query(clean(query)))

    def _clause(self, forms: Forms) -> Query:
        """A word's term, or the best of its terms."""
        terms = [Query.term_query(self.store.engine.schema, "body", form, "freq") for form in forms]
        return terms[0] if len(terms) == 1 else Query.disjunction_max_query(terms)

    def _stop_word_clauses(self, words: Sequence[str]) -> list[tuple[Occur, Query]]:
        """Stop words, and all of them as a phrase, which tells more than the words."""
        schema = self.store.engine.schema
        out = [(Occur.Should, Query.term_query(schema, "common", w, "freq")) for w in dict.fromkeys(words)]
        if len(words) > 1:
            phrase = Query.phrase_query(schema, "common", list(words))
            out.append((Occur.Should, Query.boost_query(phrase, _PHRASE)))
        return out


def searched(doc: Candidate) -> Any:
    """The content by whose words a document is found: its ``search_text`` if it has one, else its own.

    >>> searched(Candidate("1", "wings", meta={"search_text": "wings why do planes fly"}))
    'wings why do planes fly'
    """
    text = doc.meta.get(SEARCH_TEXT)
    return text if isinstance(text, str) else doc.content


def check_weights(query: TextOrTerms) -> None:
    """Raises InputError on a weight of a term that is not a number above 0."""
    if not isinstance(query, str) and (wrong := [t for t, w in query.items() if not 0 < w < float("inf")]):
        raise InputError(f"the weight {query[wrong[0]]} of the term {quoted(wrong[0])}: expected a number above 0")
