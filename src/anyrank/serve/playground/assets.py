"""The files of the playground's page, as they lie in the package."""

from __future__ import annotations

import functools
from importlib.resources import files

TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's Content-Security-Policy: nothing but its own files, and no script or style within the HTML."""


@functools.cache
def assets() -> dict[str, tuple[bytes, str]]:
    """Content and media type of each file by its name.

    >>> sorted(name for name in assets() if name.endswith(".html"))
    ['index.html']
    """
    folder = files(__package__) / "page"
    present = {f.name: f for f in folder.iterdir() if f.name.rpartition(".")[2] in TYPES}
    return {name: (f.read_bytes(), TYPES[name.rpartition(".")[2]]) for name, f in sorted(present.items())}
