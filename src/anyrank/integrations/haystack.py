"""Haystack: a ranker (`Reranker`) and a retriever (`Retriever`), as components.

from anyrank.integrations.haystack import Reranker
pipeline.add_component("ranker", Reranker(pipeline="mini", top_k=5))
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from ..core.errors import MissingExtra
from .ranked import ranked, searched

try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ModuleNotFoundError as error:
    raise MissingExtra("haystack", "haystack") from error


@component  # type: ignore[untyped-decorator,unused-ignore]
class Reranker:
    """Reranks documents by a pipeline, or by the server at an address. Of documents with the same id the first counts,
    as in Haystack's own rankers."""

    def __init__(self, pipeline: str = "mini", top_k: int | None = None) -> None:
        self.pipeline, self.top_k = pipeline, top_k

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator,unused-ignore]
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, list[Document]]:
        """The documents in their new order, copies with their new scores."""
        distinct = list({d.id: d for d in reversed(documents)}.values())[::-1]
        ranking = ranked(
            query, [d.content or "" for d in distinct], self.pipeline, self.top_k if top_k is None else top_k
        )
        return {"documents": [replace(distinct[c.index], score=c.score) for c in ranking if c.index is not None]}

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator,unused-ignore]
    async def run_async(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """The same in a thread."""
        return await asyncio.to_thread(self.run, query, documents, top_k)

    def warm_up(self) -> None:
        """Opens the models."""
        ranked("a query", ["a text"], self.pipeline)

    def to_dict(self) -> dict[str, Any]:
        return dict(default_to_dict(self, pipeline=self.pipeline, top_k=self.top_k))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Reranker:
        made: Reranker = default_from_dict(cls, data)
        return made


@component  # type: ignore[untyped-decorator,unused-ignore]
class Retriever:
    """The best documents of an index, a folder made by ``anyrank index``."""

    def __init__(self, index: str, pipeline: str = "bm25", top_k: int = 10) -> None:
        self.index, self.pipeline, self.top_k = index, pipeline, top_k

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator,unused-ignore]
    def run(
        self, query: str, top_k: int | None = None, filters: dict[str, Any] | None = None
    ) -> dict[str, list[Document]]:
        """The documents; ``filters`` are anyrank's: fields and the values that they must have."""
        ranking = searched(self.index, query, self.pipeline, self.top_k if top_k is None else top_k, filters)
        return {
            "documents": [
                Document(id=c.id, content=str(c.content or ""), meta=dict(c.meta), score=c.score) for c in ranking
            ]
        }

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator,unused-ignore]
    async def run_async(
        self, query: str, top_k: int | None = None, filters: dict[str, Any] | None = None
    ) -> dict[str, list[Document]]:
        """The same in a thread."""
        return await asyncio.to_thread(self.run, query, top_k, filters)

    def to_dict(self) -> dict[str, Any]:
        return dict(default_to_dict(self, index=self.index, pipeline=self.pipeline, top_k=self.top_k))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Retriever:
        made: Retriever = default_from_dict(cls, data)
        return made
