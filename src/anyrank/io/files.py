"""Reads files as numbered lines and writes whole files. UTF-8 always; gzip by the name (``.gz``); ``-`` is stdin or
stdout."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import IO, Any, TextIO, cast

from ..core.errors import InputError
from ..disk import whole_file

File = str | os.PathLike[str]

_BOM = b"\xef\xbb\xbf"
_BUFFER = 1 << 18


def label(path: File) -> str:
    """The name of a file in error messages."""
    return "<stdin>" if os.fspath(path) == "-" else os.fspath(path)


def lines(path: File) -> Iterator[tuple[int, bytes]]:
    """Each line with its number (from 1), line end kept, byte-order mark removed; blank lines come too.

    Raises InputError if the file can't be read, is damaged gzip, or begins as UTF-16.
    """
    name, n = label(path), 0
    try:
        with _source(path) as f:
            for n, raw in enumerate(f, 1):
                if n == 1:
                    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                        raise InputError("the file is UTF-16: convert it to UTF-8", path=name, line=1)
                    raw = raw.removeprefix(_BOM)
                yield n, raw
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"damaged or cut-off gzip data ({error})", path=name, line=n + 1) from None
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror or error}", path=name) from None


def texts(path: File) -> Iterator[tuple[int, str]]:
    """The lines of a file as text. Raises InputError at the first line that isn't UTF-8."""
    for n, raw in lines(path):
        yield n, decode(raw, path, n)


def decode(raw: bytes, path: File, line: int) -> str:
    """Bytes of a line as text, or an InputError that names the byte."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        what = f"byte 0x{raw[error.start]:02x} at column {error.start + 1} is not UTF-8: convert the file to UTF-8"
        raise InputError(what, path=label(path), line=line) from None


def empty(path: File, expected: str) -> InputError:
    """The error for an empty file."""
    return InputError(f"the file is empty: expected {expected}", path=label(path))


def _source(path: File) -> AbstractContextManager[IO[bytes]]:
    name = os.fspath(path)
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    if name.endswith(".gz"):
        return io.BufferedReader(cast(io.RawIOBase, gzip.open(name, "rb")), _BUFFER)
    return open(name, "rb", buffering=_BUFFER)


@contextmanager
def atomic(path: File) -> Iterator[TextIO]:
    """A text file that appears under its name only when it is whole: written beside, synced, then moved into place.

    An exception or a kill leaves the previous file unchanged (the next writer takes over the unfinished one). Devices
    and pipes are written to directly. Raises InputError if the file can't be written, another process is
    writing it, or the text can't be UTF-8.
    """
    if os.fspath(path) == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    name = os.path.realpath(path)
    packed = name.endswith(".gz")
    try:
        if os.path.exists(name) and not os.path.isfile(name):
            with _direct(name, path) as raw, _text(raw, packed) as f:
                yield f
        else:
            with whole_file(path) as raw, _text(raw, packed) as f:
                yield f
    except UnicodeEncodeError as error:
        raise InputError(f"text that is not valid Unicode can't be written: {error}", path=path) from None


def _direct(name: str, path: File) -> IO[bytes]:
    try:
        return open(name, "wb")
    except OSError as error:
        raise InputError(f"can't be written: {error.strerror}", path=path) from None


@contextmanager
def _text(raw: IO[bytes], packed: bool) -> Iterator[TextIO]:
    """A text layer over ``raw``."""
    out: Any = gzip.GzipFile("", "wb", 6, raw, mtime=0) if packed else raw
    text = io.TextIOWrapper(out, "utf-8", newline="\n")
    try:
        yield text
    finally:
        text.detach()
        if packed:
            out.close()
    raw.flush()
