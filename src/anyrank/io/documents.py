"""Documents as callers hold them: texts, mappings, tables, tuples, objects of other libraries, read as candidates.

Objects are recognised by what they offer (a text, an id, fields), never by their class's name, so that no other library
is imported. What can't be read without guessing is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass, replace
from datetime import date
from enum import Enum
from numbers import Integral, Real
from os import PathLike
from pathlib import PurePath
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

import numpy as np

from ..core.content import Image, Picture, images_of
from ..core.errors import InputError
from ..core.types import Candidate, Query, Ranking
from .candidates import TEXTS, candidate, query_from_dict, score_of
from .corpus import DOCUMENT
from .frames import TABLES, table_rows
from .records import Fields, Record, first_of, id_text

_PAIRS = (
    "a pair is (id, text), (document, score) or, of three, (id, text, score); anything else is clear as a mapping, "
    'such as {"id": …, "title": …, "text": …, "score": …}'
)


@runtime_checkable
class PageContent(Protocol):
    """A document as LangChain has it."""

    page_content: Any
    metadata: Any


@runtime_checkable
class Node(Protocol):
    """A node as LlamaIndex has it, alone or with a score."""

    node_id: Any
    metadata: Any

    def get_content(self) -> Any: ...


@runtime_checkable
class ContentMeta(Protocol):
    """A document as Haystack has it."""

    id: Any
    content: Any
    meta: Any


@runtime_checkable
class Dumps(Protocol):
    """A model of pydantic 2."""

    def model_dump(self) -> dict[str, Any]: ...


@runtime_checkable
class OldModel(Protocol):
    """A model of pydantic 1."""

    __fields__: Any

    def dict(self) -> dict[str, Any]: ...


@runtime_checkable
class Attrs(Protocol):
    """An instance of an attrs class."""

    __attrs_attrs__: Any


@runtime_checkable
class Struct(Protocol):
    """A struct of msgspec."""

    __struct_fields__: Any


@runtime_checkable
class NamedTuple(Protocol):
    """A named tuple, or a row of a database."""

    def _asdict(self) -> dict[str, Any]: ...


@runtime_checkable
class Row(Protocol):
    """A row of sqlite3, which is no mapping but has a mapping's keys."""

    def keys(self) -> Any: ...

    def __getitem__(self, key: Any) -> Any: ...


@runtime_checkable
class Labelled(Protocol):
    """A table of pandas, whose rows have labels."""

    index: Any
    columns: Any

    def reset_index(self) -> Any: ...


@runtime_checkable
class ToList(Protocol):
    """A column of a table."""

    def to_list(self) -> list[Any]: ...


@runtime_checkable
class ToPyList(Protocol):
    """A column of pyarrow."""

    def to_pylist(self) -> list[Any]: ...


def ranking_of(query: Any, documents: Any, fields: Fields = DOCUMENT, id: str = "q") -> Ranking:
    """The documents in their given order, each with its ``index`` there and the ``original`` object.

    Scores that every document has, and that fall, are kept, for pipelines that use them. Raises InputError as
    `query_of` and `documents_of`, and on an id that appears twice.

    >>> best = ranking_of("capital of France", [{"id": 7, "text": "Paris"}, ("x", "Lyon")])
    >>> [(c.id, c.content, c.index, c.original) for c in best]
    [('7', 'Paris', 0, {'id': 7, 'text': 'Paris'}), ('x', 'Lyon', 1, ('x', 'Lyon'))]
    """
    candidates = tuple(documents_of(documents, fields))
    scores = {i: c.score for i, c in enumerate(candidates) if not math.isnan(c.score)}
    complete = len(scores) == len(candidates)
    return Ranking(query_of(query, id), candidates).ordered(scores if complete else range(len(candidates)))


def query_of(query: Any, id: str = "q") -> Query:
    """A query from a text, a mapping with a text or image, an image, or parts with an image among them; ``id`` is that
    of a query without one. Raises InputError on an empty text and anything else, such as several queries."""
    if isinstance(query, Query):
        return query
    if isinstance(query, Image) or (isinstance(query, list | tuple) and images_of(query)):
        return Query(id, query)
    if isinstance(query, Picture) and not isinstance(query, str | Mapping):
        return Query(id, Image.of(query))
    if isinstance(query, list | tuple | set | frozenset | np.ndarray | ToList | ToPyList):
        raise InputError("query is a list: rerank takes one query; rerank_many takes a list, and documents for each")
    if isinstance(query, Mapping):
        return query_from_dict(dict(query) if "query" in query else {"query": dict(query)}, id)
    if not isinstance(query, str):
        raise InputError(f"query is of type {type(query).__name__}: expected a text, a mapping with a text, or a Query")
    return query_from_dict({"query": str.__str__(query)}, id)


