"""`Matches`: the results of a search in columns: rows and scores; ids and documents are read from their source at
first access.

A thousand results a query are two arrays. Cutting, fusing and writing them touches the arrays and the ids; a document's
content and fields are read, and remembered, at the first access to ``candidate.content`` or ``candidate.meta``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Document = tuple[Any, Mapping[str, Any]]
"""A content and its fields."""


class Source(Protocol):
    """Documents by row number, of one state of a store: a row has the same id and document as long as the source
    lives, also after the document was replaced or deleted in the store."""

    def ids(self, rows: Sequence[int]) -> list[str]:
        """The ids of the given rows, in the given order."""

    def documents(self, rows: Sequence[int]) -> list[Document]:
        """The contents and fields of the given rows, in the given order."""


class Reader:
    """A source, and the documents that were read from it so far: shared by all rankings of one search and all rankings
    made from these, so that a document is read once."""

    __slots__ = ("_documents", "_together", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self._documents: dict[int, Document] = {}
        self._together: dict[int, None] = {}  # rows that are read with the next one

    def document(self, row: int) -> Document:
        """The document of a row; the first access reads those announced by `read_together` with it."""
        if row not in self._documents:
            rows = [r for r in {row: None, **self._together} if r not in self._documents]
            self._documents.update(zip(rows, self.source.documents(rows)))
            self._together.clear()
        return self._documents[row]

    def read_together(self, rows: Iterable[int]) -> None:
        """Announces rows whose documents will be needed together: all are read at the first access to one that is
        not read yet, and none without such an access."""
        self._together.update(dict.fromkeys(rows))

    def share(self, other: Reader) -> None:
        """Takes over the documents that another reader of the same source has read."""
        self._documents.update(other._documents)


class Matches(Sequence[tuple[str, float]]):
    """The results of one query, best first: as a sequence (id, score) pairs, equal to any list of the same pairs.

    ``rows`` int64 [n] and ``scores`` float64 [n] are parallel; a row is there at most once.
    """

    __slots__ = ("_ids", "reader", "rows", "scores")

    def __init__(
        self, rows: NDArray[np.int64], scores: NDArray[np.float64], reader: Reader, ids: list[str] | None = None
    ) -> None:
        self.rows, self.scores, self.reader, self._ids = rows, scores, reader, ids

    @property
    def ids(self) -> list[str]:
        """The documents' ids, read in one go at the first access."""
        if self._ids is None:
            self._ids = self.reader.source.ids(self.rows.tolist())
        return self._ids

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, i: int) -> tuple[str, float]: ...
    @overload
    def __getitem__(self, i: slice) -> Matches: ...
    def __getitem__(self, i: int | slice) -> tuple[str, float] | Matches:
        if isinstance(i, slice):
            return Matches(self.rows[i], self.scores[i], self.reader, None if self._ids is None else self._ids[i])
        return self.ids[i], float(self.scores[i])

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return zip(self.ids, self.scores.tolist())

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Matches | list | tuple) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))

    def reordered(self, order: Sequence[int], scores: Sequence[float]) -> Matches:
        """The matches at the positions ``order``, under new scores."""
        import numpy as np

        ids = None if self._ids is None else [self._ids[i] for i in order]
        rows = self.rows[np.asarray(order, dtype=np.int64)]
        return Matches(rows, np.asarray(scores, dtype=np.float64), self.reader, ids)
