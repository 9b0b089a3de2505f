"""Settings: the index and the filter that the stages of a pipeline use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The opened collection that a pipeline searches, or None, and a filter on the fields of its documents. With
    ``remember`` encoders keep the vectors of documents that they scored, for jobs of many queries."""

    collection: Any = None
    filter: Mapping[str, Any] | None = None
    remember: bool = False
