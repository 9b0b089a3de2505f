"""`Client`: a server of ``anyrank serve`` from Python, with typed results, in time and with retries."""

from __future__ import annotations

import base64
import binascii
import math
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from .core.errors import AnyrankError, InputError, reason
from .core.trace import Step, Usage
from .core.types import Ranking

if TYPE_CHECKING:
    from .backends.http import Patience
    from .vectors import Encoded

T = TypeVar("T")
P = ParamSpec("P")
TEXTS = 128
"""Texts of a request for vectors: the answer to more may be larger than is read."""
CONNECTIONS = 4
"""Requests of one call that are under way at once."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """Requests to one path, a POST for each body (a GET for None), and what their answers are read as."""

    path: str
    bodies: Sequence[Mapping[str, Any] | None]
    read: Callable[[list[Any]], T]
    retries: int | None = None


def _now(build: Callable[Concatenate[Client, P], Call[T]]) -> Callable[Concatenate[Client, P], T]:
    """The method that makes a call and waits for it."""

    @wraps(build)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        from .backends.http import ask_all

        call = build(self, *args, **kwargs)
        options = self._options(call)
        return call.read(ask_all(partial(_asked, self.url + call.path), call.bodies, **options) if call.bodies else [])

    return method


def _later(
    build: Callable[Concatenate[Client, P], Call[T]],
) -> Callable[Concatenate[Client, P], Coroutine[Any, Any, T]]:
    """The same as a coroutine on the caller's event loop; cancelling it ends the requests."""

    @wraps(build)
    async def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        from .backends.http import ask_all_here

        call = build(self, *args, **kwargs)
        options = self._options(call)
        one = partial(_asked, self.url + call.path)
        return call.read(await ask_all_here(one, call.bodies, **options) if call.bodies else [])

    return method


async def _asked(url: str, body: Mapping[str, Any] | None, server: Any) -> Any:
    """The answer to one request. Raises NoAnswer, whose text names the address."""
    from .backends.http import NoAnswer

    try:
        return await server.ask(url, body)
    except NoAnswer as error:
        details: dict[str, Any] = {"status": error.status, "message": error.message, "fields": error.fields}
        raise NoAnswer(f"{url}: {error}", **details, unreachable=error.unreachable) from None


