"""The protocols of indexes and of sources of documents by id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.matches import Reader
from ..core.types import Candidate
from ..store.filters import Filter
from ..vectors import Vectors

if TYPE_CHECKING:
    from ..store.store import Store
    from .exact import Settings
    from .vector_store import VectorStore


@runtime_checkable
class Documents(Protocol):
    """Gives documents by id, in the requested order. Raises InputError on an unknown id."""

    def get(self, ids: Sequence[str]) -> list[Candidate]: ...


@runtime_checkable
class Located(Protocol):
    """Knows the rows of documents, so that these can be read later. Raises InputError on an unknown id."""

    def known(self, ids: Sequence[str]) -> list[int]: ...

    def reader(self, rows: Sequence[int]) -> Reader: ...


@runtime_checkable
class Index(Protocol):
    """Searches the k best documents for each query. Queries are vectors or texts, by the kind of index; per query it
    returns (id, score) pairs, best first (as `Matches`, or any sequence); fewer than k if fewer match. ``among`` is a
    filter that documents must pass; an index that can't filter may leave the parameter out."""

    def search(self, queries: Any, k: int, among: Filter | None = None) -> Sequence[Sequence[tuple[str, float]]]: ...


@runtime_checkable
class WordIndex(Protocol):
    """An index of words: BM25 for texts or analysed terms with weights, and what rewriters ask of one. `Lexical` is one
    over a folder, and a collection on a server has another (`stores.remote.Words`)."""

    @property
    def store(self) -> Documents:
        """The documents that it is over."""

    @property
    def drops_stop_words(self) -> bool:
        """Whether it holds no stop words, so that a query of nothing else has no result."""

    def __len__(self) -> int: ...

    def terms(self, text: str) -> list[str]:
        """The search terms of a text, in its order."""

    def weights(self, text: str) -> dict[str, float]:
        """The search terms of a text with their counts, without its stop words."""

    def document_terms(self, doc: Candidate) -> list[str]:
        """The terms of a document's content, its title once."""

    def document_frequencies(self, terms: Iterable[str]) -> Mapping[str, int]:
        """For each term the number of documents that hold it."""

    def frequencies(self, terms: Iterable[str]) -> Mapping[str, float]:
        """For each term how often it stands in all documents together, titles counted once."""

    def search(
        self,
        queries: Sequence[str | Mapping[str, float]],
        k: int,
        among: Filter | None = None,
        settings: Settings | None = None,
    ) -> Sequence[Sequence[tuple[str, float]]]:
        """The k best documents by BM25 for each query."""

    def summands(self, query: str | Mapping[str, float], id: str, settings: Settings | None = None) -> Sequence[Any]:
        """What each word of a query adds to a document's score. Raises InputError if the index can't tell."""


@runtime_checkable
class Stored(Protocol):
    """Holds vectors of documents by id (``Collection.vectors(name)``): gives the positions in ``ids`` of those it has,
    and their vectors in that order, None if it has none."""

    def vectors(self, ids: Sequence[str]) -> tuple[list[int], Vectors | None]: ...


@runtime_checkable
class ScoresStored(Protocol):
    """Scores documents by id by their stored vectors for one query: gives the positions in ``ids`` of those that have
    one, and their scores in that order, without holding all these vectors at once."""

    def near(self, ids: Sequence[str], query: Vectors) -> tuple[list[int], NDArray[np.float32]]: ...


@runtime_checkable
class CountsBlank(Protocol):
    """Says how many documents it leaves out of every search because they have no content."""

    @property
    def blank(self) -> int: ...


class Unfit(InputError):
    """An index that was chosen can't be built of these vectors."""


class VectorIndex(Index, Stored, Protocol):
    """An index over the stored vectors of one encoder, in a file of this folder (`IndexFile`)."""

    def missing(self) -> list[int]:
        """Rows of present documents that have no vector."""

    def update(self) -> None:
        """Brings derived files (postings) up to date after vectors were added."""


@runtime_checkable
class IndexFile(Protocol):
    """The members of a file of this folder that defines a `VectorIndex`. The ``vectors.json`` of stored vectors may
    name the file as their ``index``, with its ``options``."""

    @property
    def KINDS(self) -> tuple[str, ...]:
        """The kinds of vectors that it searches."""

    def checked_options(self, options: Mapping[str, Any], dim: int) -> dict[str, Any]:
        """The options with their defaults, for vectors of ``dim`` numbers, as ``vectors.json`` stores them. Raises
        InputError on an unknown or a wrong one."""

    def open_index(self, vectors: VectorStore, store: Store) -> VectorIndex:
        """The index over stored vectors. Derived files are best opened at the first search, so that damaged ones leave
        the vectors themselves readable."""


@runtime_checkable
class Prepares(Protocol):
    """The further members of an index file that changes vectors before they are stored: pools or compresses them."""

    @property
    def FIXED(self) -> tuple[str, ...]:
        """The options that stored vectors were made with, so that these can't change."""

    def sample(self, documents: int) -> int:
        """How many documents, chosen at random of all, are to be encoded first, since `prepared` learns from them."""

    def prepared(
        self, vectors: Vectors, options: Mapping[str, Any], common: Mapping[str, Any], documents: int
    ) -> Vectors:
        """An encoder's vectors as they are stored. ``common`` holds the arrays that all shards share, none before the
        first; ``documents`` is the size of the whole collection."""


@runtime_checkable
class LeavesTraces(Protocol):
    """The further member of an index file whose options can be told from the files that it leaves."""

    def options_of(self, folder: Path) -> dict[str, Any]:
        """Some options of the index in the folder of stored vectors; none if it has left no files there, or they can't
        be read."""


@runtime_checkable
class Describes(Protocol):
    """Says more about itself than `anyrank index info` knows of every part."""

    def describe(self) -> dict[str, Any]:
        """Names and values: at least ``covered``, the number of documents that its derived files hold."""
