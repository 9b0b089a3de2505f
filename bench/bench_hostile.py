"""Memory of a process that asks many hostile servers: answers of 60 MB, of many small values, endless errors, each to
eight requests at once. The servers are a process of their own.

    python bench/bench_hostile.py
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import resource
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from anyrank.backends.openai import OpenAI, Patience

SERVERS = 57
BODIES = [
    b'{"choices": [{"text": "' + b"x" * 60_000_000 + b'"}]}',
    b'{"choices": [' + b"[]," * 15_000_000 + b"[]]}",
    b"x" * 60_000_000,
]


class Hostile(BaseHTTPRequestHandler):
    """The path's number chooses the body; the third one is an error."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        kind = int(self.path.split("/")[1]) % len(BODIES)
        self.send_response(400 if kind == 2 else 200)
        self.send_header("Content-Length", str(len(BODIES[kind])))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(BODIES[kind])

    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve(port: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    server.daemon_threads = True
    port.send(server.server_port)
    server.serve_forever()


def main() -> None:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    process.start()
    port, answers, start = here.recv(), [], time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(SERVERS):
        model = OpenAI("m", f"http://127.0.0.1:{port}/{i}/v1", patience=Patience(20.0, 0, 0.01))
        answers += model.generate(["x" * 100] * 8, max_tokens=20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    failed = sum(a.finish == "error" for a in answers)
    print(
        json.dumps(
            {
                "servers": SERVERS,
                "requests": len(answers),
                "errors": failed,
                "MB before": before // 1024,
                "MB at most": peak // 1024,
                "seconds": round(time.perf_counter() - start, 1),
            }
        )
    )
    process.terminate()


if __name__ == "__main__":
    main()
