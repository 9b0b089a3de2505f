"""A server on 127.0.0.1 that misbehaves by a table: the first part of a request's path names the row."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

Sent = list[bytes | float]
"""What the server sends, byte by byte; a number is a pause in seconds. Then it closes the connection."""


@dataclass
class Hostile:
    """The running server: its port, and the number of requests of each row."""

    port: int
    requests: Counter[str] = field(default_factory=Counter)
    closing: threading.Event = field(default_factory=threading.Event)

    def url(self, row: str) -> str:
        return f"http://127.0.0.1:{self.port}/{row.replace(' ', '%20')}/v1"


@contextlib.contextmanager
def hostile(rows: dict[str, Callable[[str, dict[str, Any]], Sent]]) -> Iterator[Hostile]:
    """The server of a table, as long as the block. A row is called with the request's path and body."""
    lock = threading.Lock()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                path = unquote(self.rfile.readline().split()[1].decode())
                length = 0
                while (line := self.rfile.readline().strip()) != b"":
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                body = json.loads(self.rfile.read(length) or b"{}")
                row, _, rest = path.strip("/").partition("/")
                with lock:
                    server.requests[row] += 1
                for piece in rows[row](rest.removeprefix("v1/"), body):
                    if isinstance(piece, bytes):
                        self.wfile.write(piece)
                        self.wfile.flush()
                    elif server.closing.wait(piece):
                        return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as tcp:
        server = Hostile(tcp.server_address[1])
        thread = threading.Thread(target=tcp.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            tcp.shutdown()
            thread.join()
