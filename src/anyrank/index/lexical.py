"""The lexical index: BM25 (k1 = 1.2, b = 0.75) over title and text, with its document store, on tantivy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tantivy
from numpy.typing import NDArray
from tantivy import FieldType, Query

from ..core.errors import InputError
from ..core.types import Candidate
from ..store.engine import FOLDER, Asking, Writing, clean, whole
from ..store.filters import Filter, field_prefix
from ..store.manifest import Manifest
from ..store.rows import Rows
from .analysis import analyser

_CHUNK = 4096
_BATCH = 20_000
Hits = tuple[list[int], list[float]]


def open_engine(folder: Path, manifest: Manifest) -> tantivy.Index:
    """The engine's index of a folder, with the manifest's analyser. Raises InputError where it can't be read."""
    try:
        index = tantivy.Index.open(str(folder / FOLDER))
    except (ValueError, OSError) as error:
        raise InputError(f"the lexical index can't be opened: {error}", path=folder / FOLDER) from error
    index.register_tokenizer("body", analyser(manifest.language, manifest.stop_words))
    index.config_reader("manual")
    index.reload()
    return index


@dataclass(slots=True, eq=False)
class Lexical:
    """A persistent lexical index that is also the store of its documents.

    Reads see the last commit made through this object, or the last one of all after ``reload``. One process may write
    at a time, any number may read.
    """

    path: Path
    manifest: Manifest
    rows: Rows
    _index: Any
    _analyser: Any
    threads: int = 1
    generation: int = 0

    @classmethod
    def open(cls, path: str | Path) -> Lexical:
        """Raises InputError where there is none, where its building was not finished, or on a newer format."""
        folder = Path(path)
        manifest = Manifest.read(folder)
        if not manifest.complete:
            raise InputError(
                f"its building stopped after {manifest.documents} documents: run the same build again to finish it",
                path=folder,
            )
        index = open_engine(folder, manifest)
        return cls(folder, manifest, Rows(folder), index, analyser(manifest.language, manifest.stop_words))

    def reload(self) -> None:
        """Sees what other processes have committed since."""
        self._index.reload()
        self.generation += 1

    def __len__(self) -> int:
        return int(self._index.searcher().num_docs)

    def __contains__(self, id: str) -> bool:
        return bool(self.find([id]))

    def search(self, texts: Sequence[str], k: int, filter: Filter | None = None) -> list[list[tuple[str, float]]]:
        """The k best documents for each text as (id, score), best first; fewer where fewer hold a term of it.

        Any text is safe. Raises InputError where k < 1 or on a malformed filter.
        """
        hits = list(self._hits(texts, k, filter))
        ids = iter(self.rows.ids([r for rows, _ in hits for r in rows]))
        return [list(zip(islice(ids, len(rows)), scores)) for rows, scores in hits]

    def terms(self, text: str) -> list[str]:
        """The terms that a text is searched by, in its order."""
        return list(self._analyser.analyze(clean(text)))

    def candidates(self, texts: Sequence[str], k: int, filter: Filter | None = None) -> list[list[Candidate]]:
        """``search`` with contents and fields."""
        return [self.rows.candidates(rows, scores) for rows, scores in self._hits(texts, k, filter)]

    def _hits(self, texts: Sequence[str], k: int, filter: Filter | None) -> Iterator[Hits]:
        if k < 1:
            raise InputError(f"k={k}: ask for at least 1 document")
        searcher = self._index.searcher()
        asking = Asking.under(self._index.schema, self._analyser, self._known(searcher, filter))
        limit = min(k, searcher.num_docs)

        def one(text: str) -> Hits:
            query = asking.query(text) if limit else None
            if query is None:
                return [], []
            hits = searcher.search(query, limit, count=False).hits
            return searcher.fast_field_values("row", [a for _, a in hits]), [s for s, _ in hits]

        if self.threads > 1 and len(texts) > 1:
            with ThreadPoolExecutor(self.threads) as pool:
                yield from pool.map(one, texts)
        else:
            yield from map(one, texts)

    def find(self, ids: Sequence[str]) -> dict[str, int]:
        """The row of each id that is in the index."""
        searcher = self._index.searcher()
        found: dict[str, int] = {}
        unique = list(dict.fromkeys(ids))
        for start in range(0, len(unique), _BATCH):
            part = unique[start : start + _BATCH]
            query = Query.term_set_query(self._index.schema, "id", part)
            rows = self._rows_of(searcher, query, len(part))
            found.update(zip(self.rows.ids(rows), rows))
        return found

    def get(self, ids: Sequence[str]) -> list[Candidate]:
        """The documents of these ids, in this order. Raises InputError on an unknown id."""
        rows = self.find(ids)
        for i in ids:
            if i not in rows:
                raise InputError(f"document {i!r} is not in the index", path=self.path)
        return self.rows.candidates([rows[i] for i in ids])

    def ids(self) -> Iterator[str]:
        """All ids, oldest first."""
        for rows in self.live():
            yield from self.rows.ids(rows)

    def documents(self) -> Iterator[Candidate]:
        """All documents, oldest first."""
        for rows in self.live():
            yield from self.rows.candidates(rows)

    def live(self) -> Iterator[list[int]]:
        """The rows of all present documents, ascending, in chunks."""
        searcher, total = self._index.searcher(), len(self.rows)
        for start in range(0, total, _CHUNK):
            stop = min(start + _CHUNK, total)
            query = Query.range_query(self._index.schema, "row", FieldType.Unsigned, start, stop - 1)
            yield sorted(self._rows_of(searcher, query, _CHUNK))

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
        """For every row, whether its document is present and passes the filter."""
        searcher = self._index.searcher()
        query = Asking.under(self._index.schema, self._analyser, self._known(searcher, filter)).filtered()
        out = np.zeros(len(self.rows), dtype=bool)
        if searcher.num_docs:
            out[self._rows_of(searcher, query, searcher.num_docs)] = True
        return out

    def _known(self, searcher: Any, filter: Filter | None) -> Filter | None:
        """The filter, if documents have its fields. Raises InputError on one that none has."""
        for key in filter or {}:
            if searcher.num_docs and not searcher.terms_with_prefix("facts", field_prefix(key), limit=1):
                raise InputError(f"no document has a field {key!r} to filter on", path=self.path)
        return filter

    def _rows_of(self, searcher: Any, query: Any, limit: int) -> list[int]:
        hits = searcher.search(query, limit, count=False).hits
        return list(searcher.fast_field_values("row", [a for _, a in hits]))

    def add(self, docs: Iterable[Candidate]) -> int:
        """New documents added, and how many. Raises InputError on an id that is there already or comes twice;
        batches before it stay added."""
        return self._write(docs, replacing=False)

    def update(self, docs: Iterable[Candidate]) -> int:
        """Documents added or, where the id is there already, replaced; of equal ids the last wins."""
        return self._write(docs, replacing=True)

    def delete(self, ids: Iterable[str]) -> int:
        """Documents removed, and how many there were of these ids."""
        names = list(ids)
        found = self.find(names)
        if found:
            writing = Writing.begin(self._index, self.path)
            try:
                writing.remove(list(found))
                writing.commit()
            finally:
                writing.end()
            self.reload()
        return len(found)

    def _write(self, docs: Iterable[Candidate], replacing: bool) -> int:
        source, count = iter(docs), 0
        writing = Writing.begin(self._index, self.path)
        try:
            while batch := [whole(d) for d in islice(source, _BATCH)]:
                if replacing:
                    batch = list({d.id: d for d in batch}.values())
                    writing.remove([d.id for d in batch])
                else:
                    unseen(self, [d.id for d in batch])
                for doc in batch:
                    writing.put(doc)
                writing.commit()
                self.reload()
                count += len(batch)
        finally:
            writing.end()
        return count


def unseen(lexical: Lexical, ids: Sequence[str]) -> None:
    """Raises InputError where an id comes twice or is in the index already."""
    first: set[str] = set()
    for i in ids:
        if i in first:
            raise InputError(f"document {i!r} comes twice", path=lexical.path)
        first.add(i)
    for i in lexical.find(ids):
        raise InputError(f"document {i!r} is in the index already (update replaces it)", path=lexical.path)