def documents_of(documents: Any, fields: Fields = DOCUMENT, *, numbered: bool = True) -> Iterator[Candidate]:
    """The documents of a list (or anything iterable), of a mapping from ids to documents, or of a table of pandas,
    polars or pyarrow, a row each. The score of one without a score is NaN; the id of one without an id its position.

    Raises InputError, with the position, on what is no list of documents, on a document of an unknown kind (`_read`),
    and, if they are not to be ``numbered``, on a document without an id.
    """
    if isinstance(documents, Mapping):
        yield from _by_id(documents, fields)
        return
    for position, item in enumerate(_items(documents, fields)):
        try:
            document = _read(item, str(position) if numbered else "", fields)
            if not document.id:
                raise InputError('it has no id: give one, as {"id": …, "text": …} or (id, text)')
        except InputError as error:
            raise InputError(f"documents[{position}]: {error}") from None
        yield Candidate(document.id, document.content, document.score, document.meta, index=position, original=item)


def _by_id(documents: Mapping[Any, Any], fields: Fields) -> Iterator[Candidate]:
    """The documents of a mapping from ids to documents. Raises InputError if it is itself a document, or a table's
    columns."""
    if name := first_of(documents, (*fields.text, *TEXTS)):
        raise InputError(f"documents is one mapping with a field {name!r}: give a list of documents, or ids to texts")
    for position, (id, item) in enumerate(documents.items()):
        if isinstance(item, list | tuple | np.ndarray) and not isinstance(item, NamedTuple):
            what = f"documents[{id!r}] is of type {type(item).__name__}"
            raise InputError(f"{what}: a mapping of documents leads from ids to texts, or to mappings with a text")
        try:
            document = _read(item, "", fields)
            yield replace(document, id=id_text(id, "id"), index=position, original=item)
        except InputError as error:
            raise InputError(f"documents[{id!r:.80}]: {error}") from None


def _items(documents: Any, fields: Fields) -> Iterable[Any]:
    """The documents of anything but a mapping, one after another."""
    if isinstance(documents, str | bytes | bytearray):
        raise InputError("documents is one text: give a list of them")
    if isinstance(documents, set | frozenset):
        raise InputError("documents is a set, which has no order: give a list, or a mapping from ids to texts")
    if isinstance(documents, Ranking):
        return documents
    if isinstance(documents, Labelled) and documents.index.name in fields.id:
        documents = documents.reset_index()  # ids that label the rows are a column too
    rows = table_rows(documents)
    if rows is not None:
        if rows and first_of(rows[0], (*fields.text, *TEXTS, "image", "doc")) is None:
            columns = ", ".join(map(str, rows[0]))
            raise InputError(
                f"documents is a table without a column for the document text, {' or '.join(fields.text)} "
                f"(columns: {columns:.300}): name it by text_field"
            )
        return rows
    if not isinstance(documents, Sequence | np.ndarray) and _is_document(documents):
        raise InputError(f"documents is one document, of type {type(documents).__name__}: give a list of them")
    if isinstance(documents, NamedTuple):
        raise InputError(f"documents is one named tuple, {type(documents).__name__}: give a list of them")
    if isinstance(documents, ToPyList):
        return documents.to_pylist()
    if not isinstance(documents, Iterable) or isinstance(documents, PathLike):
        raise InputError(f"documents is of type {type(documents).__name__}: expected a list of documents")
    return documents


def _is_document(value: Any) -> bool:
    """Whether something that might be iterable is one document of a known kind."""
    if isinstance(value, PageContent | Node | ContentMeta | Dumps | Candidate | Image | Picture):
        return True
    return not isinstance(value, Iterable) and _record(value) is not None


