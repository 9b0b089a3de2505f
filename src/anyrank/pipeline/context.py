"""Settings: the index and the filter that the stages of a pipeline use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The opened collection that a pipeline searches, or None, a filter on the fields of its documents, and a log
    (`llm.call_log.CallLog`) of the calls of its language models and of rerankers on servers."""

    collection: Any = None
    filter: Mapping[str, Any] | None = None
    log: Any = None
