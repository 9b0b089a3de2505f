"""Writes files whole or not at all, and lets one process at a time into a block of code."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from .core.errors import InputError

Path = str | os.PathLike[str]


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when it is whole: written beside, synced, then moved into place.

    An exception or a kill leaves the previous file unchanged (the next writer takes over the unfinished one).
    Raises InputError if the file can't be written, or another process is writing it.
    """
    name = os.path.realpath(path)
    folder, base = os.path.split(name)
    temp = os.path.join(folder, f".{base}.tmp")
    with _locked(temp, path, "another process is writing this file") as raw, no_space(path):
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
    """A block that only one process at a time may run. The file ``lock`` is removed at its end; after a kill the next
    process takes it over. Raises InputError about ``path`` with the message ``busy`` if another process is inside."""
    with _locked(lock, path, busy):
        try:
            yield
        finally:
            if os.path.exists(lock):
                os.unlink(lock)


def _locked(file: Path, path: Path, busy: str) -> IO[bytes]:
    """The file ``file``, emptied, and locked as long as it is open. ``path`` is named in errors."""
    try:
        raw = open(file, "ab")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"can't be written: {error.strerror}", path=path) from None
    try:
        fcntl.flock(raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The process before may have moved or removed the file between our open and our lock: then the lock is on a
        # file that nobody else sees.
        if not os.path.samestat(os.stat(file), os.fstat(raw.fileno())):
            raise BlockingIOError
    except (BlockingIOError, FileNotFoundError):
        raw.close()
        raise InputError(busy, path=path) from None
    raw.truncate(0)
    return raw


_FULL = {errno.ENOSPC: "no space left on the device", errno.EDQUOT: "the disk quota is used up"}
_FULL[errno.EFBIG] = "the file is larger than this system or its limits allow"


_NUMPY = re.compile(r"\d+ requested and \d+ written")  # its error has no number


@contextmanager
def no_space(path: Path) -> Iterator[None]:
    """A block that writes: if the disk is full, it ends in an InputError that says so and names ``path``. Other errors
    pass."""
    try:
        yield
    except Exception as error:
        if reason := full(error):
            raise InputError(f"{reason}: nothing more could be written", path=path) from error
        raise


def full(error: BaseException) -> str:
    """Why nothing more can be written, if that is what an error says (an engine may say it only in its text); else
    an empty text.

    >>> full(OSError(errno.ENOSPC, "x")), full(ValueError("bad"))
    ('no space left on the device', '')
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        return _FULL[error.errno]
    text = "" if isinstance(error, InputError) else str(error)
    for number, reason in _FULL.items():
        if f"os error {number}" in text or f"(code: {number}" in text or f"code: {number}," in text:
            return reason
    if "No space left on device" in text or "database or disk is full" in text or _NUMPY.fullmatch(text):
        return _FULL[errno.ENOSPC]
    return ""


def sync_folder(folder: Path) -> None:
    """Make renames inside the folder durable (fsync)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
