"""Collections of the ir_datasets catalogue, downloaded by that package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..core.errors import InputError, MissingExtra
from ..core.types import Candidate, Query
from .dataset import Dataset
from .qrels import Qrels

_PLAIN = (str, int, float, bool)


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
            raise InputError(f"ir_datasets has no collection {self.name!r}") from None

    def _part(self, part: str) -> Any:
        """The dataset, once it is known to have ``part`` ("docs", "queries", "qrels"). Raises InputError otherwise."""
        dataset = self._load()
        if not getattr(dataset, f"has_{part}")():
            raise InputError(f"the ir_datasets collection {self.name!r} has no {part}")
        return dataset


def _text(row: Any) -> str:
    if hasattr(row, "default_text"):
        return str(row.default_text()).strip()
    return " ".join(str(getattr(row, n)) for n in ("title", "text") if getattr(row, n, None)).strip()


def _rest(row: Any, id: str) -> dict[str, Any]:
    values = {n: getattr(row, n) for n in row._fields if n not in (id, "text")}
    return {n: v for n, v in values.items() if isinstance(v, _PLAIN)}
