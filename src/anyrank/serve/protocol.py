"""uvicorn's HTTP protocol with bounds on what a slow client may hold: uvicorn itself bounds idle connections alone."""

from __future__ import annotations

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 15.0
"""Seconds in which the headers of a request have to arrive, and in which a client has to read some of an answer."""
RESERVED = 128
"""Open files that are left for indexes, models and logs."""


class BoundedProtocol(H11Protocol):
    """Closes a connection whose next request's headers don't arrive whole within ``seconds`` (of connecting, or of
    their first byte on a connection that was idle), and one whose client doesn't read its answer for as long. The
    application bounds the body. Beyond ``most`` connections new ones are closed at once."""

    seconds = SECONDS
    most = 0
    """0: as many as the process may open files, less those reserved."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._headers_due: asyncio.TimerHandle | None = None
        self._read_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > (self.most or _open_files() - RESERVED):
            transport.abort()
        else:
            self._headers_due = self.loop.call_later(self.seconds, self._give_up)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._headers_due = _stopped(self._headers_due)
        elif self._headers_due is None:  # the beginning of another request, or what follows a refused one
            self._headers_due = self.loop.call_later(self.seconds, self._give_up)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read_due = _stopped(self._read_due)

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_due, self._read_due = _stopped(self._headers_due), _stopped(self._read_due)
        super().connection_lost(exc)

    def _wait_for_reading(self) -> None:
        """Comes again as long as the client takes some of the answer."""
        unread = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() < unread:
                self._wait_for_reading()
            else:
                self._give_up()

        self._read_due = self.loop.call_later(self.seconds, check)

    def _give_up(self) -> None:
        self.transport.abort()


def _stopped(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """None, in place of a timer that is stopped."""
    if timer is not None:
        timer.cancel()
    return None


def _open_files() -> int:
    """The files that this process may open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