@dataclass(frozen=True, slots=True)
class Client:
    """A server of ``anyrank serve`` at an address, with its key if it wants one.

    A try has ``timeout`` seconds, a whole call ``deadline``. A server that is busy or can't be reached is asked up to
    ``retries`` more times, with growing pauses, after its Retry-After if it states one. `arerank`, `asearch`, `aembed`,
    `amodels` and `ahealth` are the same for asynchronous programs. A client holds no connection between calls, so it
    may be shared by threads and processes.

    `rerank` raises where ``ar.rerank(…, model="http://host:8000")`` goes on and gives the documents in their order with
    the status "fallback"; the latter is one model among others, of a pipeline too, and speaks to servers of any maker.

    Every method raises `backends.http.NoAnswer`, an AnyrankError with the HTTP ``status`` and the server's ``message``,
    if there is no usable answer; InputError for an address or key that can't be one; MissingExtra without
    ``pip install 'anyrank[openai]'``.

    >>> Client("http://127.0.0.1:8000/", key="secret")
    Client(url='http://127.0.0.1:8000', timeout=60.0, retries=4, deadline=600.0)
    """

    url: str
    key: str = field(default="", repr=False)
    timeout: float = 60.0
    retries: int = 4
    deadline: float = 600.0

    def __post_init__(self) -> None:
        from .backends.addresses import checked_url

        object.__setattr__(self, "url", checked_url(self.url).rstrip("/"))  # frozen
        if not isinstance(self.key, str) or not self.key.isascii() or not self.key.isprintable() or " " in self.key:
            raise InputError("key: expected one line of visible ASCII characters")
        for name, least in {"timeout": 0.0, "deadline": 0.0, "retries": -1.0}.items():
            if not getattr(self, name) > least:
                raise InputError(f"{name}={getattr(self, name)!r}: expected a number above {least:g}")

    def _rerank(
        self,
        query: Any,
        documents: Any,
        model: str = "",
        top_n: int | None = None,
        *,
        seconds: float | None = None,
    ) -> Call[Ranking]:
        """Documents reranked by a pipeline of the server, its first one or the one that it calls ``model``.

        Query and documents are what `anyrank.rerank` takes, if they hold a text; each candidate has its ``index`` and
        ``original``. All documents come back, at most the best ``top_n``; those that the server gives no score come
        last, and a note counts them. Status, usage and notes are the server's. The server works for at most ``seconds``
        and answers as far as it came then.
        """
        from .core.content import text_of
        from .io.documents import ranking_of
        from .shortcuts import top_of

        top_n, ranking, start = top_of(top_n=top_n), ranking_of(query, documents), time.perf_counter()
        texts = [_text(c.content, f"document {c.id!r:.80}") for c in ranking]
        body = {"model": model or None, "query": text_of(ranking.query.content), "documents": texts, "timeout": seconds}
        sent = {name: value for name, value in body.items() if value is not None}

        def read(answers: list[Any]) -> Ranking:
            return _ranked(ranking, texts, answers[0], start)[:top_n] if answers else ranking

        return Call("/v1/rank", [sent] if texts else [], read)

    def _search(
        self, query: str, top_n: int = 10, filter: Mapping[str, Any] | None = None, *, seconds: float | None = None
    ) -> Call[Ranking]:
        """The best documents of the server's index, with their texts and fields; ``filter`` has fields and the values
        that they must have."""
        from .shortcuts import top_of

        body = {"query": query, "top_n": top_of(top_n=top_n), "filter": filter, "timeout": seconds}
        return Call("/search", [{name: value for name, value in body.items() if value is not None}], _found)

    def _embed(self, texts: Sequence[str], model: str = "", *, query: bool = False) -> Call[Encoded]:
        """Dense vectors of texts, in their order, and their cost; as queries if ``query``, else as documents."""
        if isinstance(texts, str):
            raise InputError("texts is one text: give a list of them")
        texts = list(texts)
        settings = {"encoding_format": "base64"}
        settings |= ({"model": model} if model else {}) | ({"input_type": "query"} if query else {})
        parts = [texts[i : i + TEXTS] for i in range(0, len(texts), TEXTS)]
        bodies = [{"input": part, **settings} for part in parts]
        return Call("/v1/embeddings", bodies, partial(_vectors, [len(part) for part in parts]))

    def _models(self) -> Call[list[str]]:
        """The names that the server knows pipelines and encoders by, the first pipeline first."""

        def read(answers: list[Any]) -> list[str]:
            rows = answers[0].get("data") if isinstance(answers[0], dict) else None
            return [str(row["id"]) for row in rows or () if isinstance(row, dict) and "id" in row]

        return Call("/v1/models", [None], read)

    def _ready(self) -> Call[bool]:
        return Call("/ready", [None], lambda answers: True, retries=0)

    rerank, arerank = _now(_rerank), _later(_rerank)
    search, asearch = _now(_search), _later(_search)
    embed, aembed = _now(_embed), _later(_embed)
    models, amodels = _now(_models), _later(_models)
    _is_ready, _ais_ready = _now(_ready), _later(_ready)

    def health(self) -> bool:
        """Whether the server can be reached and has its models open; asked once, without a key."""
        from .backends.http import NoAnswer

        try:
            return self._is_ready()
        except NoAnswer:
            return False

    async def ahealth(self) -> bool:
        """The same for asynchronous programs."""
        from .backends.http import NoAnswer

        try:
            return await self._ais_ready()
        except NoAnswer:
            return False

    def _options(self, call: Call[Any]) -> dict[str, Any]:
        """The arguments of `ask_all` beside the requests."""
        from .backends.http import Patience

        retries = self.retries if call.retries is None else call.retries
        patience: Patience = Patience(self.timeout, retries)
        return {"key": self.key, "patience": patience, "seconds": self.deadline, "concurrency": CONNECTIONS}


