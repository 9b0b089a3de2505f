"""Whether a chosen index can search the vectors of a model, seen before any document is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..vectors import Encoder
from .base import Prepares
from .derived import index_file
from .vector_store import checked_choice, named


def check_choice(encoder: Encoder, index: str, options: Mapping[str, Any] | None = None, content: Any = "a") -> None:
    """Raises InputError on an index that is unknown or doesn't search this encoder's vectors, whose kind the encoding
    of one content tells, and on options that it doesn't have."""
    file, options = index_file(index), named(options)
    vectors = encoder.encode([content]).vectors
    if isinstance(file, Prepares):
        vectors = file.prepared(vectors, options, {}, 1)
    checked_choice(index, options, vectors.kind, vectors.dim)
