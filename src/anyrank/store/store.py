"""The store: documents of any JSON content, their fields, presence and filters. The base of all indexes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tantivy
from numpy.typing import NDArray
from tantivy import FieldType, Occur, Query

from ..core.errors import InputError
from ..core.matches import Reader
from ..core.types import Candidate
from .checksums import Problem
from .cures import rebuild
from .engine import FOLDER, Enter, Links, Writing, open_engine, whole
from .engine_files import check_engine, deleted_documents
from .filters import Filter, conditions
from .kinds import check_kinds, stored_kinds
from .manifest import Manifest
from .rows import Rows
from .terms import field_names, field_prefix

_CHUNK = 4096  # rows whose presence is read at once
_BATCH = 20_000  # documents a commit, ids a look-up
_SAMPLE = 1000  # documents or values by which the fields and their kinds are known


@dataclass(slots=True, eq=False)
class Store:
    """The documents of a folder.

    Reads see the last commit made through this object, or the last one of all after ``reload`` (a search reloads if
    there was one). One process may write at a time, any number may read. A document is written together with its terms
    in an index of the same engine (``enter``), so that one commit is atomic for both. A row is one version of one
    document: rows are never changed, so the results of a search before a change are still read as they were.
    """

    path: Path
    manifest: Manifest
    rows: Rows
    engine: tantivy.Index
    links: Links | None = None
    generation: int = 0
    _commit: tuple[int, int] | None = None
    _meta: str = ""  # the path of the file that each commit replaces, which every search looks at
    _checked: set[str] = field(default_factory=set, repr=False)
    _known_kinds: dict[str, tuple[set[str], Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Raises InputError if there is none, if its building was not finished, or on a newer format."""
        folder = Path(path)
        manifest = Manifest.read(folder)
        if not manifest.complete:
            raise InputError(
                f"its building stopped after {manifest.documents} documents: run the same build again to finish it",
                path=folder,
            )
        return cls.opened(folder, manifest)

    @classmethod
    def opened(cls, folder: Path, manifest: Manifest) -> Store:
        """The store of a folder whose manifest was read already, finished or not."""
        checked: set[str] = set()
        check_engine(folder, folder / FOLDER, checked)
        return cls(folder, manifest, Rows(folder), *open_engine(folder), _checked=checked)

    def reload(self) -> None:
        """Sees the commits of others since the last reload. Raises InputError if the collection was built anew."""
        if Manifest.read(self.path).build != self.manifest.build:
            raise InputError("was built anew since it was opened: open it again", path=self.path)
        self._commit = self._last_commit()
        if self.links is not None:
            self.links.update()
        self.engine.reload()
        self._known_kinds.clear()
        self.generation += 1

    def refresh(self) -> None:
        """Reloads if there was a commit since the last reload: asked before each search, so that an open pipeline sees
        changes made by others."""
        if self._last_commit() != self._commit:
            check_engine(self.path, self.path / FOLDER, self._checked)
            self.reload()

    def _last_commit(self) -> tuple[int, int]:
        """Changes with each commit. Raises InputError if the collection is gone."""
        try:
            self._meta = self._meta or os.path.join(self.path, FOLDER, "meta.json")
            status = os.stat(self._meta)
        except OSError as error:
            raise InputError(f"can't be read: {error.strerror}", path=self.path) from None
        return status.st_mtime_ns, status.st_ino

    def __len__(self) -> int:
        return int(self.engine.searcher().num_docs)

    def __contains__(self, id: str) -> bool:
        return bool(self.find([id]))

    def find(self, ids: Sequence[str]) -> dict[str, int]:
        """The row of each id that is present."""
        searcher = self.engine.searcher()
        out: dict[str, int] = {}
        unique = list(dict.fromkeys(ids))
        for start in range(0, len(unique), _BATCH):
            part = unique[start : start + _BATCH]
            rows = _rows(searcher, Query.term_set_query(self.engine.schema, "id", part), len(part))
            out.update(zip(self.rows.of(rows).ids(rows), rows))
        return out

    def known(self, ids: Sequence[str]) -> list[int]:
        """The rows of these ids, in this order. Raises InputError on an unknown id."""
        rows = self.find(ids)
        for i in ids:
            if i not in rows:
                raise InputError(f"document {i!r} is not in the index", path=self.path)
        return [rows[i] for i in ids]

    def get(self, ids: Sequence[str]) -> list[Candidate]:
        """The documents of these ids, in this order. Raises InputError on an unknown id."""
        rows = self.known(ids)
        return self.rows.of(rows).candidates(rows)

    def reader(self, rows: Sequence[int]) -> Reader:
        """A reader of the documents of these rows."""
        return self.rows.reader(rows)

    def ids(self) -> Iterator[str]:
        """All ids, oldest first."""
        for rows in self.live():
            yield from self.rows.of(rows).ids(rows)

    def documents(self) -> Iterator[Candidate]:
        """All documents, oldest first."""
        for rows in self.live():
            yield from self.rows.of(rows).candidates(rows)

    def live(self) -> Iterator[list[int]]:
        """The rows of all present documents, ascending, in chunks. Raises InputError if the file of rows lacks some."""
        searcher, total = self.engine.searcher(), len(self.rows)
        count = 0
        for start in range(0, total, _CHUNK):
            stop = min(start + _CHUNK, total)
            query = Query.range_query(self.engine.schema, "row", FieldType.Unsigned, start, stop - 1)
            rows = sorted(_rows(searcher, query, _CHUNK))
            count += len(rows)
            yield rows
        if count < searcher.num_docs:
            raise self._lost(count)

    def _lost(self, present: int) -> InputError:
        """The error of a file of rows that ends before the last document's."""
        what = f"is damaged: {present:,} of {len(self):,} documents have a row"
        return Problem(self.path / "rows.idx", what, rebuild(self.path)).error()

    def mask(self) -> NDArray[np.bool_]:
        """For every row, whether its document is present."""
        total = len(self.rows)
        if total == len(self):
            return np.ones(total, dtype=bool)
        present = np.zeros(total, dtype=bool)
        for rows in self.live():
            present[rows] = True
        return present

    def passing(self, filter: Filter) -> NDArray[np.bool_]:
        """For every row, whether its document is present and passes the filter. Raises InputError as `live`, and on a
        malformed filter."""
        searcher = self.engine.searcher()
        query = Query.boolean_query([(Occur.Must, Query.all_query()), *self.clauses(filter)])
        rows = _rows(searcher, query, searcher.num_docs) if searcher.num_docs else []
        out = np.zeros(len(self.rows), dtype=bool)
        if rows and max(rows) >= len(out):
            raise self._lost(sum(row < len(out) for row in rows))
        out[rows] = True
        return out

    def clauses(self, filter: Filter | None) -> list[tuple[Occur, Query]]:
        """The filter as clauses of an engine's query that don't count in its score. Raises InputError on a malformed
        filter, a field that no document has, and a value of a kind that the field doesn't hold."""
        searcher, out = self.engine.searcher(), []
        for condition in conditions(filter):
            if searcher.num_docs:
                kinds, example = self._kinds(condition.field)
                check_kinds(condition, kinds, example, lambda term: searcher.doc_freq("facts", term) > 0)
            query = Query.term_set_query(self.engine.schema, "facts", condition.terms())
            out.append((Occur.MustNot if condition.negated else Occur.Must, Query.const_score_query(query, 0.0)))
        return out

    def _kinds(self, field: str) -> tuple[set[str], Any]:
        """The kinds of a field's most frequent values, and one of them, remembered until the next reload. Raises
        InputError if no document has the field."""
        if field not in self._known_kinds:
            searcher = self.engine.searcher()
            frequent = searcher.terms_with_prefix("facts", field_prefix(field), limit=_SAMPLE)
            if not frequent:
                names = self.fields()
                listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
                what = f"no document has a field {field!r} to filter on (fields: {listed or 'none'})"
                raise InputError(what, path=self.path)
            values = [json.loads(term)[1] for term, _ in frequent]
            self._known_kinds[field] = stored_kinds(values), values[0]
        return self._known_kinds[field]

    def fields(self) -> list[str]:
        """The names of the fields that filters may use, of all documents, or of an even sample of many."""
        rows = np.flatnonzero(self.mask())
        sample = [int(rows[i]) for i in np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(int))]
        documents = self.rows.of(sample).documents(sample)
        return sorted({name for _, meta in documents for name in field_names(meta)})

    def add(self, docs: Iterable[Candidate], enter: Enter | None = None) -> int:
        """New documents added, and how many. Raises InputError on an id that is there already or comes twice;
        batches before it stay added."""
        return self._write(docs, enter, replacing=False)

    def update(self, docs: Iterable[Candidate], enter: Enter | None = None) -> int:
        """Documents added or, if the id is there already, replaced; of equal ids the last wins."""
        return self._write(docs, enter, replacing=True)

    def delete(self, ids: Iterable[str]) -> int:
        """Documents removed, and how many there were of these ids."""
        present = self.find(list(ids))
        if present:
            writing = self._begin()
            try:
                writing.remove(list(present))
                writing.commit()
            finally:
                writing.end()
            self.reload()
        return len(present)

    @property
    def deleted(self) -> int:
        """The number of deleted and replaced documents that still count in the statistics of terms."""
        return deleted_documents(self.path / FOLDER)

    def compact(self, enter: Enter | None = None) -> int:
        """The terms of all documents written anew, by one commit, and the number of deleted documents that no longer
        count in their statistics. Rows stay as they are, and with them vectors."""
        writing = self._begin(enter)
        try:
            if deleted := self.deleted:
                live = self.live()
                writing.put_again(pair for rows in live for pair in zip(rows, self.rows.of(rows).candidates(rows)))
                writing.commit()
                self.reload()
        finally:
            writing.end()
        return deleted

    @property
    def writable(self) -> bool:
        """Whether documents may be written: False if the store's folder is read-only."""
        return self.links is None

    def check_writable(self) -> None:
        """Raises InputError if the store's folder is read-only."""
        if not self.writable:
            raise InputError("can't be written: its folder is read-only", path=self.path)

    def _begin(self, enter: Enter | None = None) -> Writing:
        """The store's writer. Raises InputError if its folder is read-only."""
        self.check_writable()
        self.refresh()
        return Writing.begin(self.engine, self.path, enter)

    def _write(self, docs: Iterable[Candidate], enter: Enter | None, replacing: bool) -> int:
        source, count = iter(docs), 0
        writing = self._begin(enter)
        try:
            while batch := [whole(d) for d in islice(source, _BATCH)]:
                if replacing:
                    batch = list({d.id: d for d in batch}.values())
                    writing.remove([d.id for d in batch])
                else:
                    self.check_new([d.id for d in batch])
                for doc in batch:
                    writing.put(doc)
                writing.commit()
                self.reload()
                count += len(batch)
        finally:
            writing.end()
        return count

    def check_new(self, ids: Sequence[str]) -> None:
        """Raises InputError if an id comes twice or is in the store already."""
        seen: set[str] = set()
        for i in ids:
            if i in seen:
                raise InputError(f"document {i!r} comes twice", path=self.path)
            seen.add(i)
        for i in self.find(ids):
            raise InputError(f"document {i!r} is in the index already (update replaces it)", path=self.path)


def _rows(searcher: Any, query: Query, limit: int) -> list[int]:
    """The rows of at most ``limit`` documents that match a query, in no order."""
    hits = searcher.search(query, limit, count=False).hits
    return list(searcher.fast_field_values("row", [address for _, address in hits]))