def _text(content: Any, owner: str) -> str:
    """The text of a document, which may be empty. Raises InputError on one that is an image alone."""
    from .core.content import is_blank, required_text

    return "" if is_blank(content) else required_text(content, owner)


def _ranked(ranking: Ranking, texts: list[str], answer: Any, start: float) -> Ranking:
    """A ranking with the scores and the report of an answer of ``/v1/rank``."""
    from .backends.http import NoAnswer
    from .backends.rerank_answers import Request, read_answer

    scores = read_answer(answer, Request("", texts, []), 0).values
    report = answer if isinstance(answer, dict) else {}
    usage, stated_notes = _usage(report.get("usage")), report.get("notes")
    notes = [str(note) for note in stated_notes] if isinstance(stated_notes, list) else []
    missing = sum(map(math.isnan, scores))
    if missing == len(scores):
        raise NoAnswer("an answer of /v1/rank without a score for any document")
    if missing:
        usage += Usage(repairs={"no score": missing})
        notes.append(f"the server gave {missing} of {len(scores)} documents no score: they come last")
    step = Step(str(report.get("model") or "server"), time.perf_counter() - start, usage, tuple(notes))
    stated = report.get("status")
    if stated == "fallback":
        step = replace(step, untouched=True)
    elif stated == "partial" and step.status != "partial":
        step = replace(step, usage=replace(usage, calls=max(usage.calls, 1), fallback=max(usage.fallback, 1)))
    return ranking.scored(scores).with_step(step)


def _usage(value: Any) -> Usage:
    """The counts that a server states; those that are none count nothing.

    >>> _usage({"calls": 2, "repairs": {"repeat": 1}, "tokens": "many"}) == Usage(calls=2, repairs={"repeat": 1})
    True
    """
    stated = value if isinstance(value, dict) else {}
    names = [f.name for f in fields(Usage) if f.name != "repairs"]
    counts = {name: stated[name] for name in names if _is_count(stated.get(name))}
    repairs = stated.get("repairs")
    kinds = {str(k): n for k, n in repairs.items() if _is_count(n)} if isinstance(repairs, dict) else {}
    return Usage(**counts, repairs=kinds)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _found(answers: list[Any]) -> Ranking:
    """The ranking in an answer of ``/search``. Raises NoAnswer if it holds none."""
    from .backends.http import NoAnswer
    from .io.candidates import ranking_from_dict

    try:
        return ranking_from_dict(answers[0])
    except (AnyrankError, TypeError, AttributeError) as error:
        raise NoAnswer(f"an answer of /search that is no ranking: {reason(error)}") from None


def _vectors(counts: Sequence[int], answers: list[Any]) -> Encoded:
    """The vectors in answers of ``/v1/embeddings``, of so many texts each. Raises NoAnswer if one of them is
    missing."""
    import numpy as np

    from .backends.http import NoAnswer
    from .vectors import Dense, Encoded

    rows: list[Any] = []
    usage = Usage()
    for count, answer in zip(counts, answers, strict=True):
        try:
            data = {row["index"]: row["embedding"] for row in answer["data"]}
            rows += [np.frombuffer(base64.b64decode(data[i], validate=True), dtype="<f4") for i in range(count)]
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise NoAnswer(f"an answer of /v1/embeddings without a vector for each text: {reason(error)}") from None
        report = answer.get("anyrank")
        usage = usage + _usage(report.get("usage") if isinstance(report, dict) else answer.get("usage"))
    if len({len(row) for row in rows}) > 1:
        raise NoAnswer("answers of /v1/embeddings whose vectors differ in length")
    return Encoded(Dense(np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32)), usage)
