"""The document store: append-only records in one memory-mapped file, found by row number.

``rows.ids`` holds the ids one after another, ``rows.bin`` for each row ``[content, meta]`` as JSON, and ``rows.idx``
two unsigned 64-bit numbers a row: where its id ends in the one and its record in the other. A row's number is never
given to another document. What a killed writer left behind the last whole row is cut off by the next one.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..core.types import Candidate

_PAIR = struct.Struct("<QQ")
_ROW = _PAIR.size
_HELD = 1024  # rows gathered for one write


@dataclass(slots=True, eq=False)
class Rows:
    """Records by row number, read through a memory map that follows the file as it grows."""

    folder: Path
    _ends: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64), repr=False)
    _ids: Any = field(default=b"", repr=False)
    _records: Any = field(default=b"", repr=False)

    def __len__(self) -> int:
        """Rows on disk; those of deleted and replaced documents are counted too."""
        path = self.folder / "rows.idx"
        return path.stat().st_size // _ROW if path.exists() else 0

    def _spans(self, rows: Sequence[int], column: int) -> tuple[list[int], list[int]]:
        """Where ids (column 0) or records (1) begin and end."""
        at = 2 * np.array(rows, dtype=np.int64) + column
        if len(at) and at.max() >= len(self._ends):
            self._ids, self._records = _mapped(self.folder / "rows.ids"), _mapped(self.folder / "rows.bin")
            ends = np.frombuffer(_mapped(self.folder / "rows.idx"), dtype="<u8")
            self._ends = ends[: len(ends) // 2 * 2]
        starts = np.where(at > 1, self._ends[at - 2], 0)
        return starts.tolist(), self._ends[at].tolist()

    def ids(self, rows: Sequence[int]) -> list[str]:
        """The ids of the given rows, in the given order."""
        starts, ends = self._spans(rows, 0)
        data = self._ids
        return [data[a:b].decode() for a, b in zip(starts, ends)]

    def candidates(self, rows: Sequence[int], scores: Sequence[float] | None = None) -> list[Candidate]:
        """The documents of the given rows, in the given order."""
        ids, (starts, ends) = self.ids(rows), self._spans(rows, 1)
        data, loads = self._records, json.loads
        out = []
        for i, a, b, score in zip(ids, starts, ends, scores if scores is not None else [0.0] * len(ids)):
            content, meta = loads(data[a:b])
            out.append(Candidate(i, content, score, meta))
        return out


def _mapped(path: Path) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@dataclass(slots=True, eq=False)
class RowWriter:
    """The appender of a folder's rows. Appended rows are on disk after ``sync``; one writer at a time."""

    ids: IO[bytes]
    bin: IO[bytes]
    idx: IO[bytes]
    count: int
    ends: tuple[int, int]
    fresh: list[tuple[bytes, bytes]] = field(default_factory=list, repr=False)

    @classmethod
    def open(cls, folder: Path, keep: int | None = None) -> RowWriter:
        """An appender after the last whole row, or after the first ``keep`` rows where that is given."""
        whole = len(Rows(folder))
        count = whole if keep is None else min(keep, whole)
        ids, data, idx = (open(folder / f"rows.{n}", "ab+") for n in ("ids", "bin", "idx"))  # noqa: SIM115
        idx.truncate(count * _ROW)
        idx.seek(max(count - 1, 0) * _ROW)
        ends = _PAIR.unpack(idx.read(_ROW)) if count else (0, 0)
        ids.truncate(ends[0])
        data.truncate(ends[1])
        return cls(ids, data, idx, count, ends)

    def append(self, id: bytes, record: bytes) -> int:
        """The row number of a new record."""
        self.fresh.append((id, record))
        self.count += 1
        if len(self.fresh) == _HELD:
            self._write()
        return self.count - 1

    def _write(self) -> None:
        sizes = np.array([(len(i), len(r)) for i, r in self.fresh], dtype="<u8").reshape(-1, 2)
        ends = np.cumsum(sizes, axis=0) + np.array(self.ends, dtype="<u8")
        self.ids.write(b"".join([i for i, _ in self.fresh]))
        self.bin.write(b"".join([r for _, r in self.fresh]))
        self.idx.write(ends.astype("<u8").tobytes())
        if self.fresh:
            self.ends = int(ends[-1, 0]), int(ends[-1, 1])
        self.fresh.clear()

    def sync(self) -> None:
        """Ids and records first, then their ends: an end on disk always has what it ends on disk."""
        self._write()
        for file in (self.ids, self.bin, self.idx):
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        for file in (self.ids, self.bin, self.idx):
            file.close()


def record(doc: Candidate) -> bytes:
    """Content and meta as UTF-8 JSON. Raises TypeError or ValueError where a field is no JSON value."""
    meta = _encode(doc.meta) if doc.meta else "{}"
    return f"[{encode_basestring(doc.content)},{meta}]".encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    if isinstance(value, Iterable) and hasattr(value, "items"):
        return dict(value.items())
    raise TypeError(f"a value of type {type(value).__name__}")


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode
