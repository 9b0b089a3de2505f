"""The document store: append-only records in one memory-mapped file, found by row number.

``rows.bin`` holds, for each row, the id and then ``[content, meta]`` as JSON; ``rows.idx`` holds two unsigned 64-bit
ends a row (of the id, of the record). A row's number is never given to another document. What a killed writer left
behind the last whole record is cut off by the next one.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..core.types import Candidate

_ROW = 16


@dataclass(slots=True, eq=False)
class Rows:
    """Records by row number, read through a memory map that follows the file as it grows."""

    folder: Path
    _ends: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64), repr=False)
    _bytes: Any = field(default=b"", repr=False)

    def __len__(self) -> int:
        """Rows on disk; those of deleted and replaced documents are counted too."""
        path = self.folder / "rows.idx"
        return path.stat().st_size // _ROW if path.exists() else 0

    def _spans(self, rows: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
        at = np.asarray(rows, dtype=np.int64)
        if len(at) and 2 * int(at.max()) + 2 > len(self._ends):
            n = len(self)
            with open(self.folder / "rows.bin", "rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._ends = np.memmap(self.folder / "rows.idx", dtype="<u8", mode="r", shape=(2 * n,))
        if not len(at):
            return [], [], []
        starts = np.where(at > 0, self._ends[2 * at - 1], 0)
        return starts.tolist(), self._ends[2 * at].tolist(), self._ends[2 * at + 1].tolist()

    def ids(self, rows: Sequence[int]) -> list[str]:
        """The ids of the given rows, in the given order."""
        starts, mids, _ = self._spans(rows)
        data = self._bytes
        return [str(data[a:b], "utf-8") for a, b in zip(starts, mids)]

    def candidates(self, rows: Sequence[int], scores: Sequence[float] | None = None) -> list[Candidate]:
        """The documents of the given rows, in the given order."""
        starts, mids, ends = self._spans(rows)
        data, loads = self._bytes, json.loads
        out = []
        for a, b, c, score in zip(starts, mids, ends, scores if scores is not None else [0.0] * len(starts)):
            content, meta = loads(data[b:c])
            out.append(Candidate(str(data[a:b], "utf-8"), content, score, meta))
        return out


@dataclass(slots=True, eq=False)
class RowWriter:
    """The appender of a folder's rows. Appended rows are on disk after ``sync``; one writer at a time."""

    bin: IO[bytes]
    idx: IO[bytes]
    count: int
    end: int

    @classmethod
    def open(cls, folder: Path, keep: int | None = None) -> RowWriter:
        """An appender after the last whole row, or after the first ``keep`` rows where that is given."""
        whole = len(Rows(folder))
        count = whole if keep is None else min(keep, whole)
        idx = open(folder / "rows.idx", "ab+")  # noqa: SIM115
        idx.truncate(count * _ROW)
        idx.seek(max(count * _ROW - 8, 0))
        end = int.from_bytes(idx.read(8), "little") if count else 0
        data = open(folder / "rows.bin", "ab+")  # noqa: SIM115
        data.truncate(end)
        return cls(data, idx, count, end)

    def append(self, id: bytes, record: bytes) -> int:
        """The row number of a new record."""
        self.bin.write(id)
        self.bin.write(record)
        middle = self.end + len(id)
        self.end = middle + len(record)
        self.idx.write(middle.to_bytes(8, "little") + self.end.to_bytes(8, "little"))
        self.count += 1
        return self.count - 1

    def sync(self) -> None:
        """Records first, then their ends: an end on disk always has its record on disk."""
        for file in (self.bin, self.idx):
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        for file in (self.bin, self.idx):
            file.close()


def record(doc: Candidate) -> bytes:
    """Content and meta as UTF-8 JSON. Raises TypeError or ValueError where a field is no JSON value."""
    text = json.dumps([doc.content, doc.meta], ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text.encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    if isinstance(value, Iterable) and hasattr(value, "items"):
        return dict(value.items())
    raise TypeError(f"a value of type {type(value).__name__}")
