"""The rerank dialects of Cohere, Jina, Voyage, TEI, vLLM, Infinity, mixedbread, Pinecone and Isaacus: one reader of
their requests, and the answer that each one's clients read.

The dialects agree in what they ask (a query, documents, the best n) and differ in names. A request is told apart by its
fields, not by its path, since several clients share a path:

- ``texts``: TEI, answered by a bare list (Isaacus, on its own path, by ``results`` with ``score``);
- ``input``: mixedbread; ``rank_fields`` or Pinecone's header: Pinecone;
- all others by one body that Cohere's, Jina's, Voyage's, vLLM's and Infinity's clients read: the rows are there as
  ``results`` and as ``data``, the cost as ``usage`` and as ``meta.billed_units``.

Every answer but TEI's says under ``anyrank`` what happened (status, usage, notes); TEI's says so in headers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..core.content import text_of
from ..core.trace import Status, Step, Usage, total
from .requests import Refusal, clean, first, flag, number, query_text, whole
from .requests import name as model_name

Dialect = Literal["cohere", "tei", "isaacus", "mixedbread", "pinecone"]
DOCUMENTS = ("documents", "texts", "input", "docs", "passages")
TOP = ("top_n", "top_k", "k")
ECHO = ("return_documents", "return_text", "return_input")


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """What a client asks: ``documents`` as their texts, ``echoed`` as they came. ``top_n`` None for all.
    ``strings``: a document in the answer is a bare text, as Infinity's and Voyage's clients read it."""

    dialect: Dialect
    query: str
    documents: tuple[str, ...]
    echoed: tuple[Any, ...]
    model: str = ""
    top_n: int | None = None
    echo: bool = False
    strings: bool = False
    max_tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer is made of: (position, score) pairs, best first, and what the ranking cost and met. ``cut``: the
    positions of documents that a cut-off of the pipeline dropped."""

    id: str
    model: str
    rows: tuple[tuple[int, float], ...]
    usage: Usage
    status: str = "ok"
    notes: tuple[str, ...] = ()
    cut: tuple[int, ...] = ()


def read_rerank(
    body: Mapping[str, Any], path: str = "/rerank", headers: Mapping[str, str] | None = None, most: int = 10_000
) -> RerankRequest:
    """The request in a body. Raises Refusal, which names the field at fault.

    >>> request = read_rerank({"query": "q", "texts": ["one", "two"], "top_n": None})
    >>> request.dialect, request.documents, request.top_n
    ('tei', ('one', 'two'), None)
    """
    name = first(body, DOCUMENTS)
    if name is None:
        raise Refusal(400, "documents is missing: expected a list of texts")
    given = body[name]
    if not isinstance(given, list):
        raise Refusal(400, f"{name} is no list of documents")
    if len(given) > most:
        raise Refusal(413, f"{len(given):,} documents: at most {most:,} in a request")
    dialect = _dialect(name, body, path, headers or {})
    fields = _fields(body.get("rank_fields"))
    top_name = first(body, TOP)
    top = whole(body.get(top_name), top_name) if top_name else None
    echo = first(body, ECHO)
    return RerankRequest(
        dialect,
        query_text(_query(body.get("query"))),
        tuple(_document(d, f"{name}[{i}]", fields) for i, d in enumerate(given)),
        tuple(given),
        model_name(body.get("model"), "model"),
        top or None,
        flag(body.get(echo), echo) if echo else False,
        "raw_scores" in body or "truncation" in body,
        whole(body.get("max_tokens"), "max_tokens", 1),
        number(body.get("timeout"), "timeout"),
    )


def _dialect(name: str, body: Mapping[str, Any], path: str, headers: Mapping[str, str]) -> Dialect:
    if name == "texts":
        return "isaacus" if path.rstrip("/").endswith("rerankings") else "tei"
    if name == "input":
        return "mixedbread"
    return "pinecone" if "rank_fields" in body or "x-pinecone-api-version" in headers else "cohere"


def _fields(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(f, str) for f in value):
        raise Refusal(400, "rank_fields is no list of names of fields")
    return tuple(value)


def _query(value: Any) -> Any:
    """The text of a query that may be an object with one."""
    return value.get("text", value) if isinstance(value, Mapping) else value


