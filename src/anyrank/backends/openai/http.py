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
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from ...core.errors import AnyrankError, MissingExtra

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger(__name__)

TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
LARGEST = 64 << 20  # the most bytes of an answer
LONGEST = 30.0  # the most seconds of a pause, unless the server asks for more


class NoAnswer(AnyrankError):
    """A request that got no usable answer within its tries and time. ``unreachable``: the last try got no connection,
    or no answer in time."""

    def __init__(self, message: str, unreachable: bool = False) -> None:
        super().__init__(message)
        self.unreachable = unreachable


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

    async def ask(self, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that the server answers. Raises NoAnswer, whose text names the last try's error."""
        import httpx2

        data, last, tries = json.dumps(body).encode(), "", self.patience.retries + 1
        unreachable = False
        for attempt in range(tries):
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise NoAnswer(f"the deadline passed{f'; the last error: {last}' if last else ''}", unreachable)
            seconds, wait = min(self.patience.timeout, left), 0.0
            try:
                async with asyncio.timeout(seconds):
                    response, answer = await self._once(url, data)
                if response.status_code == 200:
                    return self._object(self._without_key(answer), response.headers.get("Content-Type", "no type"))
                last, unreachable = f"HTTP {response.status_code}: {self._message(answer)}", False
                if response.status_code not in TRY_AGAIN:
                    raise NoAnswer(last)
                wait = _retry_after(response.headers.get("Retry-After", ""))
            except TimeoutError:
                last, unreachable = f"TimeoutError: no whole answer within {seconds:.1f} s", True
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
                cause = _system_error(error)
                unreachable = isinstance(cause, OSError)
                last = self._hidden(f"{type(cause).__name__}: {cause}")[:300]
            log.debug("%s: try %d of %d met %s", url, attempt + 1, tries, last)
            if attempt + 1 < tries:
                pause = min(self.patience.pause * 2**attempt, LONGEST) * random.uniform(0.5, 1.0)
                wait = max(wait, pause)
                if time.monotonic() + wait >= self.deadline:
                    raise NoAnswer(
                        f"no time left to wait {wait:.1f} s for another try; the last error: {last}", unreachable
                    )
                await asyncio.sleep(wait)
        raise NoAnswer(f"{tries} tries failed; the last error: {last}", unreachable)

    async def _once(self, url: str, data: bytes) -> tuple[httpx2.Response, bytes]:
        """One request. The answer is read in parts, so that an endless one stops at `LARGEST` bytes."""
        answer = bytearray()
        async with self.client.stream("POST", url, content=data) as response:
            async for part in response.aiter_raw():
                answer += part
                if len(answer) > LARGEST:
                    raise ValueError(f"an answer of more than {LARGEST} bytes")
        return response, bytes(answer)

    def _object(self, answer: bytes, content_type: str) -> dict[str, Any]:
        try:
            value = json.loads(answer)
        except (ValueError, RecursionError):
            start = self._hidden(answer[:1000].decode(errors="replace"))[:80]
            raise ValueError(f"not JSON ({content_type}): {start!r}") from None
        if not isinstance(value, dict):
            raise ValueError(f"a JSON {type(value).__name__} instead of an object")
        if "error" in value and "choices" not in value:
            raise ValueError(f"an error instead of an answer: {self._message(answer)}")
        return value

    def _message(self, answer: bytes) -> str:
        try:
            error = json.loads(answer)
            error = error.get("error", error) if isinstance(error, dict) else error
            text = error.get("message", error) if isinstance(error, dict) else error
        except (ValueError, RecursionError):
            text = answer.decode(errors="replace")
        return " ".join(self._hidden(str(text)).split())[:200]

    def _without_key(self, answer: bytes) -> bytes:
        """An answer in which the server doesn't repeat the key, so that no cache or trace holds it."""
        return answer.replace(self.key.encode(), b"***") if self.key else answer

    def _hidden(self, text: str) -> str:
        return text.replace(self.key, "***") if self.key else text


def ask_all(
    one: Callable[[T, Server], Awaitable[R]],
    items: Sequence[T],
    *,
    key: str,
    patience: Patience,
    seconds: float,
    concurrency: int,
) -> list[R]:
    """``one(item, server)`` of all items in their order, at most ``concurrency`` at once, each on its own connection.

    The requests run on an event loop in a thread of its own, so that this may be called while a loop is running
    (in a notebook). An error of one item, or an interrupt, ends all others at once.
    """
    try:
        import httpx2
        from anyio.from_thread import start_blocking_portal
    except ImportError as error:
        raise MissingExtra("httpx2", extra="openai") from error

    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "anyrank"}
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)

    async def run() -> list[R]:
        free = asyncio.Semaphore(concurrency)

        async def in_turn(item: T) -> R:
            async with free:
                return await one(item, server)

        async with httpx2.AsyncClient(
            headers=headers, limits=limits, timeout=None, verify=_certificates(), trust_env=False
        ) as client:
            server = Server(client, key, patience, time.monotonic() + seconds)
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(in_turn(item)) for item in items]
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None
            return [task.result() for task in tasks]

    with start_blocking_portal() as portal:
        return portal.call(run)


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
