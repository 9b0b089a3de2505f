"""Files that appear whole or not at all, and one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from .core.errors import InputError

Path = str | os.PathLike[str]


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when it is whole: written beside, synced, then moved into place.

    An exception leaves what stood there before, and so does a kill (the next writer takes over the unfinished file).
    Raises InputError if the file can't be written, or another process is writing it.
    """
    name = os.path.realpath(path)
    folder, base = os.path.split(name)
    temp = os.path.join(folder, f".{base}.tmp")
    with _claimed(temp, path, "another process is writing this file") as raw:
        try:
            yield raw
            raw.flush()
            os.fsync(raw.fileno())
            os.replace(temp, name)
            sync_folder(folder)
        except BaseException:
            if os.path.exists(temp):
                os.unlink(temp)
            raise


@contextmanager
def alone(lock: Path, path: Path, busy: str) -> Iterator[None]:
    """A block that one process at a time is in, by a file ``lock`` that goes away with it, a kill's too. Raises
    InputError about ``path``, which says ``busy``, if another is."""
    with _claimed(lock, path, busy):
        try:
            yield
        finally:
            if os.path.exists(lock):
                os.unlink(lock)


def _claimed(place: Path, path: Path, busy: str) -> IO[bytes]:
    """A file at ``place``, emptied and locked as long as it is open."""
    try:
        raw = open(place, "ab")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"can't be written: {error.strerror}", path=path) from None
    try:
        fcntl.flock(raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.stat(place), os.fstat(raw.fileno())):
            raise BlockingIOError
    except (BlockingIOError, FileNotFoundError):
        raw.close()
        raise InputError(busy, path=path) from None
    raw.truncate(0)
    return raw


def sync_folder(folder: Path) -> None:
    """Renames inside the folder made durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
