"""Misbehaviours of a server with OpenAI's API, as a table: what it sends, and what a ranking may be after it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .server import Sent

FINE, MENDED = frozenset({"ok"}), frozenset({"ok", "repaired"})
NONE, ANY = frozenset({"fallback"}), frozenset({"ok", "repaired", "partial", "fallback"})

LABELS = ["A", "B", "C", "D", "1", "2", "3", "yes", "no", "Yes", "No", " A", " B", "Passage A"]


def reply(path: str, body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A good answer: the order of the labels, or log-probabilities of the likeliest next tokens."""
    chat = path == "chat/completions"
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    text = "[2] > [1] > [3]" if "[1]" in json.dumps(body) else "[B]"
    if "Passage A" in json.dumps(body):
        text = "Passage B"
    if "PASSAGE1" in json.dumps(body):
        text = "[PASSAGE2, PASSAGE1, PASSAGE3]"
    if body.get("logprobs"):
        tokens = [{"token": t, "logprob": -0.5 - i} for i, t in enumerate(LABELS)]
        text = "A"
        top = {t["token"]: t["logprob"] for t in tokens}
        choice["logprobs"] = {"content": [{**tokens[0], "top_logprobs": tokens}]} if chat else {"top_logprobs": [top]}
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    usage = {"prompt_tokens": 50, "completion_tokens": 5}
    return {"id": "1", "choices": [choice], "usage": usage, **fields}


