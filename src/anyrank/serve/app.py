"""The HTTP application: routes over a `Service`, with keys, limits, metrics and logs around them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ..core.display import ranking_to_dict
from ..core.errors import AnyrankError, InputError, MissingExtra, ModelError, StoreError
from ..core.trace import total
from ..core.types import Query
from . import dialects, embeddings, gym, tasks
from .batching import Full
from .hosts import Hosts
from .keys import Keyring
from .metrics import Metrics
from .openapi import document
from .playground.assets import POLICY, assets
from .playground.playground import Playground
from .requests import Refusal, clean, flag, number, query_text, read_json, text, whole
from .service import Service

log = logging.getLogger("anyrank.serve")

OPEN = ("/health", "/healthz", "/ready")
"""Paths that need no key."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
GONE = 499
"""The status that logs show for a client that left."""


@dataclass(slots=True, eq=False)
class Server:
    """A service behind HTTP. ``body`` bounds a request's bytes, ``documents`` the documents of one, ``slow`` the
    seconds in which a body has to arrive; ``origins`` are the pages that may call it from a browser; ``hosts`` are the
    names that it answers under while it asks for no keys (see `Hosts`)."""

    service: Service
    keys: Keyring = field(default_factory=Keyring)
    body: int = 16 * 2**20
    documents: int = 10_000
    slow: float = 30.0
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    metrics: Metrics = field(default_factory=Metrics)
    playground: Playground | None = None
    ready: bool = False
    _playing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1), repr=False)

    def app(self) -> Starlette:
        """The application, as any ASGI server runs it."""
        play = self.playground
        rerank = ("/rerank", "/v1/rerank", "/v2/rerank", "/v1/reranking", "/v1/rerankings", "/reranking")
        posts: dict[str, Handler] = {
            **dict.fromkeys(rerank, self._rerank),
            "/score": self._score,
            "/v1/score": self._score,
            "/v1/rank": self._rank,
            "/v1/embeddings": self._embeddings,
            "/embeddings": self._embeddings,
            "/v2/embed": self._embed,
            "/search": self._search,
            "/": self._task,
            **(
                {}
                if play is None
                else {f"/play/{name}": functools.partial(self._play, name) for name in play.answers()}
            ),
        }
        gets: dict[str, Handler] = {
            "/search": self._gym,
            "/fineweb/search": self._gym,
            "/fetch": self._fetch,
            "/v1/models": self._models,
            "/models": self._models,
            "/info": self._info,
            "/metrics": self._metrics,
            "/health": self._health,
            "/healthz": self._health,
            "/ready": self._readiness,
            "/openapi.json": self._openapi,
            **({} if play is None else {"/": self._page, "/play/info": self._play_info}),
            **({} if play is None else {f"/play/{name}": self._page for name in assets()}),
        }
        routes = [Route(p, self._around(h), methods=["POST"]) for p, h in posts.items()]
        routes += [Route(p, self._around(h), methods=["GET"]) for p, h in gets.items()]
        methods = {p: [m for m, of in (("GET", gets), ("POST", posts)) if p in of] for p in posts | gets}
        allowed: dict[str, Any] = {"allow_methods": ["GET", "POST"], "allow_headers": ["*"]}
        cors = [Middleware(CORSMiddleware, allow_origins=list(self.origins), **allowed)]
        unknown = functools.partial(self._unknown, methods)
        return Starlette(
            routes=routes,
            middleware=[Middleware(_Slashes), *(cors if self.origins else [])],
            exception_handlers={404: unknown, 405: unknown},
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Opens the models before the first request, and answers what was accepted before the end."""
        await asyncio.to_thread(self.service.warm)
        self.ready = True
        yield
        self.ready = False
        await self.service.drain()

    def _around(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """A handler with its key checked, its errors told in one form, and the request counted and logged."""

        async def respond(request: Request) -> Response:
            start, entry = time.perf_counter(), dict[str, Any]()
            response = await self._answered(handler, request, entry)
            seconds, path = time.perf_counter() - start, request.url.path
            self.metrics.requests.labels(path, str(response.status_code)).inc()
            self.metrics.seconds.labels(path).observe(seconds)
            self.metrics.waiting.set(self.service.waits)
            if path not in OPEN:
                line = {"path": path, "status": response.status_code, "ms": round(seconds * 1000, 1), **entry}
                log.info("%s", json.dumps(line))
            policy = response.headers.get("content-security-policy")
            response.headers.update(HEADERS | ({"Content-Security-Policy": policy} if policy else {}))
            return response

        return respond

    async def _answered(self, handler: Handler, request: Request, entry: dict[str, Any]) -> Response:
        try:
            self._admit(request, entry)
            return await handler(request, entry)
        except Refusal as error:
            return _error(error.status, str(error), error.headers)
        except Full as error:
            return _error(429, str(error), {"Retry-After": str(math.ceil(error.seconds))})
        except (ModelError, MissingExtra) as error:
            return _error(503, str(error))
        except StoreError as error:  # its text names machines behind this one
            entry["error"] = str(error)
            return _error(503, "the server of the index failed: try again later", {"Retry-After": "10"})
        except InputError as error:
            return _error(422, self._without_paths(error))
        except AnyrankError as error:
            return _error(500, str(error))
        except (ClientDisconnect, _Left):
            return _error(GONE, "the client left")
        except Exception as error:  # noqa: BLE001  # whatever a model or a plug-in raises: the server goes on
            entry["error"] = f"{type(error).__name__} at {_location(error)}"  # its text may hold that of a document
            return _error(500, "the pipeline failed: see the server's log")

    def _admit(self, request: Request, entry: dict[str, Any]) -> None:
        """Raises Refusal on a request without a key, and, where none is needed, on one from a strange page."""
        if request.url.path in OPEN:
            return
        if self.keys.path is None:
            Hosts(self.hosts, self.origins).check(request.headers)
        elif self._is_page(request):
            return  # its files hold no secret; the page asks for the key that its requests need
        elif name := self.keys.admit(request.headers):
            entry["key"] = name

    def _is_page(self, request: Request) -> bool:
        name = request.url.path.removeprefix("/play/")
        return request.method == "GET" and self.playground is not None and (name == "/" or name in assets())

    def _without_paths(self, error: InputError) -> str:
        """What is wrong with the input, without the paths of the server's own files."""
        index = self.service.collection
        paths = [str(error.path or ""), "" if index is None else str(index.path)]
        return functools.reduce(lambda text, path: text.replace(path, "the index") if path else text, paths, str(error))

    async def _unknown(self, methods: Mapping[str, Sequence[str]], request: Request, error: Exception) -> Response:
        """No such path, or another method: told only to those who have a key."""

        async def refuse(request: Request, entry: dict[str, Any]) -> Response:
            path = request.url.path
            if path in methods:
                allowed = ", ".join(methods[path])
                raise Refusal(405, f"{path} takes only {allowed}", {"Allow": allowed})
            raise Refusal(404, f"{clean(path)[:100]} is not served here: see /openapi.json")

        response = await self._answered(refuse, request, {})
        response.headers.update(HEADERS)
        return response

    async def _body(self, request: Request) -> dict[str, Any]:
        """The JSON object of a request, read within the limits of size and time."""
        close = {"Connection": "close"}  # the rest of the body is not read
        too_large = Refusal(413, f"the body has more than {self.body:,} bytes", close)
        stated = request.headers.get("content-length", "")
        if stated.isdigit() and int(stated[:20]) > self.body:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.slow):
                async for part in request.stream():
                    size += len(part)
                    if size > self.body:
                        raise too_large
                    parts.append(part)
        except TimeoutError:
            raise Refusal(408, f"the body did not arrive within {self.slow:g} s", close) from None
        return read_json(b"".join(parts))

    async def _rerank(self, request: Request, entry: dict[str, Any]) -> Response:
        body = await self._body(request)
        asked = dialects.read_rerank(body, request.url.path, request.headers, self.documents)
        outcome = await self._ranked(request, asked, entry)
        return JSONResponse(dialects.answer(asked, outcome), headers=_headers(outcome))

    async def _ranked(self, request: Request, asked: dialects.RerankRequest, entry: dict[str, Any]) -> dialects.Outcome:
        outcome: dialects.Outcome = await _unless_left(request, self.service.rerank(asked))
        self.metrics.documents.inc(len(outcome.rows))
        self.metrics.tokens.inc(outcome.usage.tokens)
        if outcome.status in ("partial", "fallback"):
            self.metrics.degraded.labels(outcome.status).inc()
        entry |= {"id": outcome.id, "model": outcome.model, "documents": len(outcome.rows)}
        entry |= {"tokens": outcome.usage.tokens, "outcome": outcome.status}
        return outcome

    async def _rank(self, request: Request, entry: dict[str, Any]) -> Response:
        """Our own form: every document in the answer, with its score, and the whole trace of what happened."""
        body = await self._body(request)
        asked = dialects.read_rerank(body, request.url.path, request.headers, self.documents)
        outcome = await self._ranked(request, asked, entry)
        rows = [
            {"index": i, "score": s, "rank": n, "document": asked.echoed[i]} for n, (i, s) in enumerate(outcome.rows, 1)
        ]
        body = {"id": outcome.id, "model": outcome.model, "results": rows[: asked.top_n], **dialects.report_of(outcome)}
        return JSONResponse(body)

    async def _score(self, request: Request, entry: dict[str, Any]) -> Response:
        """vLLM's scores of pairs: one text against each of several, or pair by pair."""
        body = await self._body(request)
        pairs = (("text_1", "text_2"), ("queries", "documents"), ("queries", "items"), ("data_1", "data_2"))
        left, right = next((p for p in pairs if p[0] in body or p[1] in body), pairs[0])
        queries, texts = (_list(body.get(n), n) for n in (left, right))
        if len(texts) > self.documents:
            raise Refusal(413, f"{len(texts):,} {right}: at most {self.documents:,} in a request")
        if len(queries) not in (1, len(texts)):
            raise Refusal(400, f"{len(queries)} {left} for {len(texts)} {right}: expected 1 or as many")
        model = body.get("model")
        asked = {"model": model, "timeout": body.get("timeout")}
        if len(queries) == 1:
            groups = [{"query": queries[0], "documents": texts, **asked}]
        else:
            groups = [{"query": q, "documents": [t], **asked} for q, t in zip(queries, texts)]
        requests = [dialects.read_rerank(g, most=self.documents) for g in groups]
        outcomes = await asyncio.gather(*(self._ranked(request, r, entry) for r in requests))
        for o, r in zip(outcomes, requests):
            if len(o.rows) < len(r.documents):
                raise Refusal(
                    422, f"the pipeline keeps {len(o.rows)} of {len(r.documents)} texts: the rest has no score"
                )
        scores = [s for o in outcomes for _, s in sorted(o.rows)]
        tokens = sum(o.usage.prompt_tokens for o in outcomes)
        data = [{"index": i, "object": "score", "score": s} for i, s in enumerate(scores)]
        whole_body = {"id": outcomes[0].id, "object": "list", "created": int(time.time()), "model": outcomes[0].model}
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return JSONResponse({**whole_body, "data": data, "usage": usage, "anyrank": dialects.report_of(*outcomes)})

    async def _embeddings(self, request: Request, entry: dict[str, Any]) -> Response:
        asked = embeddings.read_openai(await self._body(request))
        name, encoded = await _unless_left(request, self.service.vectors(asked))
        vectors = embeddings.shortened(encoded.vectors.dense(), asked.dimensions)
        entry |= {"model": name, "texts": len(vectors), "tokens": encoded.usage.prompt_tokens}
        self.metrics.tokens.inc(encoded.usage.tokens)
        answer = embeddings.openai_answer(asked, name, vectors, encoded.usage.prompt_tokens)
        return JSONResponse(answer | {"anyrank": {"usage": dialects.counts_of(encoded.usage)}})

    async def _embed(self, request: Request, entry: dict[str, Any]) -> Response:
        asked = embeddings.read_cohere(await self._body(request))
        name, encoded = await _unless_left(request, self.service.vectors(asked))
        vectors = embeddings.shortened(encoded.vectors.dense(), asked.dimensions)
        entry |= {"model": name, "texts": len(vectors), "tokens": encoded.usage.prompt_tokens}
        return JSONResponse(
            embeddings.cohere_answer(asked, self.service.new_id(), vectors, encoded.usage.prompt_tokens)
        )

    async def _task(self, request: Request, entry: dict[str, Any]) -> Response:
        task = tasks.read_task(await self._body(request))
        name, encoded = await _unless_left(request, self.service.vectors(task.request))
        entry |= {"model": name, "texts": len(task.texts), "tokens": encoded.usage.prompt_tokens}
        return JSONResponse(tasks.task_answer(task, encoded.vectors.dense()))

    async def _search(self, request: Request, entry: dict[str, Any]) -> Response:
        """The best documents of the index: ``query``, ``top_n``, ``filter`` (fields and values), ``timeout``."""
        body = await self._body(request)
        top = next((n for n in dialects.TOP if body.get(n) is not None), "top_n")
        k = whole(body.get(top), top, 0, self.documents) or 10
        texts = flag(body.get("return_documents"), "return_documents", True)
        condition = body.get("filter")
        if condition is not None and not isinstance(condition, dict):
            raise Refusal(400, "filter is no object of fields and values")
        values = sum(len(v) if isinstance(v, list) else 1 for v in (condition or {}).values())
        if values > self.documents:
            raise Refusal(413, f"the filter has {values:,} values: at most {self.documents:,}")
        query = Query("q", query_text(body.get("query")))
        seconds = number(body.get("timeout"), "timeout")
        ranking = await _unless_left(request, self.service.find(query, k, condition or None, seconds))
        value = await asyncio.to_thread(ranking_to_dict, ranking, texts=texts)
        entry |= {"documents": len(ranking), "outcome": ranking.status}
        return JSONResponse(value | {"usage": dialects.counts_of(total(ranking.trace).usage)})

    async def _gym(self, request: Request, entry: dict[str, Any]) -> Response:
        """DeepResearchGym's search, by the address' ``query`` and ``k``."""
        query = Query("q", query_text(request.query_params.get("query")))
        k = whole(_integer(request.query_params.get("k")), "k", 1, 1000) or 10
        ranking = await _unless_left(request, self.service.find(query, k))
        shape = gym.fineweb if request.url.path.startswith("/fineweb") else gym.clueweb
        entry["documents"] = len(ranking)
        results = await asyncio.to_thread(lambda: [gym.packed(shape(c)) for c in ranking])
        return JSONResponse({"results": results})

    async def _fetch(self, request: Request, entry: dict[str, Any]) -> Response:
        """One document of the index, by its ``id``, or a ``url`` that is one."""
        name = request.query_params.get("url") or request.query_params.get("id")
        candidate = await asyncio.to_thread(self.service.document, text(name, "url"))
        return JSONResponse({"results": [gym.packed(gym.clueweb(candidate))]})

    async def _page(self, request: Request, entry: dict[str, Any]) -> Response:
        """A file of the playground's page."""
        content, kind = assets()[request.url.path.removeprefix("/play/").strip("/") or "index.html"]
        return Response(content, media_type=kind, headers={"Content-Security-Policy": POLICY})

    async def _play_info(self, request: Request, entry: dict[str, Any]) -> Response:
        assert self.playground is not None
        return JSONResponse(await asyncio.to_thread(self.playground.info))

    async def _play(self, name: str, request: Request, entry: dict[str, Any]) -> Response:
        """What the playground's page asks for, one request at a time, so that it never crowds out other clients."""
        assert self.playground is not None
        body = await self._body(request)
        async with self._playing:
            return JSONResponse(await asyncio.to_thread(self.playground.answers()[name], body))

    async def _models(self, request: Request, entry: dict[str, Any]) -> Response:
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "anyrank"} for name in self.service.models]
        return JSONResponse({"object": "list", "data": data})

    async def _info(self, request: Request, entry: dict[str, Any]) -> Response:
        limits = {"max_client_batch_size": self.documents, "max_body_bytes": self.body}
        size = await asyncio.to_thread(self.service.size)
        index = None if size is None else {"documents": size}
        return JSONResponse({"model_id": self.service.default, "auto_truncate": True, "index": index, **limits})

    async def _metrics(self, request: Request, entry: dict[str, Any]) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def _health(self, request: Request, entry: dict[str, Any]) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readiness(self, request: Request, entry: dict[str, Any]) -> Response:
        return JSONResponse({"status": "ready" if self.ready else "starting or ending"}, 200 if self.ready else 503)

    async def _openapi(self, request: Request, entry: dict[str, Any]) -> Response:
        return JSONResponse(document())


