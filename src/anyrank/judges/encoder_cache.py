"""An encoder that remembers the vectors of texts, for jobs whose batches meet the same documents again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.content import Image, parts_of, text_of
from ..core.trace import Usage
from ..vectors import Encoded, Encoder, Vectors, join

LIMIT = 1 << 30
"""Bytes of vectors in memory: those of some 700,000 texts of 384 numbers."""


@dataclass(slots=True, eq=False)
class CachedEncoder:
    """The ``encoder``, with the vectors of documents in memory by their texts, up to ``limit`` bytes: the oldest
    are dropped first. Queries, and contents that hold images, pass through. A text in memory counts as ``cached``.

    >>> from anyrank.hub.open import open_model
    >>> encoder = CachedEncoder(open_model("minilm"))
    >>> [encoder.encode(["a small dog", text]).usage.calls for text in ("a puppy", "a small dog", "a cat")]
    [2, 0, 1]
    """

    encoder: Encoder
    limit: int = LIMIT
    _rows: dict[str, Vectors] = field(default_factory=dict, repr=False)
    name: str = field(init=False)
    _bytes: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        self.name = self.encoder.name

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        if query or not contents or not all(map(_readable, contents)):
            return self.encoder.encode(contents, query=query)
        texts = [text_of(content) for content in contents]
        new = [text for text in dict.fromkeys(texts) if text not in self._rows]
        usage = Usage(cached=len(texts) - len(new))
        fresh: dict[str, Vectors] = {}
        if new:
            first = dict(zip(reversed(texts), reversed(contents)))
            encoded = self.encoder.encode([first[text] for text in new])
            fresh = {text: encoded.vectors.take([i]) for i, text in enumerate(new)}
            usage += encoded.usage
        result = join([fresh[text] if text in fresh else self._rows[text] for text in texts])
        self._store(fresh)
        return Encoded(result, usage)

    def _store(self, fresh: dict[str, Vectors]) -> None:
        self._rows |= fresh
        self._bytes += sum(map(_size, fresh.values()))
        while self._bytes > self.limit and self._rows:
            self._bytes -= _size(self._rows.pop(next(iter(self._rows))))


def _readable(content: Any) -> bool:
    """Whether a content is text alone."""
    if content is None or isinstance(content, bytes):
        return False
    return not any(isinstance(part, Image) for part in parts_of(content))


def _size(vectors: Vectors) -> int:
    return sum(array.nbytes for array in vectors.arrays().values())
