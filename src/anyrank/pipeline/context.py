"""Settings: what the names of a pipeline draw on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The opened collection that a pipeline searches, if there is one, and a filter on the fields of its documents."""

    collection: Any = None
    filter: Mapping[str, Any] | None = None