Handler = Callable[[Request, dict[str, Any]], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Slashes:
    """Passes requests on by their paths without further slashes (``//v2/rerank/`` is ``/v2/rerank``), as clients send
    whose base address ends with one. A redirect would make many of them repeat a POST as a GET."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": re.sub("/+", "/", scope["path"]).rstrip("/") or "/"}
        await self.app(scope, receive, send)


class _Left(Exception):
    """The client closed its connection before the answer."""


async def _unless_left(request: Request, work: Any) -> Any:
    """The result of work, which is cancelled if the client leaves. Raises _Left."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise _Left
        return task.result()
    finally:
        gone.cancel()
        task.cancel()


async def _disconnected(request: Request) -> None:
    """Returns when the client has left; the body is read by then."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error in the fields that the vendors' clients read."""
    error = {"message": message, "type": "error", "code": status}
    return JSONResponse({"message": message, "detail": message, "error": error}, status, dict(headers or {}))


def _headers(outcome: dialects.Outcome) -> dict[str, str]:
    """Status and notes for answers that are a bare list."""
    notes = "".join(c if " " <= c <= "~" or c.isspace() else "?" for c in "; ".join(outcome.notes))
    out = {"X-Anyrank-Status": outcome.status, "X-Anyrank-Tokens": str(outcome.usage.tokens)}
    return out | ({"X-Anyrank-Warnings": " ".join(notes.split())[:2000]} if notes else {})


def _location(error: BaseException) -> str:
    """The file and line that raised an error."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return "" if at is None else f"{at.tb_frame.f_code.co_filename.rpartition('/')[2]}:{at.tb_lineno}"


def _list(value: Any, name: str) -> list[Any]:
    if value is None or value == []:
        raise Refusal(400, f"{name} is missing: expected a text or a list of texts")
    return value if isinstance(value, list) else [value]


def _integer(value: str | None) -> int | None:
    """A number in an address. Raises Refusal."""
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > 9:
        raise Refusal(400, f"k is {clean(value)[:40]!r}: expected a whole number")
    return int(value)
