"""An MCP server: rerank, search, get_document, compare and explain as tools for agents, over stdio or HTTP.

It serves what the HTTP server does: named pipelines and perhaps an index. Agents choose among the names; they can't
open models or files of their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mcp.server import MCPServer

from ..core.display import ranking_to_dict
from ..core.errors import AnyrankError
from ..core.types import Query
from ..pipeline.explain import explain as explained
from . import dialects
from .batching import Full
from .requests import Refusal, query_text
from .service import Service

log = logging.getLogger("anyrank.serve")

INSTRUCTIONS = """Ranks texts by their relevance to a query. Use rerank for texts that you have, search for documents of
the index, get_document to read one whole. Every answer says what it cost and whether anything was not judged."""


def mcp_server(service: Service, most: int = 1000) -> MCPServer[Any]:
    """The tools over a service. ``most`` bounds the documents of a call."""
    server: MCPServer[Any] = MCPServer("anyrank", instructions=INSTRUCTIONS)

    @server.tool()
    async def rerank(
        query: str, documents: list[str], top_n: int | None = None, model: str | None = None
    ) -> dict[str, Any]:
        """Orders documents by their relevance to the query, best first: index, score and text of each, and what it
        cost. model: one of the names in list_models."""
        return await _answered(_rank(service, query, documents, top_n, model, most))

    @server.tool()
    async def search(query: str, top_n: int = 10, filter: dict[str, Any] | None = None) -> dict[str, Any]:
        """The best documents of the index for a query, with their ids, scores and texts. filter: fields and the values
        that documents must have, such as {"lang": ["en", "de"], "year": 1999}."""
        return await _answered(_search(service, query, max(min(top_n, most), 1), filter))

    @server.tool()
    async def get_document(id: str) -> dict[str, Any]:
        """One document of the index, whole."""
        return await _answered(_document(service, id))

    @server.tool()
    async def compare(
        query: str, documents: list[str], models: list[str] | None = None, top_n: int = 10
    ) -> dict[str, Any]:
        """Ranks the same documents by several models: the best of each, how many they share, and the documents whose
        ranks differ most (null: the model dropped it)."""
        return await _answered(_compare(service, query, documents, models, top_n, most))

    @server.tool()
    async def explain(pipeline: str) -> dict[str, Any]:
        """What a pipeline, such as "bm25 % 100 >> mini", does step by step, what it costs and what it needs. Nothing
        is run."""
        return await _answered(_explain(pipeline))

    @server.tool()
    async def list_models() -> dict[str, Any]:
        """The names of the pipelines that rerank and compare may use, and the number of documents to search."""
        return await _answered(_models(service))

    return server


async def _answered(work: Any) -> dict[str, Any]:
    """The answer, or the error as one sentence that an agent can act on."""
    try:
        answer: dict[str, Any] = await work
    except (Refusal, Full, AnyrankError) as error:
        return {"error": str(error)}
    except Exception as error:  # noqa: BLE001  # of a model or a plug-in; its text may hold that of a document
        log.error("a tool failed: %s", type(error).__name__)
        return {"error": "it failed: see the server's log"}
    return answer


async def _models(service: Service) -> dict[str, Any]:
    size = await asyncio.to_thread(service.size)
    return {"models": list(service.pipelines), "default": service.default, "documents": size}


async def _rank(
    service: Service, query: str, documents: Sequence[str], top_n: int | None, model: str | None, most: int
) -> dict[str, Any]:
    body = {"query": query, "documents": list(documents), "top_n": top_n, "model": model or ""}
    request = dialects.read_rerank(body, most=most)
    outcome = await service.rerank(request)
    rows = [{"index": i, "score": s, "text": documents[i]} for i, s in outcome.rows[: request.top_n]]
    return {"model": outcome.model, "results": rows, **dialects.report_of(outcome)}


async def _search(service: Service, query: str, k: int, filter: Mapping[str, Any] | None) -> dict[str, Any]:
    ranking = await service.find(Query("q", query_text(query)), k, filter or None)
    return await asyncio.to_thread(ranking_to_dict, ranking, texts=True)


async def _document(service: Service, id: str) -> dict[str, Any]:
    c = await asyncio.to_thread(service.document, id)
    return {"id": c.id, "text": c.content, "meta": dict(c.meta)}


async def _compare(
    service: Service, query: str, documents: Sequence[str], models: Sequence[str] | None, top_n: int, most: int
) -> dict[str, Any]:
    if top_n < 1:
        raise Refusal(400, f"top_n is {top_n}: expected 1 or more")
    names = list(models or service.pipelines)
    if unknown := [n for n in names if n not in service.pipelines]:
        raise Refusal(400, f"no model {unknown[0][:80]!r} here: there are {', '.join(service.pipelines)}")
    ranks: dict[str, dict[int, int]] = {}
    reports = {}
    for name in names:
        body = {"query": query, "documents": list(documents), "model": name}
        outcome = await service.rerank(dialects.read_rerank(body, most=most))
        ranks[name] = {i: rank for rank, (i, _) in enumerate(outcome.rows, 1)}
        reports[name] = dialects.report_of(outcome)
    best = {n: [i for i, rank in r.items() if rank <= top_n] for n, r in ranks.items()}
    shared = set.intersection(*map(set, best.values())) if best else set()
    last = len(documents) + 1  # the rank of those that a model drops
    spans = {i: [r.get(i, last) for r in ranks.values()] for i in range(len(documents))}
    spread = {i: max(span) - min(span) for i, span in spans.items()}
    moved = sorted((i for i, s in spread.items() if s), key=lambda i: -spread[i])[:top_n]
    differing = [{"index": i, "ranks": {n: r.get(i) for n, r in ranks.items()}, "text": documents[i]} for i in moved]
    return {"best": best, "shared": sorted(shared), "differing": differing, "reports": reports}


async def _explain(pipeline: str) -> dict[str, Any]:
    steps = await asyncio.to_thread(explained, pipeline)
    # not whether a need is there: the answer for a path would tell strangers what this machine holds
    return {"steps": [{**step.as_dict(), "needs": [need.what for need in step.needs]} for step in steps]}
