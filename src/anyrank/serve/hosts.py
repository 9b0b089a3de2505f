"""Which hosts a server answers under, and which pages may call it, while it asks for no keys.

Without keys the address alone protects a server, and a browser on the same machine reaches that address too. A page can
post to it directly (its ``Origin`` shows that), and a page whose own name was made to resolve to the address (DNS
rebinding) can read the answers too (the ``Host`` shows that, since it is the page's).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from .requests import Refusal, clean

ANY = "*"
"""Allows every host."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The ``names`` that a request may address beside those that no page can have: IP addresses, localhost, and names
    without a dot, as containers and machines of a local network have. ``origins``: pages that may call."""

    names: Collection[str] = ()
    origins: Collection[str] = ()

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises Refusal (403) on a request to another host, or from a page that may not call.

            >>> Hosts().check({"host": "127.0.0.1:8000"})
            >>> Hosts().check({"host": "[::1]:8000", "origin": "http://[::1]:8000"})
        >>> Hosts().check({"host": "[::1]:8000", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"})
        Traceback (most recent call last):
        anyrank.serve.requests.Refusal: another site's page may not load this: ...
            >>> Hosts().check({"host": "evil.example:8000"})
            Traceback (most recent call last):
            anyrank.serve.requests.Refusal: the host evil.example is not a name of this server: start it with ...
        """
        host = headers.get("host", "")
        name = _name(f"//{host}")
        if not self._is_own(name):
            shown = clean(name)[:80]
            cure = f"--host-name {shown} or with --keys"
            raise Refusal(403, f"the host {shown} is not a name of this server: start it with {cure}")
        origin = headers.get("origin")
        if origin is None and headers.get("sec-fetch-site") == "cross-site":
            if headers.get("sec-fetch-mode") == "navigate":
                return  # a link from another page to this one, which that page can't read
            raise Refusal(403, "another site's page may not load this: start the server with --origin and its address")
        if origin is not None and origin not in self.origins and ANY not in self.origins:
            if _netloc(origin) == host.lower() != "":
                return  # a page of this very address
            shown = clean(origin)[:80]
            raise Refusal(403, f"the page {shown} may not call this server: start it with --origin {shown}")

    def _is_own(self, name: str) -> bool:
        if ANY in self.names or name in {n.lower() for n in self.names}:
            return True
        if "." not in name and ":" not in name:
            return True
        if name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _name(address: str) -> str:
    """The host of an address, without its port; the text itself if it is none.

    >>> _name("//a.example:8000"), _name("//[::1]:8000"), _name("//[")
    ('a.example', '::1', '//[')
    """
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return address


def _netloc(origin: str) -> str:
    """The host and port of an origin, "" if it is none, as a page without an origin sends ("null")."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