def _document(value: Any, name: str, fields: Sequence[str] = ()) -> str:
    """The text of a document: a text, or an object with one. An empty text is a document too, ranked last."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        if fields:
            parts = [value[f] for f in fields if isinstance(value.get(f), str)]
            if not parts:
                raise Refusal(400, f"{name} has none of the rank_fields {', '.join(fields)}")
            return clean("\n".join(parts))
        if not isinstance(value.get("text"), str | None):
            raise Refusal(400, f"{name}.text is no text")
        if any(isinstance(value.get(n), str) for n in ("text", "title", "content", "page_content")):
            inner = value.get("text", value.get("content", value.get("page_content")))
            return clean(text_of({"title": value.get("title") or "", "text": inner or ""}).strip())
        if "image" in value or "image_url" in value:
            raise Refusal(422, f"{name} is an image: the pipeline served here reads texts")
        flat = [f"{k}: {v}" for k, v in value.items() if isinstance(v, str | int | float)]
        if flat:  # fields without a text among them, as Cohere reads structured documents
            return clean("\n".join(flat))
    raise Refusal(400, f"{name} is no text and no object with a text")


def answer(request: RerankRequest, outcome: Outcome) -> Any:
    """The JSON value of an answer in the request's dialect.

    >>> request = read_rerank({"query": "q", "texts": ["one", "two"], "return_text": True})
    >>> answer(request, Outcome("x", "mini", ((1, 0.5), (0, 0.25)), Usage()))
    [{'index': 1, 'score': 0.5, 'text': 'two'}, {'index': 0, 'score': 0.25, 'text': 'one'}]
    """
    rows = outcome.rows[: request.top_n]
    tokens = outcome.usage.prompt_tokens
    usage = {"prompt_tokens": tokens, "total_tokens": outcome.usage.tokens}
    report = {"anyrank": report_of(outcome)}
    if request.dialect == "tei":
        return [
            {"index": i, "score": s, **({"text": _echoed_text(request, i)} if request.echo else {})} for i, s in rows
        ]
    if request.dialect == "mixedbread":
        data = [
            {"index": i, "score": s, "input": request.echoed[i] if request.echo else None, "object": "rank_result"}
            for i, s in rows
        ]
        shape = {"object": "list", "model": outcome.model, "top_k": len(rows), "return_input": request.echo}
        return {**shape, "data": data, "usage": {**usage, "completion_tokens": 0}, **report}
    if request.dialect == "pinecone":
        echoed = [{"document": _mapping(request.echoed[i])} if request.echo else {} for i, _ in rows]
        data = [{"index": i, "score": s, **e} for (i, s), e in zip(rows, echoed)]
        return {"model": outcome.model, "data": data, "usage": {"rerank_units": 1, **usage}, **report}
    results = [{"index": i, "relevance_score": s, **_echo(request, i)} for i, s in rows]
    if request.dialect == "isaacus":
        results = [{"score": s, **row} for row, (_, s) in zip(results, rows)]
    notes = [*outcome.notes, *([f"status: {outcome.status}"] if outcome.status != "ok" else [])]
    units = {"search_units": 1, "input_tokens": tokens}
    return {
        "object": "rerank",
        "id": outcome.id,
        "model": outcome.model,
        "results": results,
        "data": results,
        "usage": usage,
        "meta": {
            "api_version": {"version": "2"},
            "billed_units": units,
            "tokens": {"input_tokens": tokens, "output_tokens": outcome.usage.completion_tokens},
            **({"warnings": notes} if notes else {}),
        },
        **report,
    }


def _echo(request: RerankRequest, i: int) -> dict[str, Any]:
    if not request.echo:
        return {}
    return {"document": _echoed_text(request, i) if request.strings else _mapping(request.echoed[i])}


def _echoed_text(request: RerankRequest, i: int) -> str:
    given = request.echoed[i]
    return given if isinstance(given, str) else request.documents[i]


def _mapping(document: Any) -> Any:
    return {"text": document} if isinstance(document, str) else document


def report_of(*outcomes: Outcome) -> dict[str, Any]:
    """What happened, in words and counts: the worst status, all notes, the usage that isn't 0, and, if a cut-off
    dropped documents, their positions.

    >>> report_of(Outcome("x", "m", (), Usage(calls=1)), Outcome("y", "m", (), Usage(calls=2), "fallback", ("why",)))
    {'status': 'fallback', 'usage': {'calls': 3}, 'notes': ['why']}
    """
    steps = [Step("", 0.0, o.usage, o.notes) for o in outcomes]
    summed = total(steps)
    status = max((o.status for o in outcomes), key=get_args(Status).index)
    cut = {"cut": [i for o in outcomes for i in o.cut]} if any(o.cut for o in outcomes) else {}
    return {"status": status, "usage": counts_of(summed.usage), "notes": list(dict.fromkeys(summed.notes)), **cut}


def counts_of(usage: Usage) -> dict[str, Any]:
    """The counts of a usage that aren't 0.

    >>> counts_of(Usage(calls=2, truncated=1))
    {'calls': 2, 'truncated': 1}
    """
    names = ("calls", "prompt_tokens", "completion_tokens", "truncated", "cached", "fallback", "mended")
    counts: dict[str, Any] = {n: v for n in names if (v := getattr(usage, n))}
    return counts | ({"repairs": dict(usage.repairs)} if usage.repairs else {})
