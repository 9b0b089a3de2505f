"""A collection on a server, as pipelines, commands and `Collection` users know collections: a `Server` with the text
analysis, the filters and the reading of documents that all stores share."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain, islice
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..core.content import is_blank, parts_of
from ..core.errors import InputError, listed
from ..core.matches import Document, Matches, Reader
from ..core.trace import Usage
from ..core.types import Candidate
from ..index.analysis import EDITION, Analyser
from ..index.exact import Settings, title_of
from ..index.languages import check_language
from ..index.lexical import TextOrTerms, check_weights, searched
from ..store.engine import clean, whole
from ..store.filters import Filter, conditions
from ..store.kinds import check_kinds, stored_kinds
from ..store.rows import decoded, record
from ..store.terms import field_values, terms
from ..store.vector_names import model_of
from ..vectors import Encoder, Vectors, as_vectors, vectors_class
from .base import About, Clause, Entry, Hits, Server

_BATCH = 2_000  # documents of one transaction
_AT_ONCE = 256  # documents encoded at once
_EXAMPLE = 60  # characters of a field's example
_FACT = 500  # characters of a term of a field


@dataclass(slots=True, eq=False)
class Source:
    """The documents of a server by row number (`core.matches.Source`): a row is an id that some search gave. A
    document is read as it is when it is read; one that was deleted meanwhile has no content."""

    server: Server
    _ids: list[str] = field(default_factory=list, repr=False)
    _rows: dict[str, int] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def rows(self, ids: Iterable[str]) -> list[int]:
        """The row of each id, new ones numbered."""
        with self._lock:
            out = []
            for i in ids:
                row = self._rows.setdefault(i, len(self._ids))
                if row == len(self._ids):
                    self._ids.append(i)
                out.append(row)
            return out

    def ids(self, rows: Sequence[int]) -> list[str]:
        return [self._ids[r] for r in rows]

    def documents(self, rows: Sequence[int]) -> list[Document]:
        documents = self.server.documents(list(dict.fromkeys(self.ids(rows))))
        return [documents.get(i, (None, {})) for i in self.ids(rows)]

    def matches(self, hits: Hits) -> Matches:
        """A search's result with its documents to be read at first access."""
        ids = [i for i, _ in hits]
        rows = np.array(self.rows(ids), dtype=np.int64)
        return Matches(rows, np.array([s for _, s in hits], dtype=np.float64), Reader(self), ids)


def check_vectors(
    server: Server, name: str, vectors: Vectors, index: str = "nearest", options: Mapping[str, Any] | None = None
) -> None:
    """Raises InputError if the store doesn't hold such vectors as an encoder makes, or has no such index of them."""
    check_kind(server, name, vectors.kind, index)
    server.check_vectors(vectors.kind, vectors.dim, index, options or {})


def check_kind(server: Server, name: str, kind: str, index: str = "nearest") -> None:
    """Raises InputError if the store doesn't hold the kind of vectors that an encoder makes, or has no such index of
    them."""
    if index == "approximate" and kind != "dense":
        raise InputError(
            f"{server.address}: a graph is of dense vectors, and {model_of(name)} makes {kind} ones: leave --ann out"
        )
    if kind not in server.kinds:
        raise InputError(
            f"{server.address}: {model_of(name)} makes {kind} vectors, and this store holds {listed(server.kinds)} "
            "ones: index into a folder (-o) for others"
        )


