"""DeepResearchGym's search interface (``/search``, ``/fineweb/search``, ``/fetch``): documents as base64 of JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ..core.content import text_of
from ..core.types import Candidate


def clueweb(c: Candidate) -> dict[str, Any]:
    """A document in ClueWeb22's fields."""
    return {
        "URL": _field(c.meta, "url", "URL") or c.id,
        "ClueWeb22-ID": c.id,
        "Clean-Text": text_of(c.content),
        "Language": _field(c.meta, "language", "lang") or "",
        "URL-hash": _field(c.meta, "url_hash", "URL-hash") or "",
    }


def fineweb(c: Candidate) -> dict[str, Any]:
    """A document in FineWeb's fields; further ones as they are stored."""
    own = {"url": _field(c.meta, "url", "URL") or c.id, "id": c.id, "text": text_of(c.content)}
    return {**c.meta, **own, "language": _field(c.meta, "language", "lang") or ""}


def packed(document: Mapping[str, Any]) -> str:
    """The base64 of a document's JSON.

    >>> packed({"id": "a"})
    'eyJpZCI6ICJhIn0='
    """
    return base64.b64encode(json.dumps(document, ensure_ascii=False, default=str).encode()).decode()


def _field(meta: Mapping[str, Any], *names: str) -> Any:
    return next((meta[n] for n in names if meta.get(n)), None)
