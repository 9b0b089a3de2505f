"""LangChain: a document compressor (`Reranker`) and a retriever (`Retriever`).

The documents that come back are LangChain's own, copied, with the score as ``metadata["relevance_score"]``, as its
other rerankers do:

    from anyrank.integrations.langchain import Reranker
    ContextualCompressionRetriever(base_compressor=Reranker(pipeline="mini", top_n=5), base_retriever=mine)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ..core.errors import MissingExtra
from ..core.types import Ranking
from .ranked import ranked, searched

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun, Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.retrievers import BaseRetriever
except ModuleNotFoundError as error:
    raise MissingExtra("langchain_core", "langchain") from error


class Reranker(BaseDocumentCompressor):  # type: ignore[misc,unused-ignore]
    """Reranks documents by a pipeline, or by the server at an address ("http://host:8000"). ``top_n`` None keeps
    all."""

    pipeline: str = "mini"
    top_n: int | None = None

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The documents in their new order, the best ``top_n``."""
        return [_scored(documents[c.index], c.score) for c in self.ranked(documents, query) if c.index is not None]

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The same in a thread."""
        return await asyncio.to_thread(self.compress_documents, documents, query, callbacks)

    def ranked(self, documents: Sequence[Document], query: str) -> Ranking:
        """The ranking itself, with its status, cost and trace."""
        return ranked(query, [d.page_content for d in documents], self.pipeline, self.top_n)


class Retriever(BaseRetriever):  # type: ignore[misc,unused-ignore]
    """The best ``k`` documents of an index, a folder made by ``anyrank index``."""

    index: str
    pipeline: str = "bm25"
    k: int = 10
    filter: dict[str, Any] | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun | None = None
    ) -> list[Document]:
        ranking = searched(self.index, query, self.pipeline, self.k, self.filter)
        return [
            Document(id=c.id, page_content=str(c.content or ""), metadata={**c.meta, "relevance_score": c.score})
            for c in ranking
        ]


def _scored(document: Document, score: float) -> Document:
    metadata = {**document.metadata, "relevance_score": score}
    return Document(id=document.id, page_content=document.page_content, metadata=metadata)
