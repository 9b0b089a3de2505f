"""LlamaIndex: a node postprocessor (`Reranker`) and a retriever (`Retriever`).

from anyrank.integrations.llamaindex import Reranker
index.as_query_engine(node_postprocessors=[Reranker(pipeline="mini", top_n=5)])
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..core.errors import MissingExtra
from .ranked import ranked, searched

try:
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode
except ModuleNotFoundError as error:
    raise MissingExtra("llama_index", "llamaindex") from error


class Reranker(BaseNodePostprocessor):  # type: ignore[misc,unused-ignore]
    """Reranks nodes by a pipeline, or by the server at an address. The nodes are the same objects under their new
    scores. ``top_n`` None keeps all."""

    pipeline: str = "mini"
    top_n: int | None = None

    @classmethod
    def class_name(cls) -> str:
        return "AnyrankReranker"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ValueError("a reranker needs a query: pass query_bundle or query_str")
        texts = [n.node.get_content(metadata_mode=MetadataMode.EMBED) for n in nodes]
        ranking = ranked(query_bundle.query_str, texts, self.pipeline, self.top_n)
        return [NodeWithScore(node=nodes[c.index].node, score=c.score) for c in ranking if c.index is not None]


class Retriever(BaseRetriever):  # type: ignore[misc,unused-ignore]
    """The best ``k`` documents of an index, a folder made by ``anyrank index``."""

    def __init__(
        self, index: str, pipeline: str = "bm25", k: int = 10, filter: dict[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.index, self.pipeline, self.k, self.filter = index, pipeline, k, filter

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        ranking = searched(self.index, query_bundle.query_str, self.pipeline, self.k, self.filter)
        return [
            NodeWithScore(node=TextNode(id_=c.id, text=str(c.content or ""), metadata=dict(c.meta)), score=c.score)
            for c in ranking
        ]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """The same in a thread."""
        return await asyncio.to_thread(self._retrieve, query_bundle)
