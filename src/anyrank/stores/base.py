"""`Server`, the protocol of a store's file, and the values that it is given.

A store is one file of this folder: it writes entries, and answers searches by weighted terms and by vectors. All else (
text analysis, the terms of filters, the reading of documents, what pipelines ask of a collection) is in `remote`, once
for all stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..core.errors import InputError
from ..core.matches import Document
from ..index.exact import Settings
from ..vectors import Vectors

FORMAT = 1
Hits = list[tuple[str, float]]
"""Ids and scores of one query, best first."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition of a filter: a document has one of the ``terms`` (`store.terms`), or, ``negated``, none."""

    terms: Sequence[str]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as it is written: content and fields as JSON, the ``facts`` by which filters find it, and how often
    each term stands in its whole text (``words``) and in its title (``title``)."""

    id: str
    content: str
    meta: str
    facts: Sequence[str] = ()
    words: Mapping[str, int] = field(default_factory=dict)
    title: Mapping[str, int] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Terms of the whole text."""
        return sum(self.words.values())

    @property
    def title_length(self) -> int:
        """Terms of the title."""
        return sum(self.title.values())


@dataclass(frozen=True, slots=True)
class About:
    """What a collection on a server says of itself: how its texts are analysed, the kinds of values of its fields with
    an example each, and of each model's vectors their ``kind``, ``dim``, ``index`` and ``options``."""

    language: str = "english"
    stop_words: bool = True
    analysis: int = 2
    lexical: bool = True
    complete: bool = False
    mean_length: float = 0.0
    fields: Mapping[str, tuple[Sequence[str], Any]] = field(default_factory=dict)
    vectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The values as JSON has them, with the format's number."""
        values = {n: getattr(self, n) for n in self.__slots__}
        values["fields"] = {n: [list(kinds), example] for n, (kinds, example) in self.fields.items()}
        return {"kind": "anyrank collection", "format": FORMAT, **values}

    @classmethod
    def from_json(cls, values: Any, address: str) -> About:
        """Raises InputError on values that are none of ours, or of a newer format."""
        if not isinstance(values, Mapping) or values.get("kind") != "anyrank collection":
            raise InputError(f"{address}: is no collection of anyrank: choose another name of a collection")
        if not isinstance(number := values.get("format"), int) or number > FORMAT:
            raise InputError(f"{address}: format {number!r:.40} is newer than this anyrank reads: upgrade anyrank")
        known = {n: values[n] for n in cls.__slots__ if n in values}
        known["fields"] = {n: (kinds, example) for n, (kinds, example) in known.get("fields", {}).items()}
        return cls(**known)

    def with_vectors(self, name: str, described: Mapping[str, Any]) -> About:
        """The same with the vectors of a name described."""
        return replace(self, vectors={**self.vectors, name: described})


GRAPH_OPTIONS = ("connectivity", "expansion_add", "expansion_search")
"""The options of a graph of nearest neighbours, whole numbers; a store has its own names for them."""


def check_index(address: str, index: str, options: Mapping[str, Any] | None = None) -> None:
    """Raises InputError on an index of vectors that no server has, and on options that such an index hasn't."""
    if index not in ("nearest", "approximate"):
        raise InputError(f"{address}: no index {index!r:.40}: choose nearest or approximate")
    for name, value in (options or {}).items():
        if index == "nearest":
            raise InputError(f"{address}: the index nearest has no options: leave {name[:40]} out, or add --ann")
        if name not in GRAPH_OPTIONS:
            raise InputError(f"{address}: no option {name!r:.40}: there are {', '.join(GRAPH_OPTIONS)}")
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(f"{address}: {name}={value!r:.40}: expected a whole number of 1 or more")


class Server(Protocol):
    """A collection on a server. What a call wrote is on the server's disk and seen by later searches once the call
    returns. Raises StoreError if the server can't be reached, refuses or breaks off, and InputError on what the store
    can't hold, both without a password."""

    @property
    def address(self) -> str:
        """The collection's address without a password, as errors and files name it."""

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds of vectors that the store holds."""

    def read(self) -> About | None:
        """What the collection says of itself, None if there is none."""

    def create(self, about: About) -> None:
        """An empty collection. Raises InputError if something else has its name."""

    def drop(self) -> None:
        """The collection removed with all that is in it."""

    def write(self, about: About) -> None:
        """What the collection says of itself, replaced."""

    def count(self) -> int:
        """The number of documents."""

    def present(self, ids: Sequence[str]) -> set[str]:
        """The ids that are there."""

    def documents(self, ids: Sequence[str]) -> dict[str, Document]:
        """The documents of those ids that are there."""

    def ids(self) -> Iterable[str]:
        """All ids."""

    def put(self, entries: Sequence[Entry]) -> None:
        """Documents of distinct ids added; those of the same ids, and their vectors, are replaced."""

    def delete(self, ids: Sequence[str]) -> int:
        """Documents removed with their vectors, and how many there were."""

    def words(self, weights: Mapping[str, float], k: int, among: Sequence[Clause], settings: Settings) -> Hits:
        """The k best documents by BM25 for weighted terms. Raises InputError on settings that the store can't take."""

    def frequencies(self, terms: Sequence[str]) -> dict[str, tuple[int, float]]:
        """Of each term that a document holds, the number of documents and how often it stands in all of them."""

    def check_vectors(self, kind: str, dim: int, index: str, options: Mapping[str, Any]) -> None:
        """Raises InputError on vectors that the store can't take, and on options of their index out of its range.
        Nothing is asked of the server, so that they are refused before anything is written."""

    def open_vectors(self, name: str, described: Mapping[str, Any]) -> Mapping[str, Any]:
        """Prepares for the vectors of a name, or changes how they are searched, and returns how they are described,
        with all options. Raises InputError on options that the store can't take."""

    def unencoded(self, name: str, most: int) -> list[str]:
        """Ids of documents without a vector of that name, at most so many."""

    def put_vectors(self, name: str, ids: Sequence[str], vectors: Vectors, blank: Sequence[bool]) -> None:
        """A vector each for documents; those that are ``blank`` (without content) are never results."""

    def near(self, name: str, query: Vectors, k: int, among: Sequence[Clause], exact: bool) -> Hits:
        """The k nearest documents by the vectors of that name, for a query of one row; ``exact``: all are compared."""

    def vectors(self, name: str, ids: Sequence[str]) -> tuple[list[int], Vectors | None]:
        """The positions of those ids that have a vector, and their vectors in that order."""

    def close(self) -> None:
        """The connection closed."""
