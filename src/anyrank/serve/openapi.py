"""The server's OpenAPI description: what every client may send, and what it gets. The server reads more than this (the
further names of fields that vendors' clients use), but refuses nothing of it."""

from __future__ import annotations

from typing import Any, get_args

from .. import __version__
from ..core.trace import Status

Schema = dict[str, Any]


def _object(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list(items: Schema, **bounds: int) -> Schema:
    return {"type": "array", "items": items, **bounds}


def _or_null(type: str, **bounds: Any) -> Schema:
    return {"type": [type, "null"], **bounds}


_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_INTEGER: Schema = {"type": "integer"}
_ANY: Schema = {"type": "object"}
_WORDS: Schema = {"type": "string", "pattern": "\\S", "description": "a text that is not blank"}
_MODEL = _or_null("string", description="a name of /v1/models; any other is answered by the default, with a warning")
_COUNT = _or_null("integer", minimum=0, maximum=2**31)
_BEST = _or_null("integer", minimum=0, maximum=1000)
_FILTER = _or_null("object", description="fields of the index, each with a value or a list of them")
_SECONDS = _or_null("number", exclusiveMinimum=0, exclusiveMaximum=1e9, description="seconds that the work may take")
_FLAG = _or_null("boolean")
_DOCUMENTS = _list({"anyOf": [_TEXT, _object({"text": _TEXT}, "text")]})


def _rerank(documents: str, top: str, echo: str) -> Schema:
    """A request in the names of one family of dialects."""
    fields = {"query": _WORDS, documents: _DOCUMENTS, top: _COUNT, echo: _FLAG, "model": _MODEL, "timeout": _SECONDS}
    return _object(fields, "query", documents)


_COHERE = _rerank("documents", "top_n", "return_documents")
_RERANKS = [_COHERE, _rerank("texts", "top_n", "return_text"), _rerank("input", "top_k", "return_input")]
_TEXTS: Schema = {"anyOf": [_WORDS, _list(_WORDS, minItems=1, maxItems=2048)]}
_EMBEDDINGS = _object(
    {
        "input": _TEXTS,
        "model": _MODEL,
        "encoding_format": {"enum": ["float", "base64", None]},
        "dimensions": _or_null("integer", minimum=1, description="at most those of the model's vectors"),
    },
    "input",
)
_EMBED = _object({"texts": _TEXTS, "model": _MODEL, "input_type": _or_null("string")}, "texts")
_SEARCH = _object(
    {"query": _WORDS, "top_n": _BEST, "filter": _FILTER, "return_documents": _FLAG, "timeout": _SECONDS},
    "query",
)
_SIMILARITY = _object(
    {"source_sentence": _WORDS, "sentences": _list(_WORDS, minItems=1)}, "source_sentence", "sentences"
)
_TASK = _object({"inputs": {"anyOf": [_WORDS, _list(_WORDS, minItems=1), _SIMILARITY]}}, "inputs")
_SCORE = _object(
    {"text_1": _WORDS, "text_2": {"anyOf": [_TEXT, _list(_TEXT, minItems=1)]}, "model": _MODEL}, "text_1", "text_2"
)

_USAGE = _object({"prompt_tokens": _INTEGER, "total_tokens": _INTEGER}, "prompt_tokens", "total_tokens")
_REPORT = {"status": {"enum": list(get_args(Status))}, "usage": _ANY, "notes": _list(_TEXT)}
_CUT = {"cut": {**_list(_INTEGER), "description": "positions of documents that a cut-off of the pipeline dropped"}}
_ANYRANK = {"anyrank": _object({**_REPORT, **_CUT}, *_REPORT)}
_SCORED = {
    "anyOf": [
        _object({"index": _INTEGER, "relevance_score": _NUMBER}, "index", "relevance_score"),
        _object({"index": _INTEGER, "score": _NUMBER}, "index", "score"),
    ]
}
_RANKED = _object({"index": _INTEGER, "score": _NUMBER, "rank": _INTEGER}, "index", "score", "rank", "document")
_VECTOR = {"anyOf": [_list(_NUMBER), _TEXT]}
_PACKED = _object({"results": _list({**_TEXT, "contentEncoding": "base64"})}, "results")
_STATE = _object({"status": _TEXT}, "status")
_ANSWERS: dict[str, Schema] = {
    "rerank": {
        "anyOf": [
            _list(_SCORED),
            _object({"data": _list(_SCORED), "usage": _USAGE, **_ANYRANK}, "model", "data", "usage", "anyrank"),
        ]
    },
    "rank": _object(
        {"id": _TEXT, "model": _TEXT, "results": _list(_RANKED), **_REPORT, **_CUT}, "id", "results", *_REPORT
    ),
    "score": _object({"data": _list(_SCORED), "usage": _USAGE, **_ANYRANK}, "model", "data", "usage", "anyrank"),
    "embeddings": _object(
        {"data": _list(_object({"index": _INTEGER, "embedding": _VECTOR}, "index", "embedding")), "usage": _USAGE},
        *("model", "data", "usage"),
    ),
    "embed": _object({"embeddings": _object({"float": _list(_list(_NUMBER))}, "float")}, "id", "embeddings"),
    "task": _list({"anyOf": [_NUMBER, _list(_NUMBER)]}),
    "search": _object({"ranking": _list(_object({"id": _TEXT, "score": _NUMBER}, "id", "score"))}, "ranking", "usage"),
}
_RERANK_PATHS = ("/rerank", "/v1/rerank", "/v2/rerank", "/reranking", "/v1/reranking", "/v1/rerankings")
_POSTS: dict[str, tuple[Schema, str]] = {
    **dict.fromkeys(_RERANK_PATHS, ({"anyOf": _RERANKS}, "rerank")),
    "/v1/rank": (_COHERE, "rank"),
    **dict.fromkeys(("/score", "/v1/score"), (_SCORE, "score")),
    **dict.fromkeys(("/embeddings", "/v1/embeddings"), (_EMBEDDINGS, "embeddings")),
    "/v2/embed": (_EMBED, "embed"),
    "/search": (_SEARCH, "search"),
    "/": (_TASK, "task"),
}
_K: Schema = {"type": "integer", "minimum": 1, "maximum": 1000}
_MODELS = _object({"data": _list(_object({"id": _TEXT}, "id"))}, "object", "data")
_GETS: dict[str, tuple[dict[str, tuple[Schema, bool]], Schema | None]] = {
    **dict.fromkeys(("/search", "/fineweb/search"), ({"query": (_WORDS, True), "k": (_K, False)}, _PACKED)),
    "/fetch": ({"url": (_WORDS, True)}, _PACKED),
    **dict.fromkeys(("/models", "/v1/models"), ({}, _MODELS)),
    "/info": ({}, _object({"model_id": _TEXT}, "model_id", "index")),
    "/metrics": ({}, None),
    **dict.fromkeys(("/health", "/healthz", "/ready"), ({}, _STATE)),
    "/openapi.json": ({}, _ANY),
}
_ERROR = _object(
    {
        "message": _TEXT,
        "detail": _TEXT,
        "error": _object({"message": _TEXT, "type": _TEXT, "code": _INTEGER}, "message", "type", "code"),
    },
    *("message", "detail", "error"),
)
_STATUSES = {
    "400": "a field is missing or wrong",
    "401": "no key, or an unknown one",
    "403": "another host or page than this server answers",
    "404": "not here",
    "405": "another method",
    "408": "the body came too slowly",
    "413": "too large",
    "422": "can't be processed",
    "429": "too many requests: see Retry-After",
    "500": "the pipeline failed",
    "503": "a model or the index can't be opened, or the server is starting",
}


def document() -> Schema:
    """The description, as OpenAPI 3.1.

    >>> "post" in document()["paths"]["/v1/rerank"]
    True
    """
    paths: Schema = {}
    for path, (schema, answer) in _POSTS.items():
        body = {"required": True, "content": {"application/json": {"schema": schema}}}
        operation = {"requestBody": body, "responses": _responses(_ANSWERS[answer])}
        paths.setdefault(path, {})["post"] = operation
    for path, (names, answered) in _GETS.items():
        parameters = [{"name": n, "in": "query", "required": r, "schema": s} for n, (s, r) in names.items()]
        paths.setdefault(path, {})["get"] = {"parameters": parameters, "responses": _responses(answered)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "anyrank", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _responses(answer: Schema | None) -> Schema:
    """The answers of an operation; None for one that answers in plain text."""
    content = {"text/plain": {"schema": _TEXT}} if answer is None else {"application/json": {"schema": answer}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    errors = {status: {"description": words, "content": error} for status, words in _STATUSES.items()}
    return {"200": {"description": "the answer", "content": content}, **errors}
