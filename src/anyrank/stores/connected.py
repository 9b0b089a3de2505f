"""What the stores share that are spoken to by a client kept open: Qdrant, OpenSearch and Elasticsearch."""

from __future__ import annotations

import json
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import InputError
from .address import Address
from .base import About, check_index

OPTIONS = {"connectivity": 16, "expansion_add": 100, "expansion_search": 128}
"""The options of a graph and their defaults: m, ef_construction and ef of the search."""


@dataclass(slots=True, eq=False)
class Connected(ABC):
    """A `Server` in part. The client is made at the first call, and what the collection says of itself is kept."""

    at: Address
    _opened: Any = field(default=None, repr=False)
    _about: About | None = field(default=None, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    @property
    def address(self) -> str:
        return self.at.shown

    @property
    def _client(self) -> Any:
        """The client, opened."""
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    @abstractmethod
    def _open(self) -> Any:
        """A new client."""

    def close(self) -> None:
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _secret(self, name: str) -> str:
        """The address's password, or without one that of an environment variable."""
        return self.at.password or os.environ.get(name, "")

    @abstractmethod
    def read(self) -> About | None:
        """What the collection says of itself, None if there is none."""

    def _learned(self, text: Any) -> About:
        """What a collection says of itself, from the text that it keeps. Raises InputError if it is none of ours."""
        if not isinstance(text, str):
            raise InputError(f"{self.address}: is no collection of anyrank: choose another name of a collection")
        self._about = About.from_json(json.loads(text), self.address)
        return self._about

    @property
    def _known(self) -> About:
        about = self._about or self.read()
        if about is None:
            raise self._gone()
        return about

    def _gone(self) -> InputError:
        """The error of a collection that is not there any more."""
        return InputError(f"{self.address}: the collection is gone")

    def _described(self, name: str) -> Mapping[str, Any]:
        """How the vectors of a name are described. Raises InputError if there are none."""
        if name not in self._known.vectors:
            self.read()
        if name not in self._known.vectors:
            raise InputError(f"{self.address}: holds no vectors {name!r:.80}")
        return self._known.vectors[name]

    def check_vectors(self, kind: str, dim: int, index: str, options: Mapping[str, Any]) -> None:
        self._chosen({"index": index, "options": options})

    def _chosen(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """All options of the index that is asked for. Raises InputError on another index, and on unknown options."""
        graph = described["index"] == "approximate"
        check_index(self.address, described["index"])
        options = described.get("options", {})
        if unknown := sorted(set(options) - set(OPTIONS if graph else ())):
            known = ", ".join(OPTIONS) if graph else "none without --ann"
            raise InputError(f"{self.address}: no option {unknown[0]!r:.40}: there are {known}")
        return {**OPTIONS, **options} if graph else {}

    def _number(self, name: str) -> int:
        """The number of the vectors of a name, by which their field is named: a free one for a new name."""
        vectors = self._known.vectors
        if name in vectors:
            return int(vectors[name]["number"])
        return 1 + max((int(v["number"]) for v in vectors.values()), default=0)
