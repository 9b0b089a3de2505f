"""`Index`: a folder of documents made searchable, from Python: create, open, add, update, delete, search."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from .core.errors import InputError
from .core.stage import Stage
from .core.types import Candidate, Ranking
from .shortcuts import as_queries, fields_of, in_thread, pipeline, top_of

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False, repr=False)
class Index:
    """The documents of a folder and their indexes, opened: what ``anyrank index`` and ``anyrank search`` work on.

    One process may write at a time, any number may read; a search sees what others committed before it. Documents are
    what `rerank` takes. ``collection`` is the `Collection` below.

    >>> import tempfile
    >>> docs = [{"id": "a", "text": "wings lift", "year": 1990}, {"id": "b", "text": "wings and drag", "year": 1999}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     index = Index.create(f"{folder}/my.index", docs)
    ...     index.search("wings").ids, index.search("wings", filter={"year": (1995, None)}).ids, index.delete("a")
    (['a', 'b'], ['b'], 1)
    """

    path: Path
    collection: Any = field(repr=False)

    @classmethod
    def create(
        cls,
        path: str | PathLike[str],
        documents: Any,
        models: str | Iterable[str] = (),
        *,
        language: str = "english",
        stop_words: bool = True,
        overwrite: bool = False,
        id_field: str | None = None,
        text_field: str | None = None,
        title_field: str | None = None,
        on_progress: Callable[[int], None] | None = None,
        index: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Index:
        """The index of these documents, built in the folder ``path``, with the vectors of ``models``, searched by
        ``index`` and its ``options`` (see `encode`).

        ``documents`` may also be the path of a corpus (a file, or a folder in BEIR's layout). A document without an id
        gets its position. ``on_progress`` gets the number of documents indexed, and then of each model encoded, so far.
        A killed build is continued by the same call.

        Raises InputError on a document that can't be read, an id that comes twice, and a folder that holds an index
        already, unless ``overwrite``; the index that is replaced stays until the new one is whole.
        """
        from .index.build import build

        # a model that can't be opened, and an index that doesn't fit it, are errors before anything is built
        encoders = _encoders(models)
        _check_choice(encoders, index, options)
        fields = fields_of(id_field, text_field, title_field)
        source = _documents(documents, fields, numbered=True)
        settings: dict[str, Any] = {"language": language, "stop_words": stop_words, "overwrite": overwrite}
        built = cls(Path(path), build(source, fspath(path), **settings, on_progress=on_progress))
        built._encode(encoders, on_progress, index, options)
        return built

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Index:
        """The index of a folder, or the shards that it names (``anyrank merge --link``). Raises InputError if there
        is none, or its building was not finished."""
        from .index.sharded import open_collection

        return cls(Path(path), open_collection(Path(path)))

    def add(
        self,
        documents: Any,
        *,
        id_field: str | None = None,
        text_field: str | None = None,
        title_field: str | None = None,
    ) -> int:
        """New documents, each with an id, in all indexes, and how many. Raises InputError on an id that is there
        already."""
        source = _documents(documents, fields_of(id_field, text_field, title_field), numbered=False)
        return int(self.collection.add(source, self._own_encoders()))

    def update(
        self,
        documents: Any,
        *,
        id_field: str | None = None,
        text_field: str | None = None,
        title_field: str | None = None,
    ) -> int:
        """Documents added or, if their id is there already, replaced, in all indexes, and how many. Raises InputError
        on a document without an id, and on one that comes twice."""
        source = _documents(documents, fields_of(id_field, text_field, title_field), numbered=False)
        return int(self.collection.update(_distinct(source), self._own_encoders()))

    def delete(self, ids: Any = None, *, filter: Any = None) -> int:
        """Documents removed, by their ids (one, or a list) or by a filter on their fields, and how many there were: of
        all chunks of one text ``index.delete(filter={"parent": "report-7"})``."""
        if (ids is None) == (filter is None):
            raise InputError("delete takes ids or a filter: give one of them")
        if filter is not None:
            store = self.collection.store
            store.refresh()
            rows = store.passing(filter).nonzero()[0].tolist() if _conditions(filter) else []
            return int(self.collection.delete(store.rows.of(rows).ids(rows)))
        if isinstance(ids, Mapping | Candidate):
            raise InputError(f"ids is of type {type(ids).__name__}: expected an id or a list of them")
        return int(self.collection.delete(_ids(ids)))

    def compact(self) -> int:
        """Takes deleted and replaced documents out of the statistics of words, in which BM25 counts them until then, so
        that scores are those of an index built anew; and how many they were."""
        return int(self.collection.compact())

    def encode(
        self,
        models: str | Iterable[str],
        on_progress: Callable[[int], None] | None = None,
        *,
        index: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Vectors of these models for all documents that have none yet. ``index`` chooses how they are searched, also
        those that are there already: "approximate" by a graph, "nearest" exactly; None leaves the choice as it is.
        ``options`` are the index's own."""
        self._encode(_encoders(models), on_progress, index, options)

    def search(
        self,
        query: Any,
        pipeline: str | Stage = "bm25",
        top_n: int | None = None,
        filter: Any = None,
        *,
        top: int | None = None,
        top_k: int | None = None,
        k: int | None = None,
    ) -> Ranking:
        """The best ``top_n`` (by default 10) documents for a query, by a pipeline such as "bm25 + minilm".

        ``filter`` keeps documents by their fields: ``{"lang": ["en", "de"], "year": (1990, None)}``, or texts such as
        "lang!=fr". ``top``, ``top_k`` and ``k`` are other names of ``top_n``.
        """
        from .io.documents import query_of

        return self._search([query_of(query)], pipeline, filter, top=top, top_n=top_n, top_k=top_k, k=k)[0]

    def search_many(
        self,
        queries: Any,
        pipeline: str | Stage = "bm25",
        top_n: int | None = None,
        filter: Any = None,
        *,
        top: int | None = None,
        top_k: int | None = None,
        k: int | None = None,
    ) -> list[Ranking]:
        """The results of `search` for each query of a list, or of a mapping from ids to queries, together."""
        return self._search(as_queries(queries), pipeline, filter, top=top, top_n=top_n, top_k=top_k, k=k)

    asearch = in_thread(search)
    asearch_many = in_thread(search_many)

    def _search(self, queries: Any, stage: Any, filter: Any, **names: Any) -> list[Ranking]:
        count = top_of(**names) or 10
        if isinstance(stage, Stage):
            if filter is not None:
                raise InputError(
                    'a stage has its own filter: give the pipeline as a text, or ar.pipeline("…", index, …)'
                )
        else:
            stage = pipeline(stage, self.collection, filter)
        return list((stage % count).run(queries))

    def get(self, ids: Any) -> list[Candidate]:
        """The documents of these ids, in this order. Raises InputError on an id that is not there."""
        documents: list[Candidate] = self.collection.get(_ids(ids))
        return documents

    def __len__(self) -> int:
        return len(self.collection)

    def __contains__(self, id: Any) -> bool:
        from .io.records import id_text

        return id_text(id, "id") in self.collection

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.collection.documents())

    def reload(self) -> None:
        """Sees what other processes committed since, also a new index in the place of this one. Searches do the former
        by themselves."""
        if self.collection.replaced():
            self.collection = type(self).open(self.path).collection
        else:
            self.collection.reload()

    @property
    def models(self) -> list[str]:
        """The models whose vectors are stored."""
        from .store.vector_names import model_of

        return sorted(map(model_of, self.collection.encoded))

    def info(self) -> dict[str, Any]:
        """The contents of the index: its path, number of documents, fields that filters may use, models, language,
        size, and ``parts``: of the documents, BM25 and each model's vectors how many documents they cover, bytes, state
        ("complete", or the fault and its cure) and details, as ``anyrank index info`` shows them."""
        from .index.info import parts_of

        manifest = self.collection.store.manifest
        documents, *others = parts_of(self.collection)
        return {
            "path": str(self.path),
            "documents": len(self),
            "fields": documents.details["fields"],
            "models": self.models,
            "lexical": manifest.lexical,
            "language": manifest.language,
            "stop_words": manifest.stop_words,
            "bytes": sum(f.stat().st_size for f in self.path.rglob("*") if f.is_file()),
            "parts": [part.as_dict() for part in (documents, *others)],
        }

    to_dict = info

    def to_pandas(self) -> Any:
        """The documents as a pandas data frame, a row each: id, text and fields. Raises MissingExtra without pandas."""
        from .core.content import text_of
        from .core.display import frame

        return frame([{**d.meta, "id": d.id, "text": text_of(d.content)} for d in self], ["id", "text"])

    def check(self) -> Any:
        """Reads every file of the folder, as ``anyrank index --check``: a report with the number of ``documents`` and
        the ``problems``, each an error that names its file and cure."""
        from .index.check import check

        return check(self.path)

    def __repr__(self) -> str:
        vectors = f", vectors of {', '.join(self.models)}" if self.models else ""
        language = self.collection.store.manifest.language if self.collection.store.manifest.lexical else "not lexical"
        return f"Index({str(self.path)!r}): {len(self):,} documents, {language}{vectors}"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{k}</th><td>{escape(_shown(v))}</td></tr>" for k, v in self.info().items())
        return f"<table><tbody>{rows}</tbody></table>"

    def _own_encoders(self) -> dict[str, Any]:
        """The encoders of the stored vectors, by the names that these are stored under."""
        from .pipeline.table import model
        from .store.vector_names import model_of

        return {name: model(model_of(name)) for name in self.collection.encoded}

    def _encode(
        self,
        encoders: Iterable[Any],
        on_progress: Callable[[int], None] | None,
        index: str | None,
        options: Mapping[str, Any] | None,
    ) -> None:
        from .store.vector_names import stored

        for encoder in encoders:
            usage = self.collection.encode(
                encoder, stored(encoder.name), on_progress=on_progress, index=index, options=options
            )
            if usage.truncated:
                log.warning(
                    "%d documents were cut to the length of %s for their vectors", usage.truncated, encoder.name
                )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if type(value) is int else str(value)


def _ids(ids: Any) -> list[str]:
    """Ids given as one or as several."""
    from .io.records import id_text

    several = isinstance(ids, Iterable) and not isinstance(ids, str | bytes)
    return [id_text(i, "id") for i in (ids if several else [ids])]


def _conditions(filter: Any) -> bool:
    """Whether a filter has any condition, so that an empty one deletes nothing."""
    from .store.filters import conditions

    if not conditions(filter):
        raise InputError("the filter is empty, and would delete all documents: give a condition")
    return True


def _check_choice(encoders: Iterable[Any], index: str | None, options: Mapping[str, Any] | None) -> None:
    """Raises InputError if the vectors of these encoders can't be searched by the index that was chosen."""
    from .index.choice import check_choice

    for encoder in encoders if index is not None else ():
        check_choice(encoder, str(index), options)


def _encoders(models: str | Iterable[str]) -> list[Any]:
    """The models of these names, opened. Raises InputError on one that makes no vectors."""
    from .hub.registry import SHIPPED
    from .pipeline.table import encoder

    if not isinstance(models, str | Iterable):
        raise InputError(f"models is of type {type(models).__name__}: expected names of models, () for none")
    names = [models] if isinstance(models, str) else list(models)
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise InputError(f"models has a member of type {type(wrong[0]).__name__}: expected names of models")
    return [encoder(name) for name in dict.fromkeys(SHIPPED.get(n, n) for n in names)]


def _documents(documents: Any, fields: Any, *, numbered: bool) -> Iterator[Candidate]:
    """Documents as they are stored: with fields as JSON has them, and without the object that they were read from."""
    from .core.json_values import json_value
    from .io.corpus import DOCUMENT, read_documents
    from .io.dataset import Dataset
    from .io.documents import documents_of

    if isinstance(documents, str | PathLike):
        if Path(documents).is_dir():
            if fields != DOCUMENT:
                raise InputError("names of fields go with a file or a list of documents, not with a folder")
            return Dataset.open(fspath(documents)).documents()
        return read_documents(fspath(documents), fields=fields)
    return (
        replace(d, score=0.0, meta=json_value(d.meta), index=None, original=None)
        for d in documents_of(documents, fields, numbered=numbered)
    )


def _distinct(documents: Iterable[Candidate]) -> Iterator[Candidate]:
    """The documents themselves. Raises InputError on an id that comes twice."""
    seen: set[str] = set()
    for document in documents:
        if document.id in seen:
            raise InputError(f"document {document.id!r} comes twice")
        seen.add(document.id)
        yield document
