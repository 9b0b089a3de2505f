"""One JSON request over HTTP that always ends: bounded tries, growing pauses, a time for each try and for all."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import random
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import AnyrankError

log = logging.getLogger(__name__)

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
LARGEST = 64 << 20  # bytes of an answer
LONGEST = 30.0  # seconds of a pause that the server didn't ask for


class NoAnswer(AnyrankError):
    """A request that got no usable answer within its tries and time."""


@dataclass(frozen=True, slots=True)
class Patience:
    """``timeout`` seconds a try, ``retries`` tries after the first, ``pause`` seconds before the second try, doubled
    before each further one, less up to half by chance; a server's Retry-After is honoured where it is longer."""

    timeout: float = 60.0
    retries: int = 4
    pause: float = 0.5


class Line:
    """The connections of one call, with its deadline ``end`` by time.monotonic(). Once it is cut, its requests end at
    once and no further one begins. Safe between threads."""

    def __init__(self, end: float) -> None:
        self.end = end
        self._cut, self._lock = threading.Event(), threading.Lock()
        self._open: set[socket.socket] = set()

    def cut(self) -> None:
        with self._lock:
            self._cut.set()
            for sock in self._open:
                _shut(sock)

    def wait(self, seconds: float) -> None:
        """Raises NoAnswer where the line is, or gets, cut."""
        if self._cut.wait(seconds):
            raise NoAnswer("stopped")

    @contextlib.contextmanager
    def holding(self, sock: socket.socket) -> Iterator[None]:
        """The socket of a request under way."""
        with self._lock:
            self._open.add(sock)
        try:
            self.wait(0.0)
            yield
        finally:
            with self._lock:
                self._open.discard(sock)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def ask(url: str, body: Mapping[str, Any], key: str, patience: Patience, line: Line) -> dict[str, Any]:
    """The JSON object that the server answers. ``key`` is shown to the server and left out of every text.

    Raises NoAnswer, which says what the last try met.
    """
    data, met = json.dumps(body).encode(), ""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    for attempt in range(patience.retries + 1):
        line.wait(0.0)
        left = line.end - time.monotonic()
        if left <= 0:
            raise NoAnswer(f"the deadline passed{f'; the last try met: {met}' if met else ''}")
        wait = 0.0
        try:
            status, got, answer = _once(url, data, headers, min(patience.timeout, left), line)
            if status == 200:
                return _object(answer, got)
            met = _hidden(f"HTTP {status}: {_message(answer)}", key)
            if status not in AGAIN:
                raise NoAnswer(met)
            wait = _after({k.lower(): v for k, v in got.items()}.get("retry-after", ""))
        except (OSError, http.client.HTTPException, ValueError) as error:
            met = _hidden(f"{type(error).__name__}: {error}", key)[:300]
        log.debug("%s: try %d of %d met %s", url, attempt + 1, patience.retries + 1, met)
        if attempt < patience.retries:
            own = min(patience.pause * 2**attempt, LONGEST) * random.uniform(0.5, 1.0)
            wait = max(wait, own)
            if time.monotonic() + wait >= line.end:
                raise NoAnswer(f"no time left to wait {wait:.1f} s for another try; the last met: {met}")
            line.wait(wait)
    raise NoAnswer(f"{patience.retries + 1} tries failed; the last met: {met}")


def _hidden(text: str, key: str) -> str:
    return text.replace(key, "***") if key else text


def _once(
    url: str, data: bytes, headers: Mapping[str, str], seconds: float, line: Line
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body. A timer cuts the connection after ``seconds``, however slowly bytes drip in."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=seconds)
    cut = threading.Event()

    def stop(sock: socket.socket) -> None:
        cut.set()
        _shut(sock)

    start = time.monotonic()
    try:
        connection.connect()
        timer = threading.Timer(max(seconds - (time.monotonic() - start), 0.0), stop, [connection.sock])
        timer.daemon = True
        timer.start()
        try:
            path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            with line.holding(connection.sock):
                connection.request("POST", path, data, dict(headers))
                answer = connection.getresponse()
                body = _read(answer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if cut.is_set() or isinstance(error, TimeoutError):
                raise TimeoutError(f"no whole answer within {seconds:.1f} s") from None
            raise
        finally:
            timer.cancel()
        if cut.is_set():
            raise TimeoutError(f"no whole answer within {seconds:.1f} s")
        return answer.status, dict(answer.headers.items()), body
    finally:
        connection.close()


def _read(answer: http.client.HTTPResponse) -> bytes:
    body = bytearray()
    while part := answer.read(1 << 16):
        body += part
        if len(body) > LARGEST:
            raise ValueError(f"an answer of more than {LARGEST} bytes")
    if answer.length:
        raise ValueError(f"the answer ended {answer.length} bytes early")
    return bytes(body)


def _object(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError(f"not JSON ({headers.get('Content-Type', 'no type')}): {body[:80]!r}") from None
    if not isinstance(found, dict):
        raise ValueError(f"a JSON {type(found).__name__} where an object belongs")
    if "error" in found and "choices" not in found:
        raise ValueError(f"an error in place of an answer: {_message(body)}")
    return found


def _message(body: bytes) -> str:
    try:
        error = json.loads(body)
        error = error.get("error", error) if isinstance(error, dict) else error
        text = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, RecursionError):
        text = body.decode(errors="replace")
    return " ".join(str(text).split())[:200]


def _after(value: str) -> float:
    """Seconds that a Retry-After header asks for: a number or a date; 0 for none.

    >>> _after("2.5"), _after("soon"), _after("Wed, 21 Oct 2015 07:28:00 GMT")
    (2.5, 0.0, 0.0)
    """
    with contextlib.suppress(ValueError):
        seconds = float(value)
        return seconds if 0 <= seconds < float("inf") else 0.0
    with contextlib.suppress(ValueError, TypeError):
        when = parsedate_to_datetime(value)
        return max((when - datetime.now(UTC)).total_seconds(), 0.0)
    return 0.0