@dataclass(slots=True, eq=False)
class Remote:
    """A collection on a server, opened. One program should write at a time; any number may search, and see what was
    written at once.

    What it lacks of a folder's index: search for stop words alone, and the stages that read an index's own files.
    """

    server: Server
    about: About
    source: Source

    @classmethod
    def open(cls, server: Server) -> Remote:
        """Raises InputError if there is no collection, or its building was not finished."""
        about = server.read()
        if about is None:
            raise InputError(f"{server.address}: holds no collection: `anyrank index CORPUS --to {server.address}`")
        if not about.complete:
            raise InputError(
                f"{server.address}: its building stopped after {server.count():,} documents: run the same command again"
            )
        return cls(server, about, Source(server))

    @classmethod
    def build(
        cls,
        server: Server,
        documents: Iterable[Candidate],
        *,
        language: str = "english",
        stop_words: bool = True,
        overwrite: bool = False,
        on_progress: Callable[[int], None] | None = None,
    ) -> Remote:
        """A collection of these documents on a server; ``on_progress`` gets the number written so far.

        After a kill the same call goes on: what was written is compared with the documents. With ``overwrite`` a
        collection that is there is removed first. Raises InputError on an id that comes twice, a complete collection
        (unless ``overwrite``), and an unfinished one with other options or of other documents.
        """
        fresh, there = About(check_language(language), stop_words, EDITION), 0
        documents = _distinct(documents, set())
        about = server.read()
        if about is None or overwrite:
            source = iter(documents)
            sample = list(islice(source, _BATCH))
            documents = chain(sample, source)
            self = cls(server, fresh, Source(server))
            lengths = [e.length + 2 * e.title_length for e in map(self.entry, map(whole, sample))]
            self.about = replace(fresh, mean_length=sum(lengths) / len(lengths) if lengths else 0.0)
            if about is not None:
                server.drop()  # once the first documents could be read
            server.create(self.about)
        elif about.complete:
            raise InputError(f"{server.address}: holds a complete collection: use --update or --overwrite")
        elif (about.language, about.stop_words, about.analysis) != (fresh.language, fresh.stop_words, fresh.analysis):
            raise InputError(
                f"{server.address}: an unfinished build there has language={about.language}, "
                f"stop_words={about.stop_words}: use the same options, or --overwrite"
            )
        else:
            self = cls(server, about, Source(server))
            there = server.count()
            documents = self._after(documents, there)
        for done in self._put(documents):
            if on_progress is not None:
                on_progress(there + done)
        self.about = replace(self.about, complete=True)
        server.write(self.about)
        return self

    def _after(self, documents: Iterable[Candidate], there: int) -> Iterator[Candidate]:
        """The documents that an unfinished build had not written, of which ``there`` were. Raises InputError before
        anything is written if those that were are not all among the first of these documents, with the same content: a
        build writes them in their order, and of a batch that broke off perhaps some."""
        source, left, missing = map(whole, documents), there, list[Candidate]()
        while left and len(missing) <= _BATCH and (part := list(islice(source, _BATCH))):
            stored = self.server.documents([d.id for d in part])
            for doc in part:
                if doc.id not in stored:
                    missing.append(doc)
                elif record(doc) != record(Candidate(doc.id, stored[doc.id][0], 0.0, stored[doc.id][1])):
                    self._other_corpus(f"document {doc.id!r:.80} is not the one written")
            left -= len(stored)
        if left:
            self._other_corpus(f"the first documents of this corpus lack {left:,} of the {there:,} written")
        return chain(missing, source)

    def _other_corpus(self, why: str) -> NoReturn:
        raise InputError(
            f"{self.path}: {why} by an unfinished build there: give the same corpus, or begin anew with overwrite=True "
            "(on the command line --overwrite)"
        )

    @property
    def path(self) -> str:
        """The address without a password, which stands where a folder's path would."""
        return self.server.address

    @property
    def store(self) -> NoReturn:
        """Raises InputError: a stage that asks for it reads the files of an index in a folder."""
        self._unable("this step reads the files of an index in a folder")

    @property
    def lexical(self) -> Words:
        """The index of words."""
        return Words(self)

    @property
    def encoded(self) -> list[str]:
        """Names of the encoders whose vectors are stored."""
        return sorted(self.about.vectors)

    def reload(self) -> None:
        """Sees models that others added since the collection was opened. (Documents are seen without it.)"""
        self.about = self.server.read() or self.about

    def refresh(self) -> None:
        """Sees what others changed (`reload`), also a collection that was built anew. Raises InputError if it is gone,
        or being built."""
        self.about = type(self).open(self.server).about

    def __len__(self) -> int:
        return self.server.count()

    def __contains__(self, id: str) -> bool:
        return bool(self.server.present([id]))

    def get(self, ids: Sequence[str]) -> list[Candidate]:
        """The documents of these ids, in this order. Raises InputError on an unknown id."""
        documents = self.server.documents(list(dict.fromkeys(ids)))
        self._all_known(ids, documents)
        return [Candidate(i, documents[i][0], 0.0, documents[i][1]) for i in ids]

    def known(self, ids: Sequence[str]) -> list[int]:
        """The rows of these ids, in this order. Raises InputError on an unknown id."""
        self._all_known(ids, self.server.present(list(dict.fromkeys(ids))))
        return self.source.rows(ids)

    def _all_known(self, ids: Sequence[str], known: Any) -> None:
        for i in ids:
            if i not in known:
                raise InputError(f"{self.path}: document {i!r:.80} is not in the collection")

    def reader(self, rows: Sequence[int]) -> Reader:
        """A reader of the documents of these rows."""
        return Reader(self.source)

    def ids(self) -> Iterator[str]:
        """All ids."""
        yield from self.server.ids()

    def documents(self) -> Iterator[Candidate]:
        """All documents."""
        ids = iter(self.server.ids())
        while part := list(islice(ids, _BATCH)):
            documents = self.server.documents(part)
            yield from (Candidate(i, documents[i][0], 0.0, documents[i][1]) for i in part if i in documents)

    def add(self, docs: Iterable[Candidate], encoders: Mapping[str, Encoder] | None = None) -> int:
        """New documents, and how many. Raises InputError on an id that is there already."""

        def new() -> Iterator[Candidate]:
            source = iter(docs)
            while part := list(islice(source, _BATCH)):
                for i in self.server.present([d.id for d in part]):
                    raise InputError(f"{self.path}: document {i!r:.80} is there already (update replaces it)")
                yield from part

        return self._changed(_distinct(new(), set()), encoders)

    def update(self, docs: Iterable[Candidate], encoders: Mapping[str, Encoder] | None = None) -> int:
        """Documents added, or replaced if the id is there already, and how many."""
        return self._changed(docs, encoders)

    def _changed(self, docs: Iterable[Candidate], encoders: Mapping[str, Encoder] | None) -> int:
        count = max(self._put(docs), default=0)
        for name in self.encoded:
            if encoders and name in encoders:
                self.encode(encoders[name], name)
        return count

    def delete(self, ids: Iterable[str]) -> int:
        """Documents removed, and how many there were of these ids."""
        count, source = 0, iter(dict.fromkeys(ids))
        while part := list(islice(source, _BATCH)):
            count += self.server.delete(part)
        return count

    def encode(
        self,
        encoder: Encoder,
        name: str | None = None,
        *,
        index: str | None = None,
        options: Mapping[str, Any] | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> Usage:
        """Vectors of every document that has none yet, and their cost; ``index`` is "nearest" (all are compared) or
        "approximate" (a graph), with its options; those of the same index that aren't named stay as they were. Raises
        InputError on a kind of vectors that the store can't hold."""
        if not isinstance(encoder, Encoder):
            label = name or getattr(encoder, "name", type(encoder).__name__)
            raise InputError(f"{label} scores candidates and makes no vectors: encode with a dense or sparse model")
        name, usage = name or encoder.name, Usage()
        described = self.about.vectors.get(name)
        if described is not None and index is not None:
            self._describe(name, described["kind"], described["dim"], index, options)
        done = 0
        total = len(self) if on_progress is not None else 0
        while ids := self.server.unencoded(name, _BATCH) if name in self.about.vectors else self._first_ids():
            if on_progress is not None and not done:
                done = max(total - len(ids), 0) if len(ids) < _BATCH else 0
            for start in range(0, len(ids), _AT_ONCE):
                part = ids[start : start + _AT_ONCE]
                documents = self.server.documents(part)
                part = [i for i in part if i in documents]
                contents = [documents[i][0] for i in part]
                encoded = encoder.encode(contents)
                usage += encoded.usage
                if name not in self.about.vectors:
                    self._describe(name, encoded.vectors.kind, encoded.vectors.dim, index, options)
                blank = [c is None or is_blank(c) for c in contents]
                self.server.put_vectors(name, part, encoded.vectors, blank)
                done += len(part)
                if on_progress is not None:
                    on_progress(done)
        return usage

    def _first_ids(self) -> list[str]:
        return list(islice(self.server.ids(), _BATCH))

    def _describe(self, name: str, kind: str, dim: int, index: str | None, options: Mapping[str, Any] | None) -> None:
        """What the collection says of the vectors of a name."""
        check_kind(self.server, name, kind)
        self.reload()
        old = self.about.vectors.get(name, {})
        kept = old.get("options", {}) if old and index == old["index"] else {}
        described = {"kind": kind, "dim": dim, "index": index or "nearest", "options": {**kept, **(options or {})}}
        self.about = self.about.with_vectors(name, self.server.open_vectors(name, described))
        self.server.write(self.about)

    def vectors(self, name: str, *, exact: bool = False) -> Near:
        """The search by the stored vectors of that name. Raises InputError if there are none."""
        if name not in self.about.vectors:
            known = ", ".join(self.encoded) or "none"
            raise InputError(f"{self.path}: holds no vectors {name!r} (it has: {known}): encode it first")
        return Near(self, name, exact)

    def compact(self) -> NoReturn:
        """Raises InputError: the server does that by itself."""
        self._unable("a server takes deleted documents out by itself (PostgreSQL by its autovacuum)")

    def close(self) -> None:
        """The connection closed."""
        self.server.close()

    def _unable(self, why: str) -> NoReturn:
        models = listed(map(model_of, self.encoded))
        raise InputError(
            f"{self.path}: {why}; on a server there are bm25, searches by vectors ({models}), filters, and every stage "
            "that reranks, rewrites or fuses"
        )

    def clauses(self, filter: Filter | None) -> list[Clause]:
        """The filter as a store is given it. Raises InputError on a malformed filter, a field that no document has,
        and a value of a kind that the field doesn't hold."""
        out = []
        for condition in conditions(filter):
            fields = self.about.fields
            if condition.field not in fields:  # another program may have written it
                self.reload()
                fields = self.about.fields
            if condition.field not in fields:
                names = listed(sorted(fields), 20)
                raise InputError(
                    f"{self.path}: no document has a field {condition.field!r} to filter on (fields: {names})"
                )
            kinds, example = fields[condition.field]
            check_kinds(condition, set(kinds), example, lambda term: False)
            out.append(Clause([fact(term) for term in condition.terms()], condition.negated))
        return out

    def _put(self, docs: Iterable[Candidate]) -> Iterator[int]:
        """Documents written in batches; after each the number so far. Of equal ids in a batch the last wins."""
        source, count = iter(docs), 0
        while part := {d.id: d for d in map(whole, islice(source, _BATCH))}:
            self._learn_fields(part.values())
            self.server.put([self.entry(d) for d in part.values()])
            count += len(part)
            yield count

    def _learn_fields(self, docs: Iterable[Candidate]) -> None:
        """The kinds of the values of fields, so that a filter that no document could pass is an error."""
        values: dict[str, list[Any]] = {}
        for doc in docs:
            for name, value in field_values(doc.meta):
                values.setdefault(name, []).append(value)
        if all(name in self.about.fields and self._known(name, some) for name, some in values.items()):
            return
        self.reload()  # another program may have added fields or vectors
        fields = dict(self.about.fields)
        for name, some in values.items():
            kinds, example = fields.get(name, ((), some[0]))
            union = sorted({*kinds, *stored_kinds(some)} if any(v != "" for v in some) else kinds or {"texts"})
            fields[name] = union, example[:_EXAMPLE] if isinstance(example, str) else example
        self.about = replace(self.about, fields=fields)
        self.server.write(self.about)

    def _known(self, name: str, values: Sequence[Any]) -> bool:
        """Whether a field is known to hold values of these kinds."""
        return set(stored_kinds(values)) <= set(self.about.fields[name][0]) or all(v == "" for v in values)

    def entry(self, doc: Candidate) -> Entry:
        """A ``whole`` document as it is written."""
        pieces = json.loads(record(doc))
        words = self.lexical
        body = Counter(words.document_terms(doc)) if self.about.lexical else {}
        title = Counter(words.title_terms(doc)) if self.about.lexical else {}
        content, meta = (json.dumps(piece, ensure_ascii=False) for piece in pieces)  # null characters escaped
        return Entry(doc.id, content, meta, [fact(term) for term in terms(doc.meta)], body, title)


def document(content: str, meta: str) -> Document:
    """A document from the JSON that an `Entry` has of it."""
    return decoded(content), decoded(meta)


def fact(term: str) -> str:
    """A term of a document's fields as a store holds it: a long one, as of a field with a long name, is known by its
    digest, since stores index values of a few thousand bytes.

    >>> fact('["lang", "en"]'), len(fact("x" * 9000))
    ('["lang", "en"]', 72)
    """
    if len(term) <= _FACT:
        return term
    return term[:40] + blake2b(term.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _distinct(docs: Iterable[Candidate], seen: set[str]) -> Iterator[Candidate]:
    for doc in docs:
        if doc.id in seen:
            raise InputError(f"document {doc.id!r:.80} comes twice")
        seen.add(doc.id)
        yield doc


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words of a collection on a server: BM25, and what rewriters ask of an index of words. Terms are made here, as
    a folder's index makes them; the server holds and counts them. Stop words are not held."""

    collection: Remote

    @property
    def store(self) -> Remote:
        """The documents."""
        return self.collection

    @property
    def drops_stop_words(self) -> bool:
        """Whether a query of stop words alone has no result."""
        return self.collection.about.stop_words

    @property
    def _analyser(self) -> Analyser:
        return _analyser(self.collection.about.language, self.collection.about.stop_words)

    def __len__(self) -> int:
        return len(self.collection)

    def terms(self, text: str) -> list[str]:
        """The search terms of a text, in its order, without its stop words."""
        return [t for forms in self._analyser.query(clean(text)) for t in forms]

    def weights(self, text: str) -> dict[str, float]:
        """The search terms of a text with their counts."""
        return dict(Counter(self.terms(text)))

    def document_terms(self, doc: Candidate) -> list[str]:
        """The terms of a document's content, its title once."""
        analyser = self._analyser
        parts = parts_of(searched(doc))
        return [t for part in parts if isinstance(part, str) for t in analyser.terms(clean(part))]

    def title_terms(self, doc: Candidate) -> list[str]:
        """The terms of a document's title."""
        return self._analyser.terms(clean(title_of(doc)))

    def document_frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """For each term the number of documents that hold it."""
        terms = list(terms)
        known = self.collection.server.frequencies(terms)
        return {t: known.get(t, (0, 0.0))[0] for t in terms}

    def frequencies(self, terms: Iterable[str]) -> dict[str, float]:
        """For each term how often it stands in all documents together, titles counted once."""
        terms = list(terms)
        known = self.collection.server.frequencies(terms)
        return {t: known.get(t, (0, 0.0))[1] for t in terms}

    def search(
        self, queries: Sequence[TextOrTerms], k: int, among: Filter | None = None, settings: Settings | None = None
    ) -> list[Matches]:
        """The k best documents by BM25 for each text, or weighted terms. Raises InputError if k < 1, on a malformed
        filter, a weight that is not positive, and settings that the store can't take."""
        if k < 1:
            raise InputError(f"k={k}: ask for at least 1 document")
        clauses, out = self.collection.clauses(among), []
        for query in queries:
            check_weights(query)
            weights = self.weights(query) if isinstance(query, str) else query
            hits = self.collection.server.words(weights, k, clauses, settings or Settings()) if weights else []
            out.append(self.collection.source.matches(hits))
        return out

    def summands(self, query: TextOrTerms, id: str, settings: Settings | None = None) -> Sequence[Any]:
        """Raises InputError: the server gives no parts of a score."""
        self.collection._unable("the parts of a BM25 score are told by an index in a folder alone")


_ANALYSERS: dict[tuple[str, bool], Analyser] = {}


def _analyser(language: str, stop_words: bool) -> Analyser:
    """An analyser with the words that it remembers, one a process and language."""
    key = language, stop_words
    if key not in _ANALYSERS:
        _ANALYSERS[key] = Analyser(language, stop_words)
    return _ANALYSERS[key]


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """Search by the vectors of one model on a server (a `VectorIndex`)."""

    collection: Remote
    name: str
    exact: bool = False

    @property
    def described(self) -> Mapping[str, Any]:
        """The vectors' kind, dimension, index and options."""
        return self.collection.about.vectors[self.name]

    @property
    def vector_store(self) -> NoReturn:
        """Raises InputError as `Remote.store`."""
        self.collection._unable("this step reads the files of stored vectors in a folder")

    def missing(self) -> list[int]:
        """Rows of documents that have no vector, at most 10,000 of them."""
        return self.collection.source.rows(self.collection.server.unencoded(self.name, 10_000))

    def update(self) -> None:
        """Nothing to do: the server keeps its index up to date."""

    def search(self, queries: Vectors | NDArray[Any], k: int, among: Filter | None = None) -> list[Matches]:
        """The k nearest documents that pass the filter. Raises InputError if k < 1, or the queries are of another
        kind or dimension than the documents."""
        vectors = as_vectors(queries)
        if k < 1:
            raise InputError(f"k={k}: ask for at least 1 document")
        kind, dim = self.described["kind"], self.described["dim"]
        if len(vectors) and (vectors.kind != (vectors_class(kind).query_kind or kind) or vectors.dim != dim):
            raise InputError(
                f"{self.collection.path}: {vectors.kind} queries of {vectors.dim} dimensions for {kind} documents of "
                f"{dim}: use the encoder that made the documents"
            )
        clauses, server = self.collection.clauses(among), self.collection.server
        return [
            self.collection.source.matches(server.near(self.name, vectors.take([q]), k, clauses, self.exact))
            for q in range(len(vectors))
        ]

    def vectors(self, ids: Sequence[str]) -> tuple[list[int], Vectors | None]:
        """The positions in ``ids`` of those that have content and a stored vector, and these vectors (None if there
        are none)."""
        return self.collection.server.vectors(self.name, ids)

    def near(self, ids: Sequence[str], query: Vectors) -> tuple[list[int], NDArray[np.float32]]:
        """The positions in ``ids`` of those that have content and a stored vector, and their scores for one query."""
        positions, vectors = self.vectors(ids)
        return positions, np.zeros(0, np.float32) if vectors is None else vectors.near(query)
