"""The engine's schema, how a document enters it, and how a query is made: terms only, never the query parser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tantivy
from tantivy import Occur, Query

from ..core.errors import InputError
from ..core.types import Candidate
from . import filters
from .rows import RowWriter, record

FOLDER = "lexical"
HEAP = 128 << 20
_LONGEST_ID = 512
_TITLE = 3  # times that a title counts in the body
_SMOOTHING = 4  # words by which every body counts longer, so that very short ones are not favoured


def schema() -> tantivy.Schema:
    """``id`` and ``facts`` whole, ``body`` analysed with frequencies, ``row`` the number in the document store."""
    return (
        tantivy.SchemaBuilder()
        .add_unsigned_field("row", indexed=True, fast=True)
        .add_text_field("id", tokenizer_name="raw", index_option="basic")
        .add_text_field("facts", tokenizer_name="raw", index_option="basic")
        .add_text_field("body", tokenizer_name="body", index_option="freq")
        .build()
    )


def clean(text: str) -> str:
    """The text with lone surrogates, which no file can hold, replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def whole(doc: Candidate) -> Candidate:
    """The document as it is stored: the title of ``meta["title"]``, then the text, unless the text begins with it.

    Raises InputError where the id is empty or too long, or the content is no text.
    """
    if not isinstance(doc.id, str) or not doc.id or len(doc.id.encode("utf-8", "replace")) > _LONGEST_ID:
        raise InputError(f"document id {doc.id!r:.60}: an id is a text of 1 to {_LONGEST_ID} bytes")
    text, title = "" if doc.content is None else doc.content, doc.meta.get("title") or ""
    if not isinstance(text, str) or not isinstance(title, str):
        wrong = title if isinstance(text, str) else text
        raise InputError(f"document {doc.id!r}: a lexical index holds text, not {type(wrong).__name__}")
    if not text.startswith(title.strip()):
        text = f"{title} {text}"
    id, text = clean(doc.id), clean(text.strip())
    return doc if id is doc.id and text is doc.content else replace(doc, id=id, content=text)


@dataclass(slots=True, eq=False)
class Writing:
    """One writer of the engine and one of the rows, held together; what is put is visible after ``commit``."""

    writer: tantivy.IndexWriter
    rows: RowWriter
    filler: tantivy.PreTokenizedString

    @classmethod
    def begin(cls, index: tantivy.Index, folder: Path, heap: int = HEAP, keep: int | None = None) -> Writing:
        """Raises InputError where another process writes here. With ``keep``, rows from that number on are removed."""
        try:
            writer = index.writer(max(heap, 15_000_000), 1)
        except ValueError as error:
            if "LockBusy" not in str(error):
                raise
            raise InputError("another process is writing here: wait until it ends", path=folder) from error
        writer.garbage_collect_files()  # a killed commit's deletes would be in the way of the same commit made again
        if keep is not None:
            beyond = Query.range_query(index.schema, "row", tantivy.FieldType.Unsigned, keep, None)
            writer.delete_documents_by_query(beyond)
            writer.commit()
        filler = tantivy.PreTokenizedString("\0", [tantivy.Token("\0", i, 0, 1) for i in range(_SMOOTHING)])
        return cls(writer, RowWriter.open(folder, keep), filler)

    def put(self, doc: Candidate) -> None:
        """A ``whole`` document added. Raises InputError where a field of it is no JSON value."""
        try:
            stored = record(doc)
        except UnicodeEncodeError:
            raise InputError(
                f"document {doc.id!r}: a field holds text that is not Unicode (a lone surrogate)"
            ) from None
        except (TypeError, ValueError) as error:
            raise InputError(f"document {doc.id!r}: its fields can't be stored as JSON: {error}") from error
        entry = tantivy.Document()
        entry.add_unsigned("row", self.rows.append(doc.id.encode(), stored))
        entry.add_text("id", doc.id)
        for term in filters.terms(doc.meta):
            entry.add_text("facts", term)
        entry.add_text("body", doc.content)
        if title := doc.meta.get("title"):
            entry.add_text("body", f"{clean(title)} " * (_TITLE - 1))
        entry.add_pre_tokenized_text("body", self.filler)
        self.writer.add_document(entry)

    def remove(self, ids: Sequence[str]) -> None:
        """Documents of these ids, if there are any, removed before whatever is put afterwards."""
        for i in ids:
            self.writer.delete_documents_by_term("id", i)

    def commit(self) -> None:
        """Rows reach the disk before the engine's commit, which alone decides what exists."""
        self.rows.sync()
        self.writer.commit()

    def end(self) -> None:
        """Uncommitted documents dropped, merging awaited, the locks given back."""
        self.rows.close()
        self.writer.rollback()
        self.writer.wait_merging_threads()


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """Queries of the engine for texts under one filter."""

    schema: tantivy.Schema
    analyser: tantivy.TextAnalyzer
    must: tuple[Any, ...] = ()

    @classmethod
    def under(cls, schema: tantivy.Schema, analyser: tantivy.TextAnalyzer, filter: filters.Filter | None) -> Asking:
        sets = (Query.term_set_query(schema, "facts", terms) for terms in filters.wanted(filter or {}))
        return cls(schema, analyser, tuple((Occur.Must, Query.const_score_query(s, 0.0)) for s in sets))

    def filtered(self) -> Query:
        """Every document that passes the filter."""
        return Query.boolean_query([(Occur.Must, Query.all_query()), *self.must])

    def query(self, text: str) -> Query | None:
        """Any of the text's terms, each weighted by its count; None where it has no term."""
        counts = Counter(self.analyser.analyze(clean(text)))
        if not counts:
            return None
        should, schema, term = Occur.Should, self.schema, Query.term_query
        clauses = []
        for word, n in counts.items():
            clause = term(schema, "body", word, "freq")
            clauses.append((should, clause if n == 1 else Query.boost_query(clause, float(n))))
        asked = Query.boolean_query(clauses)
        return Query.boolean_query([(Occur.Must, asked), *self.must]) if self.must else asked
