"""A local server with the API of OpenAI's completions, with answers or faults of the test's choice."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer byte by byte: the body is sent in ``pieces`` with ``pause`` seconds before each; ``length`` is the
    Content-Length that is claimed (the body's own by default)."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    length: int | None = None
    pieces: int = 1
    pause: float = 0.0


Answer = Callable[[str, dict[str, Any], Mapping[str, str]], "dict[str, Any] | Raw"]
"""(path, request body, headers) -> the JSON to answer, or something raw."""


@contextlib.contextmanager
def wire(answer: Answer) -> Iterator[str]:
    """The base URL of a server on 127.0.0.1 that lives as long as the block."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = answer(self.path.removeprefix("/v1"), body, dict(self.headers.items()))
            raw = reply if isinstance(reply, Raw) else Raw(body=json.dumps(reply).encode())
            with contextlib.suppress(OSError):
                self.send_response(raw.status)
                for name, value in raw.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw.body) if raw.length is None else raw.length))
                self.end_headers()
                step = -(-len(raw.body) // raw.pieces) or 1
                for start in range(0, len(raw.body), step):
                    if raw.pause and closing.wait(raw.pause):
                        return
                    self.wfile.write(raw.body[start : start + step])
                    self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def model_answers(backend: Any, tokenize: Callable[[str], list[int]], piece: Callable[[int], str]) -> Answer:
    """Answers of the hf backend's decoder: completions, chat, top log-probabilities and echo in the usual wire format.
    ``tokenize`` gives a rendered text's ids, ``piece`` the text of one."""

    def logprobs(ids: list[int], keep: int) -> Any:
        rows: list[Any] = []
        backend.engine.score([ids], [keep], lambda _, values: rows.append(values))
        return rows[0]

    def answer(path: str, body: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
        chat = path == "/chat/completions"
        text = _rendered(backend, body["messages"]) if chat else body["prompt"]
        ids = tokenize(text)
        choice: dict[str, Any] = {"index": 0, "finish_reason": "length"}
        new = ""
        count = 1
        if body.get("echo"):
            values = logprobs(ids[:-1], len(ids) - 1)
            starts = [len("".join(map(piece, ids[:i]))) for i in range(len(ids))]
            own = [None, *(float(values[i, t]) for i, t in enumerate(ids[1:]))]
            choice["logprobs"] = {"tokens": [*map(piece, ids)], "token_logprobs": own, "text_offset": starts}
            new = text
        elif body.get("logprobs"):
            values = logprobs(ids, 1)[-1]
            best = values.topk(min(body["top_logprobs"] if chat else body["logprobs"], len(values)))
            top = [(piece(int(t)), float(v)) for v, t in zip(best.values, best.indices)]
            new = top[0][0]
            listed = [{"token": t, "logprob": v} for t, v in top]
            whole = {"content": [{**listed[0], "top_logprobs": listed}]}
            choice["logprobs"] = whole if chat else {"top_logprobs": [dict(reversed(top))]}
        else:
            (completion,) = backend.generate([text], max_tokens=body["max_tokens"], stop=body.get("stop", ()))
            new, count = completion.text, completion.usage.completion_tokens
            choice["finish_reason"] = completion.finish
        choice |= {"message": {"role": "assistant", "content": new}} if chat else {"text": new}
        usage = {"prompt_tokens": len(ids), "completion_tokens": count, "total_tokens": len(ids) + count}
        return {"id": "1", "created": int(time.time()), "model": body["model"], "choices": [choice], "usage": usage}

    return answer


def _rendered(backend: Any, messages: list[dict[str, str]]) -> str:
    from ..core.language import Turn

    return str(backend.render(tuple(Turn(m["role"], m["content"]) for m in messages)))  # type: ignore[arg-type]
