"""Checksums of the files of a collection, by which a file that was cut short or changed is noticed and named.

Rows have a checksum each (`rows`), the engine's files end with one that the engine writes, and folders of arrays hold
``checksums.json``: the size and checksum of every other file in the folder.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, reason
from .manifest import write_json

SUMS = "checksums.json"
_BLOCK = 512  # words of 64 bits that are summed before the checksum, about five times as fast as that of every byte


@dataclass(frozen=True, slots=True)
class Problem:
    """A damaged file: what is wrong with it, and the cure."""

    path: Path
    what: str
    cure: str

    def error(self) -> InputError:
        return InputError(f"{self.what}: {self.cure}", path=self.path)


def checksum(data: bytes | NDArray[np.uint8]) -> int:
    """A checksum of 32 bits over sums of blocks of 4096 bytes: any one changed word is noticed.

    >>> checksum(b"x" * 5000) == checksum(b"x" * 4999 + b"y")
    False
    """
    array = np.frombuffer(data, dtype=np.uint8) if isinstance(data, bytes) else data
    size = len(array) // 8 * 8
    words = array[:size].view("<u8")
    sums = np.add.reduceat(words, np.arange(0, len(words), _BLOCK)) if len(words) else words
    return zlib.crc32(array[size:].tobytes(), zlib.crc32(sums.astype("<u8").tobytes()))


def file_checksum(path: Path) -> int:
    """The checksum of a file, read through a map of it."""
    size = path.stat().st_size
    return checksum(np.memmap(path, dtype=np.uint8, mode="r") if size else b"")


def write_checksums(folder: Path) -> None:
    """Size and checksum of every file of the folder into ``checksums.json``."""
    names = sorted(n for n in os.listdir(folder) if n != SUMS and not n.startswith("."))
    write_json(folder / SUMS, {n: [(folder / n).stat().st_size, file_checksum(folder / n)] for n in names})


def read_checksums(folder: Path) -> dict[str, tuple[int, int]] | None:
    """Size and checksum of each file of a folder; None if it was written without. Raises ValueError if the file that
    holds them is damaged."""
    path = folder / SUMS
    if not path.exists():
        return None
    sums: Any = json.loads(path.read_text("utf-8"))
    if not isinstance(sums, dict):
        raise ValueError("expected an object")
    return {name: (int(size), int(sum)) for name, (size, sum) in sums.items()}


def array_problems(folder: Path, cure: str, *, whole: bool = True) -> list[Problem]:
    """The damaged files of a folder of arrays; without ``whole`` only sizes are compared. None are found where there
    are no checksums."""
    try:
        sums = read_checksums(folder)
    except (ValueError, TypeError, OSError) as error:
        return [Problem(folder / SUMS, f"is damaged ({reason(error)})", cure)]
    problems = []
    for name, (size, expected) in (sums or {}).items():
        path = folder / name
        if not path.is_file():
            problems.append(Problem(path, "is missing", cure))
        elif (present := path.stat().st_size) != size:
            problems.append(Problem(path, f"is damaged: {present:,} bytes, {size:,} were written", cure))
        elif whole and file_checksum(path) != expected:
            problems.append(Problem(path, "is damaged: its checksum is not that of what was written", cure))
    return problems
