"""The engine under a store: its schema, and the writer that keeps it in step with the rows."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import tantivy
from tantivy import Query

from ..core.errors import InputError
from ..core.types import Candidate
from ..disk import no_space
from .checksums import Problem
from .cures import rebuild
from .engine_files import write_state
from .rows import RowWriter, record
from .terms import terms

FOLDER = "lexical"
HEAP = 128 << 20
_LONGEST_ID = 512

Enter = Callable[[tantivy.Document, Candidate], None]
"""Adds a document's terms of an index to the document's entry in the engine."""


def schema() -> tantivy.Schema:
    """``row`` is the number in the document file, ``id`` and ``facts`` (terms of the fields) are whole; ``body`` and
    ``common`` are the lexical index's, analysed, with frequencies, and empty if there is none: ``common`` holds its
    stop words, with their positions. (Indexes of format 1 have no ``common``.)"""
    return (
        tantivy.SchemaBuilder()
        .add_unsigned_field("row", indexed=True, fast=True)
        .add_text_field("id", tokenizer_name="raw", index_option="basic")
        .add_text_field("facts", tokenizer_name="raw", index_option="basic")
        .add_text_field("body", tokenizer_name="body", index_option="freq")
        .add_text_field("common", tokenizer_name="body", index_option="position")
        .build()
    )


def open_engine(folder: Path) -> tuple[tantivy.Index, Links | None]:
    """The engine's index of a folder; with links to its files if the folder can't be written. Raises InputError if it
    can't be read."""
    path, links = folder / FOLDER, None
    try:
        try:
            index = tantivy.Index.open(str(path))
        except ValueError as error:
            if "Lockfile: IoError" not in str(error):
                raise
            links = Links.to(path)
            index = tantivy.Index.open(str(links.folder))
        index.config_reader("manual")
        index.reload()
    except (ValueError, OSError) as error:
        raise Problem(path, f"the engine's index can't be opened ({error})", rebuild(folder)).error() from error
    # The engine needs an analyser for every field of the schema; the lexical index replaces this one by its own.
    index.register_tokenizer("body", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).build())
    return index, links


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Links:
    """Symbolic links to the engine's files in a temporary ``folder``, removed with this object.

    The engine takes a lock file at each (re)load, which it can't create on a read-only file system; among the links it
    can.
    """

    source: Path
    folder: Path

    @classmethod
    def to(cls, source: Path) -> Links:
        folder = Path(tempfile.mkdtemp(prefix="anyrank-"))
        links = cls(source.resolve(), folder)
        weakref.finalize(links, shutil.rmtree, folder, ignore_errors=True)
        links.update()
        return links

    def update(self) -> None:
        """Links to the files that appeared since."""
        present = set(os.listdir(self.folder))
        for name in os.listdir(self.source):
            if name not in present and not name.endswith(".lock"):
                os.symlink(self.source / name, self.folder / name)


def clean(text: str) -> str:
    """The text with lone surrogates, which no file can hold, replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def whole(doc: Candidate) -> Candidate:
    """The document as it is stored: a text begins with the title of ``meta["title"]``; no content is an empty text.

    Raises InputError if the id is empty or too long, or a text's title is no text.
    """
    if not isinstance(doc.id, str) or not doc.id or len(doc.id.encode("utf-8", "replace")) > _LONGEST_ID:
        raise InputError(f"document id {doc.id!r:.60}: an id is a text of 1 to {_LONGEST_ID} bytes")
    id, content = clean(doc.id), "" if doc.content is None else doc.content
    if isinstance(content, str):
        title = doc.meta.get("title") or ""
        if not isinstance(title, str):
            raise InputError(f"document {doc.id!r}: its title is of type {type(title).__name__}, expected a text")
        if not content.startswith(title.strip()):
            content = f"{title} {content}"
        content = clean(content.strip())
    return doc if id is doc.id and content is doc.content else replace(doc, id=id, content=content)


@dataclass(slots=True, eq=False)
class Writing:
    """One writer of the engine and one of the rows, held together; documents are visible after ``commit``."""

    folder: Path
    writer: tantivy.IndexWriter
    rows: RowWriter
    enter: Enter | None = None

    @classmethod
    def begin(
        cls, index: tantivy.Index, folder: Path, enter: Enter | None = None, heap: int = HEAP, keep: int | None = None
    ) -> Writing:
        """Raises InputError if another process writes here. With ``keep``, rows from that number on are removed."""
        try:
            with no_space(folder):
                writer = index.writer(max(heap, 15_000_000), 1)
        except ValueError as error:
            if "LockBusy" not in str(error):
                raise
            raise InputError(
                "another process is writing to this collection: wait until it ends", path=folder
            ) from error
        with no_space(folder):
            writer.garbage_collect_files()  # a killed commit leaves files of deletes that the same commit writes again
            if keep is not None:
                beyond = Query.range_query(index.schema, "row", tantivy.FieldType.Unsigned, keep, None)
                writer.delete_documents_by_query(beyond)
                writer.commit()
        return cls(folder, writer, RowWriter.open(folder, keep), enter)

    def put(self, doc: Candidate) -> None:
        """A ``whole`` document added. Raises InputError if it can't be stored as JSON."""
        stored = record(doc)
        self._put(self.rows.append(doc.id.encode(), stored), doc)

    def _put(self, row: int, doc: Candidate) -> None:
        """A document's terms added under its row."""
        entry = tantivy.Document()
        entry.add_unsigned("row", row)
        entry.add_text("id", doc.id)
        for term in terms(doc.meta):
            entry.add_text("facts", term)
        if self.enter is not None:
            self.enter(entry, doc)
        with no_space(self.folder):
            self.writer.add_document(entry)

    def put_again(self, documents: Iterable[tuple[int, Candidate]]) -> None:
        """The terms of all documents replaced by those of these, each with its row: by the next commit."""
        self.writer.delete_documents_by_query(Query.all_query())
        for row, doc in documents:
            self._put(row, doc)

    def remove(self, ids: Sequence[str]) -> None:
        """Documents of these ids, if there are any, removed before those that are put afterwards."""
        for i in ids:
            self.writer.delete_documents_by_term("id", i)

    def commit(self) -> None:
        """Rows reach the disk before the engine's commit, which alone decides which documents exist."""
        self.rows.sync()
        with no_space(self.folder):
            self.writer.commit()

    def end(self) -> None:
        """Uncommitted documents dropped, merging awaited, the locks given back."""
        self.rows.close()
        with no_space(self.folder):
            self.writer.rollback()
            self.writer.wait_merging_threads()
        with suppress(InputError, ValueError, OSError):  # an older state on disk is not compared, so nothing is lost
            write_state(self.folder, self.folder / FOLDER)