def _read(item: Any, name: str, fields: Fields) -> Candidate:
    """One document as a candidate; its score is NaN if it has none, its id ``name`` if it has none.

    Read are: a text; a mapping with a text, and an id, title, score and other fields if it has them; the documents of
    LangChain, Haystack and LlamaIndex; an object with such fields (dataclass, named tuple, attrs, pydantic, a row of a
    database, anything with an attribute ``text``); pairs (id, text) and (document, score), and (id, text, score);
    images, pictures of Pillow, and tuples with an image among them; a `Candidate`.

    Raises InputError on anything else, on bytes, and on an id or score that can't be one.
    """
    if isinstance(item, str):
        return Candidate(name, str.__str__(item), math.nan)
    if isinstance(item, dict | Mapping):  # before the protocols, which are slow to ask
        return candidate(_renamed(dict(item), fields), name)
    if isinstance(item, Candidate):
        if item.content is None:
            raise InputError(f"the candidate {item.id!r} has no content")
        return item
    if isinstance(item, Image) or (isinstance(item, list | tuple) and images_of(item)):
        return Candidate(name, item, math.nan)
    if isinstance(item, Picture):
        return Candidate(name, Image.of(item), math.nan)
    if isinstance(item, list | tuple | np.ndarray) and not isinstance(item, NamedTuple):
        return _of_sequence(item, name, fields)
    if isinstance(item, PageContent):
        return _of_framework(getattr(item, "id", None), item.page_content, item.metadata, None, name)
    if isinstance(item, Node):
        return _of_framework(item.node_id, item.get_content(), item.metadata, getattr(item, "score", None), name)
    if isinstance(item, ContentMeta) and isinstance(item.meta, Mapping):
        return _of_framework(item.id, item.content, item.meta, getattr(item, "score", None), name)
    record = _record(item)
    if record is None:
        raise InputError(
            f"a document of type {type(item).__name__} can't be read: it is no text, mapping, dataclass, pydantic or "
            f"attrs object, named tuple, pair (id, text), nor has it an attribute {', '.join(TEXTS)} that is a text. "
            'Give its text, or {"id": …, "text": …}'
        )
    return candidate(_renamed(record, fields), name)


def _of_framework(id: Any, text: Any, meta: Any, score: Any, name: str) -> Candidate:
    """A document of a framework, whose fields are apart from its text."""
    if not isinstance(text, str):
        raise InputError(f"its text is of type {type(text).__name__}: expected a text")
    return Candidate(name if id is None else id_text(id, "document id"), text, score_of(score), dict(meta or {}))


def _of_sequence(item: Any, name: str, fields: Fields) -> Candidate:
    """A document from (id, text), (document, score) or (id, text, score)."""
    parts = item.tolist() if isinstance(item, np.ndarray) else list(item)
    match parts:
        case [first, second] if _is_score(second) and not isinstance(first, list | tuple):
            if (isinstance(first, str) and not _has_space(first)) or _is_score(first):
                raise InputError(f"({first!r:.60}, {second!r:.30}) may be an id or a text with a score: {_PAIRS}")
            return replace(_read(first, name, fields), score=score_of(second))
        case [first, second] if _is_id(first) and not isinstance(second, list | tuple):
            return replace(_read(second, name, fields), id=id_text(first, "document id"))
        case [first, second, third] if _is_id(first) and isinstance(second, str) and _is_score(third):
            return Candidate(id_text(first, "document id"), str.__str__(second), score_of(third))
    kinds = ", ".join(type(part).__name__ for part in parts[:5]) + (", …" if len(parts) > 5 else "")
    raise InputError(f"a {type(item).__name__} of ({kinds}) is no document: {_PAIRS}")


def _has_space(text: str) -> bool:
    return any(map(str.isspace, text))


def _is_score(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_id(value: Any) -> bool:
    """Whether the first of a pair is an id; a text of several words is more likely a title or the document itself."""
    if isinstance(value, str):
        return bool(value) and not _has_space(value)
    return isinstance(value, Integral | UUID | PurePath) and not isinstance(value, bool)


def _record(item: Any) -> Record | None:
    """The fields of an object; None if it has no text among them that could be found."""
    if item is None or isinstance(item, type | bytes | bytearray | memoryview | Real | date | Enum):
        return None
    if is_dataclass(item):
        return {f.name: getattr(item, f.name) for f in dataclass_fields(item)}
    if isinstance(item, TABLES):
        return None
    if isinstance(item, Dumps):
        return item.model_dump()
    if isinstance(item, NamedTuple):
        return dict(item._asdict())
    if isinstance(item, Attrs):
        return {a.name: getattr(item, a.name) for a in item.__attrs_attrs__}
    if isinstance(item, Struct):
        return {name: getattr(item, name) for name in item.__struct_fields__}
    if isinstance(item, OldModel):
        return item.dict()
    if isinstance(item, Row):
        return {str(key): item[key] for key in item.keys()}  # noqa: SIM118
    names = (*DOCUMENT.id, *DOCUMENT.title, *TEXTS, "score", "metadata", "meta")
    present = {name: value for name in names if (value := getattr(item, name, None)) is not None}
    if not any(isinstance(present.get(name), str) for name in TEXTS):
        return None
    return {name: value for name, value in present.items() if not callable(value)}


def _renamed(record: Record, fields: Fields) -> Record:
    """The record with the fields that the caller named under the usual names."""
    if fields == DOCUMENT:
        return record
    out = dict(record)
    for usual, names in (("_id", fields.id), ("text", fields.text), ("title", fields.title)):
        if names in (DOCUMENT.id, DOCUMENT.text, DOCUMENT.title):
            continue
        if names[0] not in record:
            raise InputError(f"no field {names[0]!r} (fields: {', '.join(map(str, record)):.300})")
        out[usual] = out.pop(names[0])
    return out