def http(body: Any, status: str = "200 OK", headers: str = "Content-Type: application/json", length: int = -1) -> Sent:
    """A whole answer; a body that isn't bytes is written as JSON (with NaN and infinities)."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = len(data) if length < 0 else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close", *filter(None, [headers])]
    return ["\r\n".join([*lines, "", ""]).encode("latin-1") + data]


def chunked(body: bytes, ends: bool) -> Sent:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [head + b"%x\r\n%s\r\n" % (len(body), body) + (b"0\r\n\r\n" if ends else b"ffff\r\n{")]


Row = Callable[[str, dict[str, Any]], Sent]


def status(line: str, body: Any = b"no", headers: str = "Content-Type: text/plain") -> Row:
    return lambda path, request: http(body, line, headers)


def changed(change: Callable[[dict[str, Any]], Any]) -> Row:
    """A good answer after a change."""

    def row(path: str, request: dict[str, Any]) -> Sent:
        answer = reply(path, request)
        other = change(answer)
        return http(answer if other is None else other)

    return row


def choice(**fields: Any) -> Row:
    """A good answer whose choice has other fields."""
    return changed(lambda answer: answer["choices"][0].update(fields))


def usage(value: Any) -> Row:
    return changed(lambda answer: answer.update(usage=value))


def content(value: Any) -> Row:
    def change(answer: dict[str, Any]) -> None:
        first = answer["choices"][0]
        if "message" in first:
            first["message"]["content"] = value
        else:
            first["text"] = value

    return changed(change)


def logprob(value: Any) -> Row:
    """A good answer in which every log-probability is another value."""

    def change(answer: dict[str, Any]) -> None:
        logprobs = answer["choices"][0].get("logprobs")
        if logprobs and logprobs.get("content"):
            for token in logprobs["content"][0]["top_logprobs"]:
                token["logprob"] = value
        elif logprobs:
            logprobs["top_logprobs"] = [dict.fromkeys(logprobs["top_logprobs"][0], value)]

    return changed(change)


def raw(make: Callable[[bytes], Sent]) -> Row:
    """What becomes of the bytes of a good answer."""
    return lambda path, request: make(json.dumps(reply(path, request)).encode())


BOMB = gzip.compress(b" " * 200_000_000, 9)


@dataclass(frozen=True)
class Fault:
    """A row: what is sent, and the statuses that rankings may have after it. ``refused``: the model is refused as a
    whole, which is an error for the user and no ranking. ``hangs``: no answer comes in time, so it is given little."""

    send: Row
    statuses: frozenset[str] = NONE
    refused: bool = False
    hangs: bool = False


FAULTS: dict[str, Fault] = {
    # statuses
    "201 with an answer": Fault(raw(lambda data: http(data, "201 Created"))),
    "204": Fault(status("204 No Content", b"")),
    "301 to itself": Fault(status("301 Moved", b"", "Location: /301%20to%20itself/v1/chat/completions")),
    "302 elsewhere": Fault(status("302 Found", b"", "Location: http://192.0.2.1/")),
    "304": Fault(status("304 Not Modified", b"")),
    "307 loop": Fault(status("307 Temporary Redirect", b"", "Location: .")),
    "400": Fault(status("400 Bad Request", {"error": {"message": "prompt too long"}})),
    "400 with a word": Fault(status("400 Bad Request", {"error": "budget spent"})),
    "401": Fault(status("401 Unauthorized"), refused=True),
    "402": Fault(status("402 Payment Required")),
    "403": Fault(status("403 Forbidden"), refused=True),
    "404": Fault(status("404 Not Found"), refused=True),
    "405": Fault(status("405 Method Not Allowed")),
    "408": Fault(status("408 Request Timeout")),
    "413": Fault(status("413 Too Large")),
    "418": Fault(status("418 Teapot")),
    "422": Fault(status("422 Unprocessable", {"detail": [{"loc": ["body"], "msg": "x" * 100_000}]})),
    "429 for ever": Fault(status("429 Too Many", b"", "Retry-After: 100000000")),
    "429 with junk": Fault(status("429 Too Many", b"", "Retry-After: -1e999")),
    "500": Fault(status("500 Oops", b"<html>" + b"x" * 100_000)),
    "502": Fault(status("502 Bad Gateway")),
    "503": Fault(status("503 Unavailable", b"", "Retry-After: Wed, 99 Foo 2099")),
    "599": Fault(status("599 Odd")),
    "no status": Fault(lambda path, body: [b"hello\r\n\r\n"]),
    "a negative status": Fault(lambda path, body: [b"HTTP/1.1 -1 x\r\n\r\n"]),
    # connections
    "closes at once": Fault(lambda path, body: []),
    "hangs": Fault(lambda path, body: [30.0], hangs=True),
    "hangs in the body": Fault(raw(lambda data: [*http(data[:20], length=len(data)), 30.0]), hangs=True),
    "drips": Fault(
        raw(lambda data: [http(b"", length=len(data))[0], *[x for b in data for x in (bytes([b]), 0.05)]]), hangs=True
    ),
    "cut short": Fault(raw(lambda data: http(data[:-30], length=len(data)))),
    "chunked": Fault(raw(lambda data: chunked(data, True)), MENDED),
    "chunked and cut": Fault(raw(lambda data: chunked(data, False))),
    "endless headers": Fault(lambda path, body: [b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 3_000_000 + b"\r\n\r\n"]),
    # bodies
    "empty": Fault(status("200 OK", b"")),
    "null": Fault(status("200 OK", b"null")),
    "a list": Fault(status("200 OK", b"[]")),
    "a number": Fault(status("200 OK", b"7")),
    "broken JSON": Fault(status("200 OK", b'{"choices": [')),
    "deep JSON": Fault(status("200 OK", b"[" * 200_000)),
    "HTML": Fault(status("200 OK", b"<html>Sign in</html>", "Content-Type: text/html")),
    "another content type": Fault(raw(lambda data: http(data, headers="Content-Type: image/png")), MENDED),
    "no content type": Fault(raw(lambda data: http(data, headers="")), MENDED),
    "latin-1": Fault(lambda path, body: http('{"choices": "caf\u00e9"}'.encode("latin-1"))),
    "null bytes": Fault(raw(lambda data: http(b"\0" * 10 + data))),
    "UTF-16": Fault(raw(lambda data: http(data.decode().encode("utf-16"))), ANY),
    "a byte-order mark": Fault(raw(lambda data: http(b"\xef\xbb\xbf" + data)), ANY),
    "gzip unasked": Fault(raw(lambda data: http(gzip.compress(data), headers="Content-Encoding: gzip")), ANY),
    "a gzip bomb": Fault(status("200 OK", BOMB, "Content-Encoding: gzip")),
    "deflate": Fault(raw(lambda data: http(zlib.compress(data), headers="Content-Encoding: deflate")), ANY),
    "two megabytes": Fault(changed(lambda answer: answer.update(padding="x" * 2_000_000)), MENDED),
    # answers
    "an error with 200": Fault(status("200 OK", {"error": {"message": "overloaded"}})),
    "an error beside an answer": Fault(changed(lambda answer: answer.update(error="odd")), ANY),
    "no choices": Fault(changed(lambda answer: answer.update(choices=[]))),
    "choices null": Fault(changed(lambda answer: answer.update(choices=None))),
    "choices an object": Fault(changed(lambda answer: answer.update(choices={"0": 1}))),
    "choices of null": Fault(changed(lambda answer: answer.update(choices=[None]))),
    "many choices": Fault(changed(lambda answer: answer.update(choices=answer["choices"] * 300)), MENDED),
    "a message of null": Fault(choice(message=None, text=None), ANY),
    "content of null": Fault(content(None), ANY),
    "content a list": Fault(content([{"type": "text", "text": "[2]"}]), ANY),
    "content a number": Fault(content(7), ANY),
    "content of a hundred kilobytes": Fault(content("word " * 20_000), ANY),
    "content of controls": Fault(content("\0\x1b[2J\ud800"), ANY),
    "a strange reason": Fault(choice(finish_reason={"a": 1}), MENDED),
    "withheld": Fault(choice(finish_reason="content_filter"), ANY),
    "log-probabilities of text": Fault(logprob("high"), ANY),
    "log-probabilities not numbers": Fault(logprob(float("nan")), ANY),
    "log-probabilities infinite": Fault(logprob(float("inf")), ANY),
    "log-probabilities beyond floats": Fault(logprob(10**400), ANY),
    "log-probabilities absent": Fault(choice(logprobs=None), ANY),
    "log-probabilities of another kind": Fault(choice(logprobs={"content": [{"top_logprobs": 7}]}), ANY),
    # counts
    "usage null": Fault(usage(None), MENDED),
    "usage a text": Fault(usage("many"), MENDED),
    "usage below nothing": Fault(usage({"prompt_tokens": -1_000_000, "completion_tokens": -5}), MENDED),
    "usage beyond all": Fault(usage({"prompt_tokens": 10**30, "completion_tokens": 10**30}), MENDED),
    "usage not a number": Fault(usage({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}), MENDED),
    "usage of other kinds": Fault(usage({"prompt_tokens": "7", "completion_tokens": [1]}), MENDED),
}
