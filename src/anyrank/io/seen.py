"""Ids seen so far, in little memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, quoted
from .files import File, label
from .records import Fields, Record, first_of

_SETTLE = 1 << 17  # ids kept as texts before they are hashed


class Seen:
    """The ids of a file so far. The latest are kept as texts; older ones as sorted 64-bit hashes, in which a batch
    is looked up at once (two ids among ten million share a hash with a chance of 3 in a million)."""

    def __init__(self, path: File, kind: str) -> None:
        self.path, self.kind = path, kind
        self.recent: dict[str, int] = {}
        self.old: NDArray[np.int64] = np.empty(0, np.int64)

    def watch(self, stream: Iterator[tuple[int, Record]], fields: Fields) -> Iterator[tuple[int, Record]]:
        """The same stream; raises InputError at an id that appears twice."""
        for n, record in stream:
            name = first_of(record, fields.id)
            if name is not None:
                id = str(record[name])
                if id in self.recent:
                    raise self._twice(id, n, f", first in line {self.recent[id]}")
                self.recent[id] = n
                if len(self.recent) >= _SETTLE:
                    self._settle()
            yield n, record
        self._settle()

    def _settle(self) -> None:
        hashes = np.fromiter(map(hash, self.recent), np.int64, len(self.recent))
        for i in np.flatnonzero(np.isin(hashes, self.old)).tolist():
            id, line = list(self.recent.items())[i]
            raise self._twice(id, line, "")
        self.old = np.sort(np.concatenate([self.old, hashes]), kind="stable")
        self.recent.clear()

    def _twice(self, id: str, line: int, first: str) -> InputError:
        return InputError(f"{self.kind} id {quoted(id)} appears twice{first}", path=label(self.path), line=line)
