"""The server's OpenAPI description."""

from __future__ import annotations

from typing import Any

from .. import __version__

_TEXT = {"type": "string"}
_COUNT = {"type": ["integer", "null"], "minimum": 0}
_TEXTS = {"type": "array", "items": _TEXT}
_DOCUMENTS = {"type": "array", "items": {"anyOf": [_TEXT, {"type": "object"}]}}
_SECONDS = {"type": ["number", "null"], "exclusiveMinimum": 0, "description": "seconds that the work may take"}
_RERANK = {
    "query": _TEXT,
    "documents": _DOCUMENTS,
    "model": _TEXT,
    "top_n": _COUNT,
    "return_documents": {"type": ["boolean", "null"]},
    "timeout": _SECONDS,
}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


_BODIES = {
    **dict.fromkeys(
        ("/rerank", "/v1/rerank", "/v2/rerank", "/reranking", "/v1/reranking", "/v1/rerankings", "/v1/rank"),
        _object(_RERANK, ["query"]),
    ),
    **dict.fromkeys(("/score", "/v1/score"), _object({"text_1": _TEXT, "text_2": _TEXTS, "model": _TEXT}, [])),
    **dict.fromkeys(
        ("/v1/embeddings", "/embeddings"),
        _object(
            {
                "input": {"anyOf": [_TEXT, _TEXTS]},
                "model": _TEXT,
                "encoding_format": {"enum": ["float", "base64"]},
                "dimensions": {"type": ["integer", "null"], "minimum": 1},
            },
            ["input"],
        ),
    ),
    "/v2/embed": _object({"texts": _TEXTS, "model": _TEXT, "input_type": _TEXT}, ["texts"]),
    "/search": _object({"query": _TEXT, "top_n": _COUNT, "filter": {"type": ["object", "null"]}}, ["query"]),
}
_ADDRESSES = {
    "/search": {"query": True, "k": False},
    "/fineweb/search": {"query": True, "k": False},
    "/fetch": {"url": True},
    **{p: {} for p in ("/v1/models", "/models", "/info", "/metrics", "/health", "/healthz", "/ready", "/openapi.json")},
}
_STATUSES = {
    "200": "the answer",
    "400": "a field is missing or wrong",
    "401": "no key, or an unknown one",
    "404": "not here",
    "405": "another method",
    "408": "the body came too slowly",
    "413": "too large",
    "422": "can't be processed",
    "429": "too many requests: see Retry-After",
    "500": "the pipeline failed",
    "503": "a model can't be opened, or the server is starting",
}


def document() -> dict[str, Any]:
    """The description, as OpenAPI 3.1.

    >>> "post" in document()["paths"]["/v1/rerank"]
    True
    """
    answers = {status: {"description": words} for status, words in _STATUSES.items()}
    paths: dict[str, Any] = {}
    for path, schema in _BODIES.items():
        body = {"required": True, "content": {"application/json": {"schema": schema}}}
        paths.setdefault(path, {})["post"] = {"requestBody": body, "responses": answers}
    for path, names in _ADDRESSES.items():
        parameters = [{"name": n, "in": "query", "required": r, "schema": _TEXT} for n, r in names.items()]
        paths.setdefault(path, {})["get"] = {"parameters": parameters, "responses": answers}
    return {
        "openapi": "3.1.0",
        "info": {"title": "anyrank", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }
