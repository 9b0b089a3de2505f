"""The conversation before a query, as callers put it into the query's meta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.content import text_of
from ..core.types import Query

KEYS = ("history", "turns")
"""Fields of ``Query.meta`` that may hold the turns before the query, oldest first: texts, or mappings with "role"
and "content" as OpenAI's messages have."""


def turns_before(query: Query) -> list[tuple[str, str]]:
    """Role and text of every earlier turn that has a text; turns given as texts alone are the user's.

    >>> history = ["Who wrote it?", {"role": "assistant", "content": "Ada"}]
    >>> turns_before(Query("q", "and her age?", {"history": history}))
    [('user', 'Who wrote it?'), ('assistant', 'Ada')]
    """
    given: Any = next((query.meta[key] for key in KEYS if query.meta.get(key)), ())
    if isinstance(given, str):
        given = [given]
    turns = []
    for turn in given if isinstance(given, list | tuple) else ():
        role, content = "user", turn
        if isinstance(turn, Mapping):
            role, content = str(turn.get("role") or "user"), turn.get("content")
        if text := (text_of(content) or "").strip():
            turns.append((role, text))
    return turns
