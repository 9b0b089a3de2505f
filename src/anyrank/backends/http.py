"""JSON requests over HTTP with bounded time: retries with growing pauses, a timeout for each try and for a whole
call."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import random
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.errors import AnyrankError, MissingExtra

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger(__name__)

TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
LARGEST = 4 << 20  # the most bytes of an answer, beside those that it may repeat of the request
LARGEST_ERROR = 64 << 10  # the bytes of an error's text that are read
UNDER_WAY = 64 << 20  # the most bytes of all answers that this process reads at once
NESTED = 100_000  # the most objects and lists in an answer: each takes far more memory than its text
LONGEST = 30.0  # the most seconds of a pause, unless the server asks for more


class NoAnswer(AnyrankError):
    """A request that got no usable answer within its tries and time.

    ``status``, ``message`` and ``fields`` are of the last HTTP error, if there was one: its code, its text, and the
    request's fields that it names apart from its text (OpenAI's ``param``, FastAPI's ``loc``). ``unreachable``: the
    last try got no connection, or no answer in time. ``refused``: how often the same was asked in another form before.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int = 0,
        message: str = "",
        fields: Sequence[str] = (),
        unreachable: bool = False,
        refused: int = 0,
    ) -> None:
        super().__init__(text)
        self.status, self.message, self.fields, self.unreachable = status, message, tuple(fields), unreachable
        self.refused = refused


class _UnderWay:
    """Counts the bytes of all answers that are being read and parsed in this process, by any number of threads."""

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Raises ValueError, counting nothing, if they would be too many."""
        with self._lock:
            if self.bytes + count > UNDER_WAY:
                raise ValueError(f"the answers being read at once would take more than {UNDER_WAY} bytes")
            self.bytes += count

    def remove(self, count: int) -> None:
        with self._lock:
            self.bytes -= count


_under_way = _UnderWay()


@dataclass(frozen=True, slots=True)
class Patience:
    """``timeout`` seconds a try, ``retries`` tries after the first, ``pause`` seconds before the second try, doubled
    before each further one, less up to half by chance; a server's Retry-After is honoured if it is longer."""

    timeout: float = 60.0
    retries: int = 4
    pause: float = 0.5


@dataclass(frozen=True, slots=True)
class Server:
    """The connections of one call, kept open between its requests, and the call's ``deadline`` by time.monotonic().

    ``key`` is sent to the server and left out of every text.
    """

    client: httpx2.AsyncClient = field(repr=False)
    key: str = field(repr=False)
    patience: Patience
    deadline: float

    async def ask(self, url: str, body: Mapping[str, Any] | None) -> Any:
        """The JSON value that the server answers to a POST of ``body``, or to a GET if that is None: an object or a
        list. Raises NoAnswer, whose text names the last try's error."""
        import httpx2

        data = None if body is None else json.dumps(body).encode()
        last, tries = "", self.patience.retries + 1
        refusal: dict[str, Any] = {}  # of the last try: its HTTP error, or that it reached nothing
        for attempt in range(tries):
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise NoAnswer(f"the deadline passed{f'; the last error: {last}' if last else ''}", **refusal)
            seconds, wait = min(self.patience.timeout, left), 0.0
            try:
                async with asyncio.timeout(seconds):
                    status, headers, answer = await self._once(url, data)
                if status == 200:
                    return answer
                message, fields = self._error(answer)
                last = f"HTTP {status}: {message[:200]}"
                refusal = {"status": status, "message": message, "fields": fields}
                if status not in TRY_AGAIN:
                    raise NoAnswer(last, **refusal)
                wait = _retry_after(headers.get("Retry-After", ""))
            except TimeoutError:
                last, refusal = f"TimeoutError: no whole answer within {seconds:.1f} s", {"unreachable": True}
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
                cause = _system_error(error)
                refusal = {"unreachable": isinstance(cause, OSError)}
                kind = "" if type(cause) is ValueError else f"{type(cause).__name__}: "  # our own say what is wrong
                last = self._hidden(f"{kind}{cause}")[:300]
            log.debug("%s: try %d of %d met %s", url, attempt + 1, tries, last)
            if attempt + 1 < tries:
                pause = min(self.patience.pause * 2**attempt, LONGEST) * random.uniform(0.5, 1.0)
                wait = max(wait, pause)
                if time.monotonic() + wait >= self.deadline:
                    raise NoAnswer(
                        f"no time left to wait {wait:.1f} s for another try; the last error: {last}", **refusal
                    )
                await asyncio.sleep(wait)
        raise NoAnswer(f"{tries} tries failed; the last error: {last}", **refusal)

    async def _once(self, url: str, data: bytes | None) -> tuple[int, Mapping[str, str], Any]:
        """One request: status, headers, and the parsed answer, or the bytes of an error. It is read in parts, so that
        an endless answer stops at its bound, and one of the others at the bound of all together."""
        answer, counted = bytearray(), 0
        try:
            async with self.client.stream("GET" if data is None else "POST", url, content=data) as response:
                most = LARGEST + 2 * len(data or b"") if response.status_code == 200 else LARGEST_ERROR
                async for part in response.aiter_raw():
                    _under_way.add(len(part))
                    counted += len(part)
                    answer += part
                    if len(answer) > most:
                        if response.status_code == 200:
                            raise ValueError(f"an answer of more than {most} bytes")
                        break
            if response.status_code != 200:
                return response.status_code, response.headers, bytes(answer[:most])
            content_type = response.headers.get("Content-Type", "no type")
            return 200, response.headers, self._value(self._without_key(bytes(answer)), content_type)
        finally:
            _under_way.remove(counted)

    def _value(self, answer: bytes, content_type: str) -> Any:
        try:
            if answer.count(b"[") + answer.count(b"{") > NESTED:
                raise RecursionError
            value = json.loads(answer)
        except (ValueError, RecursionError):
            start = self._hidden(answer[:1000].decode(errors="replace"))[:80]
            raise ValueError(f"not JSON ({content_type}): {start!r}") from None
        if b"\\ud" in answer or b"\\uD" in answer:  # half a surrogate pair alone can't be written anywhere
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        if self.key and b"\\" in answer:  # the key may be written in escapes
            value = json.loads(json.dumps(value).replace(json.dumps(self.key)[1:-1], "***"))
        if not isinstance(value, dict | list):
            raise ValueError(f"a JSON {type(value).__name__} instead of an object")
        if isinstance(value, dict) and value.get("error") and not any(value.get(name) for name in _ANSWERS):
            raise ValueError(f"an error instead of an answer: {self._error(answer)[0][:200]}")
        return value

    def _error(self, answer: bytes) -> tuple[str, list[str]]:
        """An error's text, on one line and without the key, and the request's fields that it names apart from it."""
        fields: list[str] = []
        try:
            error = json.loads(answer)
            error = error.get("error", error) if isinstance(error, dict) else error
            text = error
            if isinstance(error, dict):
                text = next((error[name] for name in ("message", "detail", "msg") if error.get(name)), error)
                fields += [error["param"]] if isinstance(error.get("param"), str) else []
            items = text if isinstance(text, list) else [text]
            fields += [str(f) for item in items if isinstance(item, dict) for f in _location(item.get("loc"))]
            if isinstance(text, list) and all(isinstance(item, dict) and item.get("msg") for item in items):
                text = "; ".join(f"{'.'.join(map(str, _location(i.get('loc'))))}: {i['msg']}" for i in items)
        except (ValueError, RecursionError):
            text = answer.decode(errors="replace")
        return " ".join(self._hidden(str(text)[:20_000]).split())[:4000], [f[:100] for f in fields[:20]]

    def _without_key(self, answer: bytes) -> bytes:
        """An answer in which the server doesn't repeat the key, so that no cache or trace holds it."""
        return answer.replace(self.key.encode(), b"***") if self.key else answer

    def _hidden(self, text: str) -> str:
        return text.replace(self.key, "***") if self.key else text


