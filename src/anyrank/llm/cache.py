"""Cached: a backend with a cache of answers in a file, so that the same prompt is not paid for twice."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..core.content import Image
from ..core.errors import InputError
from ..core.language import Completion, LogProbs, TokenWeights, Turn
from ..core.trace import Usage
from ..disk import full
from .wrapper import Item, Wrapper, call, failed

_ANSWERS: dict[str, type] = {"generate": Completion, "generate_fused": Completion, "attention": TokenWeights}
"""The type of answer of each method that doesn't return LogProbs."""
_FORMAT = 1
"""The version of the keys; raising it makes all cached answers invalid."""


@dataclass(frozen=True)
class Cached(Wrapper):
    """A backend whose answers are cached in the SQLite file ``path`` (created if absent; safe between processes and
    threads).

    The key is everything that an answer depends on: model and revision, verb, prompt, options, settings. ``model`` is
    the backend's own description (its repr, and the fingerprint of its weights if it has one) if none is given; an
    image counts by its bytes, or by its URL if it is given by one. Of a server only name and address are known: give a
    ``revision`` if it may change its weights. An answer from the file costs nothing and counts in ``usage.cached``,
    with the tokens that it first cost beside it; so does the second of two equal prompts in a batch. Errors and unknown
    probabilities are not cached.

    The table ``calls`` of the file holds, for each answer, its model, method, prompt and settings (JSON, the prompt
    packed by zlib), tokens, and seconds (its batch's, shared by the prompts).
    """

    wraps: Any
    path: str | os.PathLike[str]
    model: str = ""
    revision: str = ""

    def __post_init__(self) -> None:
        if not self.model and re.search(r" at 0x[0-9a-f]+>", repr(self.wraps)):
            raise InputError("name the model whose answers are cached: Cached(backend, path, model='…')")

    def ask(self, verb: str, items: Sequence[Item], settings: Mapping[str, Any]) -> list[Any]:
        if not items:
            return []
        keys = [self._key(verb, item, settings) for item in items]
        with self._open() as db:
            cached = {k: v for k in dict.fromkeys(keys) if (v := _load(db, k, verb)) is not None}
        # Of equal prompts only the first is asked; the others get its answer, at no cost.
        first = {k: i for i, k in reversed(list(enumerate(keys)))}
        fresh = sorted(i for k, i in first.items() if k not in cached)
        start = time.perf_counter()
        answers = dict(zip(fresh, call(self.wraps, verb, [items[i] for i in fresh], settings)))
        share = (time.perf_counter() - start) / max(len(fresh), 1)
        good = {i: answer for i, answer in answers.items() if _cacheable(answer)}
        if good:
            calls = [
                (
                    keys[i],
                    self._model,
                    verb,
                    zlib.compress(json.dumps(described(items[i])).encode("utf-8", "surrogatepass"), 1),
                    json.dumps(dict(settings), sort_keys=True),
                    answer.usage.prompt_tokens,
                    answer.usage.completion_tokens,
                    share,
                )
                for i, answer in good.items()
            ]
            with self._open() as db:
                db.executemany(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?)", [(keys[i], _pack(a)) for i, a in good.items()]
                )
                db.executemany("INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?)", calls)
        for i, answer in answers.items():
            usage = answer.usage
            again = _replayed(usage.prompt_tokens, usage.completion_tokens) if i in good else Usage()
            cached[keys[i]] = replace(answer, usage=again)
        return [answers[i] if i in answers else cached[k] for i, k in enumerate(keys)]

    @property
    def _model(self) -> str:
        return self.model or repr(self.wraps) + _fingerprint(self.wraps)

    def _key(self, verb: str, item: Item, settings: Mapping[str, Any]) -> bytes:
        whole = [_FORMAT, self._model, self.revision, verb, described(item[0]), item[1:], dict(settings)]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode("utf-8", "surrogatepass")).digest()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        folder = os.path.dirname(os.path.abspath(self.path))
        if not os.path.isdir(folder):
            raise InputError(f"there is no folder {folder}: make it first", path=self.path)
        try:
            db = sqlite3.connect(self.path, timeout=60.0)
        except sqlite3.Error as error:
            raise InputError(f"the answer cache can't be opened: {error}", path=self.path) from None
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            with db:
                db.execute("CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer BLOB) WITHOUT ROWID")
                db.execute(
                    "CREATE TABLE IF NOT EXISTS calls (key BLOB PRIMARY KEY, model TEXT, method TEXT, prompt BLOB, "
                    "settings TEXT, prompt_tokens INTEGER, completion_tokens INTEGER, seconds REAL) WITHOUT ROWID"
                )
            with db:
                yield db
        except sqlite3.DatabaseError as error:
            raise InputError(f"the answer cache can't be used: {full(error) or error}", path=self.path) from None
        finally:
            db.close()


def described(prompt: Any) -> Any:
    """A prompt (a text, turns, or sources) as JSON values; an image becomes its type and a hash of its content."""
    match prompt:
        case Turn():
            return [prompt.role, described(prompt.content)]
        case Image():
            return {"image": prompt.digest(), "media": prompt.media_type}
        case tuple() | list():
            return [described(part) for part in prompt]
    return prompt


def _fingerprint(backend: Any) -> str:
    """The fingerprint of the weights behind a backend, which tells them from others of the same name."""
    while (inner := getattr(backend, "wraps", None)) is not None:
        backend = inner
    return str(getattr(backend, "fingerprint", ""))


def _cacheable(answer: Any) -> bool:
    """True if an answer is neither an error nor empty nor incomplete."""
    if isinstance(answer, Completion) and not answer.text.strip():
        return False
    return not (failed(answer) or (isinstance(answer, LogProbs) and any(map(math.isnan, answer.values))))


def _pack(answer: Any) -> bytes:
    fields = asdict(answer)
    del fields["usage"]
    return zlib.compress(json.dumps(fields).encode(), 1)


def _load(db: sqlite3.Connection, key: bytes, verb: str) -> Any:
    row = db.execute(
        "SELECT answer, prompt_tokens, completion_tokens FROM answers LEFT JOIN calls USING (key) WHERE key = ?", (key,)
    ).fetchone()
    if row is None:
        return None
    fields = json.loads(zlib.decompress(row[0]))
    fixed = {k: _tuples(v) if isinstance(v, list) else v for k, v in fields.items()}
    return _ANSWERS.get(verb, LogProbs)(**fixed, usage=_replayed(row[1] or 0, row[2] or 0))


def _replayed(prompt_tokens: int, completion_tokens: int) -> Usage:
    """The usage of an answer that is given again, with the tokens that it first cost."""
    return Usage(cached=1, cached_prompt_tokens=prompt_tokens, cached_completion_tokens=completion_tokens)


def _tuples(values: list[Any]) -> tuple[Any, ...]:
    return tuple(tuple(v) if isinstance(v, list) else v for v in values)
