"""Settings: the index, the filter and the log that the stages of a pipeline use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..store.filters import Filter


@dataclass(frozen=True)
class Settings:
    """The opened collection that a pipeline searches, or None, and a filter on the fields of its documents. With
    ``ignore_self``, searches leave out the document whose id is the query's. ``log`` (`llm.call_log.CallLog`) records
    the calls of its language models and of rerankers on servers. With ``remember``, encoders keep the vectors of
    documents that they scored, for jobs of many queries."""

    collection: Any = None
    filter: Filter | None = None
    ignore_self: bool = False
    log: Any = None
    remember: bool = False