_ANSWERS = {"choices", "results", "data", "scores", "output"}
"""Fields of an answer; one in which they hold something is none of an error, whatever its field ``error`` holds."""


def _location(loc: Any) -> list[str]:
    """FastAPI's location of a wrong field, without the word that says where the request holds it."""
    return [str(part) for part in loc if part not in ("body", "query")] if isinstance(loc, list | tuple) else []


def ask_all(
    one: Callable[[T, Server], Awaitable[R]],
    items: Sequence[T],
    *,
    key: str,
    patience: Patience,
    seconds: float,
    concurrency: int,
    key_header: str = "Authorization",
    headers: Mapping[str, str] | None = None,
) -> list[R]:
    """``one(item, server)`` of all items in their order, at most ``concurrency`` at once, each on its own connection.

    ``key_header`` is the header that carries the key. The requests run on an event loop in a thread of its own, so
    that this may be called while a loop is running (in a notebook). An error of one item, or an interrupt, ends all
    others at once.
    """
    try:
        from anyio.from_thread import start_blocking_portal
    except ImportError as error:
        raise MissingExtra("httpx2", extra="openai") from error

    async def run() -> list[R]:
        return await ask_all_here(
            one,
            items,
            key=key,
            patience=patience,
            seconds=seconds,
            concurrency=concurrency,
            key_header=key_header,
            headers=headers,
        )

    with start_blocking_portal() as portal:
        return portal.call(run)


async def ask_all_here(
    one: Callable[[T, Server], Awaitable[R]],
    items: Sequence[T],
    *,
    key: str,
    patience: Patience,
    seconds: float,
    concurrency: int,
    key_header: str = "Authorization",
    headers: Mapping[str, str] | None = None,
) -> list[R]:
    """The same as `ask_all` on the event loop that is running, for asynchronous programs: if the caller is cancelled,
    so are the requests."""
    try:
        import httpx2
    except ImportError as error:
        raise MissingExtra("httpx2", extra="openai") from error

    sent = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "anyrank"}
    sent |= headers or {}
    if key:
        sent[key_header] = f"Bearer {key}" if key_header == "Authorization" else key
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    free = asyncio.Semaphore(concurrency)

    async def in_turn(item: T) -> R:
        async with free:
            return await one(item, server)

    async with httpx2.AsyncClient(
        headers=sent, limits=limits, timeout=None, verify=_certificates(), trust_env=False
    ) as client:
        server = Server(client, key, patience, time.monotonic() + seconds)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(in_turn(item)) for item in items]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The system's certificates, read once: it takes longer than a request."""
    return ssl.create_default_context()


def _system_error(error: BaseException) -> BaseException:
    """The system's error under the library's own, as "connection refused" under "all connection attempts failed"."""
    innermost, inner = error, error.__cause__ or error.__context__
    while inner is not None:
        innermost = inner if isinstance(inner, OSError) else innermost
        inner = inner.__cause__ or inner.__context__
    return innermost


def _retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks for: a number or a date; 0 for none.

    >>> _retry_after("2.5"), _retry_after("soon"), _retry_after("Wed, 21 Oct 2015 07:28:00 GMT")
    (2.5, 0.0, 0.0)
    """
    with contextlib.suppress(ValueError):
        seconds = float(value)
        return seconds if 0 <= seconds < float("inf") else 0.0
    with contextlib.suppress(ValueError, TypeError):
        when = parsedate_to_datetime(value)
        return max((when - datetime.now(UTC)).total_seconds(), 0.0)
    return 0.0
