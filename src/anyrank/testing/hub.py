"""A fake model hub on the loopback interface, for tests of downloads and their failures.

It answers the requests of the hub's client: repository information, the listing of files, HEAD with ETag and commit,
GET with ranges. It can hide a repository, break downloads off, and it records the requests.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Headers = Sequence[tuple[str, str]]


@dataclass
class FakeHub:
    """Repositories in memory.

    ``private`` repositories are shown only to a bearer of ``token``; ``gated`` ones list their files, but give none
    without it. The next ``cuts[file]`` answers with that file's content end in the middle; ``gone`` files are listed
    but missing; ``down`` closes every connection without an answer. ``requests`` are (method, path) pairs, and
    ``endpoint`` is the address, once it runs.

    >>> hub = FakeHub()
    >>> hub.add("owner/model", {"config.json": {"architectures": ["BertModel"]}})
    >>> with serve_hub(hub):
    ...     hub.endpoint.startswith("http://127.0.0.1:")
    True
    """

    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)
    token: str = "hf_right"
    cuts: dict[str, int] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    down: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)
    endpoint: str = ""

    def add(self, repository: str, files: Mapping[str, Any], revision: str = "main") -> None:
        """Put a repository's files at a revision; contents that aren't bytes are written as JSON."""
        self.repositories.setdefault(repository, {})[revision] = {
            name: data if isinstance(data, bytes) else json.dumps(data).encode() for name, data in files.items()
        }

    def commit(self, repository: str, revision: str) -> str:
        """The commit of a revision."""
        return hashlib.sha1(f"{repository}@{revision}".encode()).hexdigest()

    def state(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit and the files of a revision, given by name or commit; None if there is none."""
        for name, files in self.repositories.get(repository, {}).items():
            commit = self.commit(repository, name)
            if revision in (name, commit):
                return commit, files
        return None

    def downloaded(self) -> list[str]:
        """The files whose content was requested."""
        gets = [path for method, path in self.requests if method == "GET" and "/resolve/" in path]
        return sorted({path.partition("/resolve/")[2].partition("/")[2] for path in gets})


@contextmanager
def serve_hub(hub: FakeHub) -> Iterator[FakeHub]:
    """A block in which the hub answers at ``hub.endpoint``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request. It is HTTP/1.0, so that no connection outlives its answer and a stopped hub is gone."""

    hub: FakeHub

    def log_message(self, *args: Any) -> None:
        """Print nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path))
        if hub.down:
            return
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            repository, rest = "/".join(parts[2:4]), []
            verb, revision = parts[4:6] if len(parts) > 5 else ("revision", "main")
        elif len(parts) >= 5 and parts[2] == "resolve":
            repository, (verb, revision, *rest) = "/".join(parts[:2]), parts[2:]
        else:
            return self._fail(404, "NotFound")
        authorised = self.headers.get("Authorization") == f"Bearer {hub.token}"
        if repository not in hub.repositories or (repository in hub.private and not authorised):
            return self._fail(404 if authorised else 401, "RepoNotFound")
        state = hub.state(repository, revision)
        if state is None:
            return self._fail(404, "RevisionNotFound")
        commit, files = state
        if verb == "revision":
            return self._json({"id": repository, "sha": commit, "siblings": [{"rfilename": name} for name in files]})
        if verb == "tree":
            return self._json([_entry(name, data) for name, data in files.items()])
        if repository in hub.gated and not authorised:
            return self._fail(401, "GatedRepo")
        return self._file("/".join(rest), commit, files)

    def _file(self, name: str, commit: str, files: Mapping[str, bytes]) -> None:
        hub, headers = self.hub, [("X-Repo-Commit", commit)]
        if name not in files or name in hub.gone:
            return self._fail(404, "EntryNotFound", headers)
        data, status = files[name], 200
        headers += [("ETag", f'"{_oid(data)}"'), ("Accept-Ranges", "bytes")]
        start = self.headers.get("Range", "").removeprefix("bytes=").partition("-")[0]
        if start:
            headers.append(("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}"))
            data, status = data[int(start) :], 206
        cut = self.command == "GET" and hub.cuts.get(name, 0) > 0
        if cut:
            hub.cuts[name] -= 1
        self._send(status, data, headers, sent=data[: len(data) // 2] if cut else data)

    def _json(self, content: Any) -> None:
        body = json.dumps(content).encode()
        self._send(200, body, [("Content-Type", "application/json")], sent=body)

    def _fail(self, status: int, code: str, headers: Headers = ()) -> None:
        body = json.dumps({"error": code}).encode()
        self._send(status, body, [("X-Error-Code", code), *headers], sent=body)

    def _send(self, status: int, body: bytes, headers: Headers, *, sent: bytes) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(sent)


def _oid(data: bytes) -> str:
    """The name that git has for a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _entry(name: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(data), "oid": _oid(data)}
