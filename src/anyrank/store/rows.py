"""The document file: append-only records in one memory-mapped file, read by row number.

``rows.ids`` holds the ids one after another, ``rows.bin`` for each row ``[content, meta]`` as JSON, and ``rows.idx``
two unsigned 64-bit numbers a row: the end of its id in ``rows.ids``, and of its record in ``rows.bin``. ``rows.crc``
begins with the number of the first row that has checksums (64 bits; earlier rows are of an older version of anyrank),
then has two of 32 bits a row: of its id and of its record, which are compared at every reading. A row's number is never
given to another document. The next writer cuts off an unfinished row at the end that a killed one left.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..core.content import Image
from ..core.errors import InputError
from ..core.matches import Document, Reader
from ..core.types import Candidate
from ..disk import no_space, whole_file
from .checksums import Problem
from .cures import rebuild

FILES = ("rows.ids", "rows.bin", "rows.crc", "rows.idx")
"""The files of the rows in the order in which they are written: an entry in the last one is of a whole row."""
_PAIR = struct.Struct("<QQ")
_ROW = _PAIR.size
_HEAD, _SUM = 8, 8  # bytes of the beginning of rows.crc, and of a row's checksums there
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
    folder: Path
    sums: Sums

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

    def pieces(self, rows: Sequence[int], column: int) -> list[bytes]:
        """The bytes of ids (column 0) or records (column 1). Raises InputError, with file and cure, where they are not
        those that were written."""
        data, name = (self.records, "rows.bin") if column else (self.id_bytes, "rows.ids")
        out, crc, rows = [], zlib.crc32, np.asarray(rows, dtype=np.int64).tolist()
        if rows and max(rows) >= len(self):
            what = f"is cut short: {len(self):,} rows, row {max(rows):,} is needed"
            raise Problem(self.folder / "rows.idx", what, rebuild(self.folder)).error()
        for row, (a, b), sum in zip(rows, self._spans(rows, column), self.sums.of(rows, column, self.folder)):
            piece = data[a:b]
            if len(piece) != b - a or (sum is not None and crc(piece, row & 0xFFFFFFFF) != sum):
                raise self._damage(name, row)
            out.append(piece)
        return out

    def _damage(self, name: str, row: int) -> InputError:
        what = f"is damaged: row {row:,} is not what was written"
        return Problem(self.folder / name, what, rebuild(self.folder)).error()

    def ids(self, rows: Sequence[int]) -> list[str]:
        try:
            return [piece.decode() for piece in self.pieces(rows, 0)]
        except UnicodeDecodeError as error:  # a row without a checksum
            what = f"is damaged ({error})"
            raise Problem(self.folder / "rows.ids", what, rebuild(self.folder)).error() from None

    def documents(self, rows: Sequence[int]) -> list[Document]:
        out = []
        for row, piece in zip(rows, self.pieces(rows, 1)):
            try:
                content, meta = decoded(piece)
            except (ValueError, TypeError):  # a row without a checksum
                raise self._damage("rows.bin", row) from None
            out.append((content, meta))
        return out

    def candidates(self, rows: Sequence[int]) -> list[Candidate]:
        """The documents of the given rows as candidates, in the given order."""
        return [Candidate(i, content, 0.0, meta) for i, (content, meta) in zip(self.ids(rows), self.documents(rows))]


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """The checksums of ids and records, of the rows from ``first`` on."""

    first: int
    pairs: NDArray[np.uint32]  # [2 * rows]: of row r its id's at 2 (r - first), its record's behind it

    @classmethod
    def open(cls, folder: Path) -> Sums:
        """Those of a folder; none if an older version of anyrank wrote it."""
        path = folder / "rows.crc"
        if not path.exists():
            return cls(1 << 62, np.zeros(0, np.uint32))
        first, data = _first_sum(path), _map(path)
        return cls(first, np.frombuffer(data, dtype="<u4", count=len(data) // _SUM * 2)[_HEAD // 4 :])

    def of(self, rows: Sequence[int], column: int, folder: Path) -> list[int | None]:
        """The checksum of each row; None if it has none."""
        wanted = np.asarray(rows, dtype=np.int64)
        if not len(self.pairs) and (not len(wanted) or wanted.max() < self.first):
            return [None] * len(rows)
        cells = 2 * (wanted - self.first) + column
        if len(cells) and cells.max() >= len(self.pairs):
            what = f"is cut short: it lacks row {int(wanted.max()):,}"
            raise Problem(folder / "rows.crc", what, rebuild(folder)).error()
        sums = self.pairs[np.maximum(cells, 0)].tolist()
        return sums if not len(cells) or cells.min() >= 0 else [s if c >= 0 else None for s, c in zip(sums, cells)]


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
                return Snapshot(np.zeros(0, np.uint64), b"", b"", self.folder, Sums(0, np.zeros(0, np.uint32)))
            # The ends first: what they point to is in the other files by then.
            idx, records, ids = (_map(self.folder / f"rows.{n}") for n in ("idx", "bin", "ids"))
            ends = np.frombuffer(idx, dtype="<u8", count=len(idx) // _ROW * 2)
            self._snapshot = Snapshot(ends, ids, records, self.folder, Sums.open(self.folder))
        return self._snapshot

    def of(self, rows: Sequence[int]) -> Snapshot:
        """A snapshot that covers the given rows."""
        return self.covering(max(rows, default=-1) + 1)

    def reader(self, rows: Sequence[int]) -> Reader:
        """A reader of the given rows."""
        return Reader(self.of(rows))


def _map(path: Path) -> mmap.mmap | bytes:
    """The bytes of a file, mapped. Raises InputError if it is missing."""
    try:
        with open(path, "rb") as file:
            empty = not os.fstat(file.fileno()).st_size  # which can't be mapped
            return b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise Problem(path, f"can't be read ({error.strerror})", rebuild(path.parent)).error() from None


@dataclass(slots=True, eq=False)
class RowWriter:
    """The appender of a folder's rows. Appended rows are on disk after ``sync``; one writer at a time."""

    folder: Path
    files: Mapping[str, IO[bytes]]  # in the order of FILES
    count: int
    ends: tuple[int, int]
    fresh: list[tuple[bytes, bytes]] = field(default_factory=list, repr=False)

    @classmethod
    def open(cls, folder: Path, keep: int | None = None) -> RowWriter:
        """An appender after the last whole row, or after the first ``keep`` rows if that is given. Raises InputError
        if a file is shorter than its rows."""
        whole = len(Rows(folder))
        count = whole if keep is None else min(keep, whole)
        sums = folder / "rows.crc"
        if not sums.exists() or _first_sum(sums) > count:
            with whole_file(sums) as file:
                file.write(count.to_bytes(_HEAD, "little"))
        with ExitStack() as opened, no_space(folder):
            files = {n: opened.enter_context(open(folder / n, "ab+", buffering=0)) for n in FILES}
            idx = files["rows.idx"]
            idx.truncate(count * _ROW)
            idx.seek(max(count - 1, 0) * _ROW)
            ends = _PAIR.unpack(idx.read(_ROW)) if count else (0, 0)
            sizes = {"rows.ids": ends[0], "rows.bin": ends[1], "rows.crc": _HEAD + _SUM * (count - _first_sum(sums))}
            for name, size in sizes.items():
                if os.fstat(files[name].fileno()).st_size < size:
                    raise Problem(folder / name, "is cut short", rebuild(folder)).error()
                files[name].truncate(size)
            opened.pop_all()  # they stay open
        return cls(folder, files, count, ends)

    def append(self, id: bytes, record: bytes) -> int:
        """The row number of a new record."""
        self.fresh.append((id, record))
        self.count += 1
        if len(self.fresh) == _BUFFERED:
            self._write()
        return self.count - 1

    def _write(self) -> None:
        """The gathered rows into the files, in the order of FILES: a kill leaves no end without what it points to."""
        if not self.fresh:
            return
        sizes = np.array([(len(i), len(r)) for i, r in self.fresh], dtype="<u8").reshape(-1, 2)
        ends = np.cumsum(sizes, axis=0) + np.array(self.ends, dtype="<u8")
        rows = range(self.count - len(self.fresh), self.count)
        sums = [(zlib.crc32(i, n & 0xFFFFFFFF), zlib.crc32(r, n & 0xFFFFFFFF)) for n, (i, r) in zip(rows, self.fresh)]
        columns = (
            b"".join([i for i, _ in self.fresh]),
            b"".join([r for _, r in self.fresh]),
            np.array(sums, dtype="<u4").tobytes(),
            ends.astype("<u8").tobytes(),
        )
        for name, data in zip(FILES, columns):
            with no_space(self.folder / name):
                _write_all(self.files[name], data)
        self.ends = int(ends[-1, 0]), int(ends[-1, 1])
        self.fresh.clear()

    def sync(self) -> None:
        """Ids, records and checksums first, then the ends: so that an end on disk never points past the data."""
        self._write()
        for name, file in self.files.items():
            with no_space(self.folder / name):
                os.fsync(file.fileno())

    def close(self) -> None:
        for file in self.files.values():
            file.close()


def _write_all(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while len(view):
        view = view[file.write(view) :]


def _first_sum(path: Path) -> int:
    """The first row with checksums. Raises InputError if the file is cut short."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if len(head) < _HEAD:
        raise Problem(path, "is cut short", rebuild(path.parent)).error()
    return int.from_bytes(head, "little")


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


def decoded(data: bytes | str) -> Any:
    """The value of JSON that `record` wrote, with its images."""
    marked = (b'"$image"' if isinstance(data, bytes) else '"$image"') in data  # type: ignore[operator]
    return json.loads(data, object_hook=_image) if marked else json.loads(data)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode
