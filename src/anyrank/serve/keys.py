"""API keys: hashed where they are stored, with a rate and a daily quota each.

A file of keys has a line a key: a name, the SHA-256 of the key, requests a minute and a day (0: no limit). A key is 256
random bits, so a fast hash is enough: nobody can try them all. Counts are in SQLite beside the file, so that all
worker processes share them and a restart forgets none.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import InputError
from .requests import Refusal

log = logging.getLogger("anyrank.serve")
_LINE = re.compile(r"(\S+) ([0-9a-f]{64}) (\d+) (\d+)")
HEADERS = ("authorization", "api-key", "x-api-key")
"""Headers in which clients send a key."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key's name, hash and limits."""

    name: str
    digest: str
    per_minute: int = 0
    per_day: int = 0


def hashed(key: str) -> str:
    """The SHA-256 of a key."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a file. Raises InputError on a line that isn't one, and on a name that comes twice."""
    keys = _parsed(path)
    if not keys:
        raise InputError("holds no keys: make one with `anyrank serve --new-key NAME --keys FILE`", path=path)
    return keys


def _parsed(path: Path) -> tuple[Key, ...]:
    """The keys of a file, which may have none."""
    keys: dict[str, Key] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"can't be read: {error}", path=path) from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise InputError("expected NAME SHA256 REQUESTS-A-MINUTE REQUESTS-A-DAY", path=path, line=number)
        if match[1] in keys:
            raise InputError(f"the name {match[1]!r} comes twice", path=path, line=number)
        keys[match[1]] = Key(match[1], match[2], int(match[3]), int(match[4]))
    return tuple(keys.values())


def new_key(path: Path, name: str, per_minute: int = 0, per_day: int = 0) -> str:
    """A new key, whose hash is added to the file; it is nowhere else, so show it now. Raises InputError on a name with
    spaces, or one that is there already."""
    if not re.fullmatch(r"[\w.@+-]+", name):
        raise InputError(f"the name {name!r}: use letters, digits and . _ @ + -")
    if path.exists() and path.stat().st_size and any(k.name == name for k in read_keys(path)):
        raise InputError(f"the name {name!r} is there already: delete its line to revoke the key", path=path)
    key = secrets.token_urlsafe(32)
    ended = not path.exists() or path.read_bytes()[-1:] in (b"", b"\n")  # an editor may leave the last line open
    with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
        file.write("" if ended else "\n")
        file.write(f"{name} {hashed(key)} {per_minute} {per_day}\n")
    return key


@dataclass(slots=True, eq=False)
class Keyring:
    """The keys of a file, read again when it changes; without a file every request passes.

    ``clock`` gives seconds since the epoch.
    """

    path: Path | None = None
    clock: Callable[[], float] = time.time
    _keys: tuple[Key, ...] = ()
    _stamp: tuple[int, int] = (0, 0)
    _counts: sqlite3.Connection | None = field(default=None, repr=False)

    def admit(self, headers: Mapping[str, str]) -> str:
        """The name of a request's key, which is counted; "" if no keys are needed. Raises Refusal: 401 without a
        known key, 429 beyond its rate or quota, 503 while keys or counts can't be read."""
        if self.path is None:
            return ""
        try:
            return self._admitted(_given(headers))
        except (OSError, InputError, sqlite3.Error) as error:  # nobody passes, until the operator mends it
            log.error("%s", json.dumps({"error": f"keys: {error}"}))
            raise Refusal(503, "the server can't check keys at present") from None

    def _admitted(self, given: str) -> str:
        key, now = self._named(given), self.clock()
        for word, seconds, limit in (("minute", 60, key.per_minute), ("day", 86_400, key.per_day)):
            if limit and self._count(key.name, word, int(now // seconds)) > limit:
                wait = str(int(seconds - now % seconds) + 1)
                raise Refusal(429, f"more than {limit:,} requests this {word}", {"Retry-After": wait})
        return key.name

    def _named(self, given: str) -> Key:
        """The key of a request. Every stored hash is compared, in constant time each."""
        digest, match = hashed(given), None
        for key in self._read():
            if hmac.compare_digest(key.digest, digest):
                match = key
        if match is None or not given:
            what = "the API key is not known" if given else "an API key is needed: send Authorization: Bearer KEY"
            raise Refusal(401, what, {"WWW-Authenticate": "Bearer"})
        return match

    def _read(self) -> tuple[Key, ...]:
        assert self.path is not None
        status = os.stat(self.path)
        if self._stamp != (status.st_mtime_ns, status.st_size):
            self._keys, self._stamp = _parsed(self.path), (status.st_mtime_ns, status.st_size)
        return self._keys

    def _count(self, name: str, word: str, window: int) -> int:
        """The requests of a key in the present window, this one counted."""
        if self._counts is None:
            assert self.path is not None
            counts = sqlite3.connect(f"{self.path}.counts", timeout=5, isolation_level=None, check_same_thread=False)
            counts.execute("PRAGMA journal_mode=WAL")
            counts.execute("PRAGMA synchronous=OFF")
            counts.execute("CREATE TABLE IF NOT EXISTS counts (name, word, at INT, n INT, PRIMARY KEY (name, word))")
            self._counts = counts
        row = self._counts.execute(
            "INSERT INTO counts VALUES (?, ?, ?, 1) ON CONFLICT (name, word) DO UPDATE "
            "SET n = CASE WHEN at = excluded.at THEN n + 1 ELSE 1 END, at = excluded.at RETURNING n",
            (name, word, window),
        ).fetchone()
        return int(row[0])


def _given(headers: Mapping[str, str]) -> str:
    """The key in a request's headers, "" without one.

    >>> _given({"authorization": "Bearer k"}), _given({"x-api-key": "k"}), _given({})
    ('k', 'k', '')
    """
    for name in HEADERS:
        if value := headers.get(name, "").strip():
            scheme, _, rest = value.partition(" ")
            return rest.strip() if name == "authorization" and scheme.lower() in ("bearer", "basic") else value
    return ""
