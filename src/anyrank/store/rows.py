"""The document file: append-only records in one memory-mapped file, read by row number.

``rows.ids`` holds the ids one after another, ``rows.bin`` for each row ``[content, meta]`` as JSON, and ``rows.idx``
two unsigned 64-bit numbers a row: the end of its id in ``rows.ids``, and of its record in ``rows.bin``. A row's number
is never given to another document. The next writer cuts off an unfinished row at the end that a killed one left.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..core.content import Image
from ..core.errors import InputError
from ..core.matches import Document, Reader
from ..core.types import Candidate

_PAIR = struct.Struct("<QQ")
_ROW = _PAIR.size
_BUFFERED = 1024  # rows gathered for one write
_IMAGE = "$image"  # the key that marks a stored `Image`


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The first rows of the files as they were mapped (a `Source`). Rows are never written again, and a mapped file
    lives as long as something refers to it, so a snapshot reads the same after updates, deletes and even a new
    build."""

    ends: NDArray[np.uint64]  # [2 * rows]: of row r its id's end at 2r and its record's end at 2r + 1
    id_bytes: Any
    records: Any

    def __len__(self) -> int:
        return len(self.ends) // 2

    def _spans(self, rows: Sequence[int], column: int) -> zip[tuple[int, int]]:
        """The byte ranges of ids (column 0) or records (column 1): each begins at the end of the row before."""
        if len(rows) == 1:  # one candidate: numpy's calls would cost more than the reading
            end = 2 * rows[0] + column
            return zip([int(self.ends[end - 2]) if end > 1 else 0], [int(self.ends[end])])
        cells = 2 * np.array(rows, dtype=np.int64) + column
        starts = np.where(cells > 1, self.ends[cells - 2], 0)
        return zip(starts.tolist(), self.ends[cells].tolist())

    def ids(self, rows: Sequence[int]) -> list[str]:
        data = self.id_bytes
        return [data[a:b].decode() for a, b in self._spans(rows, 0)]

    def documents(self, rows: Sequence[int]) -> list[Document]:
        data, out = self.records, []
        for a, b in self._spans(rows, 1):
            content, meta = _decode(data[a:b])
            out.append((content, meta))
        return out

    def candidates(self, rows: Sequence[int]) -> list[Candidate]:
        """The documents of the given rows as candidates, in the given order."""
        return [Candidate(i, content, 0.0, meta) for i, (content, meta) in zip(self.ids(rows), self.documents(rows))]


@dataclass(slots=True, eq=False)
class Rows:
    """The document file of a folder, mapped anew as it grows."""

    folder: Path
    _snapshot: Snapshot | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Rows on disk; those of deleted and replaced documents are counted too."""
        path = self.folder / "rows.idx"
        return path.stat().st_size // _ROW if path.exists() else 0

    def covering(self, count: int) -> Snapshot:
        """A snapshot of at least the first ``count`` rows; as long as it covers them, the same one."""
        if self._snapshot is None or len(self._snapshot) < count:
            if not count:
                return Snapshot(np.zeros(0, np.uint64), b"", b"")
            ids, records, idx = (_map(self.folder / f"rows.{n}") for n in ("ids", "bin", "idx"))
            ends = np.frombuffer(idx, dtype="<u8")
            self._snapshot = Snapshot(ends[: len(ends) // 2 * 2], ids, records)
        return self._snapshot

    def of(self, rows: Sequence[int]) -> Snapshot:
        """A snapshot that covers the given rows."""
        return self.covering(max(rows, default=-1) + 1)

    def reader(self, rows: Sequence[int]) -> Reader:
        """A reader of the given rows."""
        return Reader(self.of(rows))


def _map(path: Path) -> mmap.mmap:
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
        """An appender after the last whole row, or after the first ``keep`` rows if that is given."""
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
        if len(self.fresh) == _BUFFERED:
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
        """Ids and records first, then their ends: so that an end on disk never points past the data."""
        self._write()
        for file in (self.ids, self.bin, self.idx):
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        for file in (self.ids, self.bin, self.idx):
            file.close()


def record(doc: Candidate) -> bytes:
    """Content and meta as UTF-8 JSON. Raises InputError if they are no JSON values."""
    content = json.encoder.encode_basestring(doc.content) if type(doc.content) is str else None
    try:
        if content is None:
            content = _encode(doc.content)
        return f"[{content},{_encode(doc.meta) if doc.meta else '{}'}]".encode("utf-8", "replace")
    except UnicodeEncodeError:
        raise InputError(f"document {doc.id!r}: it holds text that is not Unicode (a lone surrogate)") from None
    except (TypeError, ValueError) as error:
        raise InputError(f"document {doc.id!r}: it can't be stored as JSON: {error}") from error


def _plain(value: Any) -> Any:
    """The JSON form of other types: any mapping as an object, an image by its path."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Image):
        if isinstance(value.source, bytes):
            raise TypeError("an image of bytes: save it as a file and give its path")
        return {_IMAGE: os.fspath(value.source), **({"media": value.media} if value.media else {})}
    raise TypeError(f"a value of type {type(value).__name__}")


def _image(value: dict[str, Any]) -> Any:
    return Image(value[_IMAGE], value.get("media", "")) if _IMAGE in value else value


def _decode(data: bytes) -> Any:
    return json.loads(data, object_hook=_image) if b'"$image"' in data else json.loads(data)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode
