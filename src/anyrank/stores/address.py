"""Addresses of collections on servers: ``postgresql://user@host/database/collection``, and their forms without a
password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from os import PathLike
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ..core.errors import InputError, quoted

FILES = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "qdrant": "qdrant",
    "qdrant+https": "qdrant",
    "opensearch": "opensearch",
    "opensearch+https": "opensearch",
    "elasticsearch": "elasticsearch",
    "elasticsearch+https": "elasticsearch",
}
"""The file of this folder for each scheme."""
FORMS = (
    "postgresql://USER@HOST/DATABASE/COLLECTION, qdrant://HOST:6333/COLLECTION, qdrant:///FOLDER/COLLECTION (no "
    "server), opensearch://HOST:9200/COLLECTION or elasticsearch://HOST:9200/COLLECTION; with TLS qdrant+https://, "
    "opensearch+https:// and elasticsearch+https://"
)
_SCHEME = re.compile(r"([a-zA-Z][\w+.-]*)://")
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,47}")
_SECRET = re.compile(r"password|secret|key", re.IGNORECASE)


def is_address(text: Any) -> bool:
    """Whether a text is an address and not a folder.

    >>> is_address("postgresql://db/papers"), is_address("my.index")
    (True, False)
    """
    return isinstance(text, str) and _SCHEME.match(text) is not None


def without_password(url: str) -> str:
    """The address as it may be shown: without a password, in the user's part or in the query.

    >>> without_password("postgresql://me:s3cret@db/papers/wings?sslmode=require&password=s3cret")
    'postgresql://me@db/papers/wings?sslmode=require&password=***'
    """
    scheme, _, rest = url.partition("://")
    # A user's name may hold "@", and a password "/", "?" and "@" too, where they aren't escaped: all between the first
    # ":" and the last "@" counts as a password.
    if user := re.match(r"([^:/?#]*):.*@", rest, re.DOTALL):
        rest = f"{user[1]}@{rest[user.end() :]}"
    path, mark, query = rest.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")]
    hidden = [f"{k}{eq}{'***' if eq and _SECRET.search(unquote(k)) else value}" for k, eq, value in pairs]
    return f"{scheme}://{path}{mark}{'&'.join(hidden)}"


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an address. ``url`` may hold a password, and is never shown; ``shown`` is without it."""

    shown: str
    scheme: str
    host: str
    port: int | None
    path: tuple[str, ...]
    name: str
    user: str
    password: str = field(repr=False)
    query: dict[str, str] = field(repr=False)
    url: str = field(repr=False)

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises InputError, which quotes no password, on an unknown scheme, or a missing or malformed name."""
        shown = without_password(url)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InputError(f"{shown}: can't be read as an address: expected {FORMS}") from None
        if parts.scheme not in FILES:
            raise InputError(f"{shown}: no store has the scheme {parts.scheme!r}: expected {FORMS}")
        *path, name = [unquote(p) for p in parts.path.split("/") if p] or [""]
        if not _NAME.fullmatch(name) or name.startswith("pg_"):
            raise InputError(
                f"{shown}: the last part names the collection, in at most 48 of a-z, 0-9, '_' and '-': expected {FORMS}"
            )
        return cls(
            shown,
            parts.scheme,
            parts.hostname or "",
            port,
            tuple(path),
            name,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            dict(parse_qsl(parts.query)),
            url,
        )

    def check_settings(self, *known: str) -> None:
        """Raises InputError on a setting behind ``?`` that is none of the ``known``."""
        for name in self.query:
            if name not in known:
                there = f"there is {', '.join(known)}" if known else "there are none"
                raise InputError(f"{self.shown}: no setting {quoted(name)} behind '?': {there}")

    def scrubbed(self, text: Any) -> str:
        """A text without the password of this address."""
        secrets = [self.password, *(v for k, v in self.query.items() if _SECRET.search(k))]
        out = str(text)
        for secret in secrets:
            out = out.replace(secret, "***") if secret else out
        return out


def shown(index: str | PathLike[str]) -> str:
    """A folder or an address as it may be shown."""
    return without_password(str(index)) if is_address(index) else str(index)
