"""Test collections: documents, queries and judgements under one name, from a BEIR folder or ir_datasets."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError, MissingExtra, listed, quoted
from ..core.types import Candidate, Query
from .corpus import read_documents, read_queries
from .files import File
from .qrels import Qrels, read_qrels

DATA = Path(__file__).parents[1] / "data"
_PLAIN = (str, int, float, bool)


class Dataset(ABC):
    """A collection to search, its queries, and the judgements of which documents are relevant to them."""

    name: str

    @staticmethod
    def open(spec: File) -> Dataset:
        """The collection ``demo`` (Cranfield, bundled), a BEIR folder, or ``irds:`` and an ir_datasets id.

        Raises InputError if there is no such collection; MissingExtra if ir_datasets isn't installed.

        >>> demo = Dataset.open("demo")
        >>> next(demo.documents()).meta["author"], demo.queries()[0].id, demo.splits()
        ('brenckman,m.', '1', ['test'])
        """
        name = os.fspath(spec)
        if name == "demo":
            return Beir.folder(DATA / "cranfield")
        if name.startswith("irds:"):
            return IrDataset(name.removeprefix("irds:"))
        return Beir.folder(name)

    @abstractmethod
    def documents(self) -> Iterator[Candidate]:
        """All documents, streamed: content is title and text, ``meta`` the other fields."""

    @abstractmethod
    def splits(self) -> list[str]:
        """The names of the judged parts (``train``, ``dev``, ``test``); none if nothing is judged."""

    @abstractmethod
    def qrels(self, split: str | None = None) -> Qrels:
        """The judgements of a part; without a name those of the only part, or of ``test``."""

    @abstractmethod
    def queries(self, split: str | None = None) -> list[Query]:
        """All queries, or those that a part judges, in file order."""

    def chosen(self, split: str | None) -> str:
        """The name of a part; None chooses the only part, or ``test``. Raises InputError if there is no such part."""
        splits = self.splits()
        name = split or (splits[0] if len(splits) == 1 else "test")
        if name not in splits:
            raise InputError(f"{self.name} has no judgements {quoted(name)} (there are: {listed(splits)})")
        return name


@dataclass(frozen=True, slots=True)
class Beir(Dataset):
    """A collection in BEIR's layout: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/<split>.tsv``, each plain or .gz."""

    name: str
    corpus: Path
    topics: Path
    judged: tuple[tuple[str, Path], ...] = ()

    @classmethod
    def folder(cls, path: File) -> Beir:
        """The collection in a folder. Raises InputError if corpus or queries are missing."""
        folder = Path(path)
        if not folder.is_dir():
            what = "the folder doesn't exist: expected a BEIR folder, 'demo', or 'irds:' and an ir_datasets id"
            raise InputError(what, path=path)
        parts: dict[str, Path] = {}
        for file in sorted(folder.glob("qrels/*.tsv*")):
            if file.name.endswith((".tsv", ".tsv.gz")):
                parts.setdefault(file.name.split(".tsv")[0], file)
        corpus, topics = _plain_or_gz(folder, "corpus"), _plain_or_gz(folder, "queries")
        return cls(folder.resolve().name, corpus, topics, tuple(parts.items()))

    def documents(self) -> Iterator[Candidate]:
        return read_documents(self.corpus)

    def splits(self) -> list[str]:
        return [name for name, _ in self.judged]

    def qrels(self, split: str | None = None) -> Qrels:
        return read_qrels(dict(self.judged)[self.chosen(split)])

    def queries(self, split: str | None = None) -> list[Query]:
        queries = read_queries(self.topics)
        if split is None:
            return queries
        judged = self.qrels(split)
        return [q for q in queries if q.id in judged]


def _plain_or_gz(folder: Path, what: str) -> Path:
    for name in (f"{what}.jsonl", f"{what}.jsonl.gz"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"expected {what}.jsonl or {what}.jsonl.gz in this folder", path=folder)


@dataclass(frozen=True, slots=True)
class IrDataset(Dataset):
    """A collection by its ir_datasets id, such as ``msmarco-passage/trec-dl-2019/judged``. The id names one part, so
    ``splits()`` is that id's last word, if there are judgements."""

    name: str

    def documents(self) -> Iterator[Candidate]:
        for doc in self._part("docs").docs_iter():
            yield Candidate(str(doc.doc_id), _text(doc), meta=_rest(doc, "doc_id"))

    def splits(self) -> list[str]:
        return [self.name.rsplit("/", 1)[-1]] if self._load().has_qrels() else []

    def qrels(self, split: str | None = None) -> Qrels:
        self.chosen(split)
        qrels: Qrels = {}
        for row in self._part("qrels").qrels_iter():
            qrels.setdefault(str(row.query_id), {})[str(row.doc_id)] = int(row.relevance)
        return qrels

    def queries(self, split: str | None = None) -> list[Query]:
        judged = None if split is None else self.qrels(split)
        queries = [Query(str(q.query_id), _text(q), _rest(q, "query_id")) for q in self._part("queries").queries_iter()]
        return [q for q in queries if judged is None or q.id in judged]

    def _load(self) -> Any:
        try:
            import ir_datasets
        except ModuleNotFoundError:
            raise MissingExtra("ir_datasets", extra="datasets") from None
        try:
            return ir_datasets.load(self.name)
        except KeyError:
            raise InputError(f"ir_datasets has no collection {quoted(self.name)}") from None

    def _part(self, part: str) -> Any:
        """The dataset, once it is known to have ``part`` ("docs", "queries", "qrels"). Raises InputError otherwise."""
        dataset = self._load()
        if not getattr(dataset, f"has_{part}")():
            raise InputError(f"the ir_datasets collection {quoted(self.name)} has no {part}")
        return dataset


def _text(row: Any) -> str:
    if hasattr(row, "default_text"):
        return str(row.default_text()).strip()
    return " ".join(str(getattr(row, n)) for n in ("title", "text") if getattr(row, n, None)).strip()


def _rest(row: Any, id: str) -> dict[str, Any]:
    values = {n: getattr(row, n) for n in row._fields if n not in (id, "text")}
    return {n: v for n, v in values.items() if isinstance(v, _PLAIN)}
