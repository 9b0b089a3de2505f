"""Reads files as numbered lines and writes whole files. UTF-8 always; gzip is written by the name (``.gz``) and read
wherever it stands; ``-`` is stdin or stdout.

A line, or a record of several lines, may have `longest` bytes: a small packed file may hold a line of many gigabytes.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import IO, Any, TextIO, cast

from ..core.errors import InputError
from ..disk import no_space, whole_file

File = str | os.PathLike[str]

_BOM = b"\xef\xbb\xbf"
_BUFFER = 1 << 18
_PACKED = {"zip": b"PK\x03\x04", "xz": b"\xfd7zXZ", "bzip2": b"BZh", "zstd": b"\x28\xb5\x2f\xfd", "7z": b"7z\xbc\xaf"}
LIMIT = "ANYRANK_MAX_LINE"
LONGEST = 32 << 20


def label(path: File) -> str:
    """The name of a file in error messages."""
    return "<stdin>" if os.fspath(path) == "-" else os.fspath(path)


def longest() -> int:
    """The most bytes of a line or record that are read: ANYRANK_MAX_LINE, such as 64M, else 32 MiB."""
    text = os.environ.get(LIMIT)
    return LONGEST if not text else size_of(text)


def size_of(text: str) -> int:
    """A number of bytes, such as 4096, 64M or 2G. Raises InputError on any other text.

    >>> size_of("64M")
    67108864
    """
    match = re.fullmatch(r"(\d{1,15})([KMG]?)(i?B)?", text.strip(), re.IGNORECASE)
    if not match or not int(match[1]):
        raise InputError(f"{LIMIT} is {text!r:.40}: expected a number of bytes, such as 64M")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()]


def too_long(path: File, line: int, most: int, what: str = "line") -> InputError:
    """The error for a line or record of more than ``most`` bytes."""
    message = (
        f"a {what} of more than {most:,} bytes: if that is meant, allow more with {LIMIT} or --max-line (such as 1G)"
    )
    return InputError(message, path=label(path), line=line)


@contextmanager
def opened(path: File) -> Iterator[io.BufferedReader]:
    """A file or stdin, unpacked if it is gzip, behind its byte-order mark. Raises InputError, also within the block,
    if it can't be read, is damaged gzip, packed in another way, or begins as UTF-16."""
    name = label(path)
    try:
        with ExitStack() as stack:
            source = _source(path, stack)
            head = source.peek(8)[:8]
            if os.fspath(path).endswith(".gz") or head.startswith(b"\x1f\x8b"):
                packed = stack.enter_context(gzip.GzipFile(fileobj=source))
                source = io.BufferedReader(cast(io.RawIOBase, packed), _BUFFER)
                head = source.peek(8)[:8]
            for kind, mark in _PACKED.items():
                if head.startswith(mark):
                    raise InputError(f"the file is packed ({kind}), not text: unpack it, or pack it as .gz", path=name)
            if head.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise InputError("the file is UTF-16: convert it to UTF-8", path=name, line=1)
            if head.startswith(_BOM):
                source.read(len(_BOM))
            yield source
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"damaged or cut-off gzip data ({error})", path=name, line=1) from None
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror or error}", path=name) from None


def lines(path: File, most: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Each line with its number (from 1), line end kept, byte-order mark removed; blank lines come too.

    Raises InputError as `opened` does, and at a line of more than ``most`` bytes (`longest` if it isn't given).
    """
    with opened(path) as source:
        yield from numbered(source, path, most)


def numbered(source: io.BufferedReader, path: File, most: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The lines of an opened file, as `lines` gives them."""
    most = most or longest()
    n = 0
    try:
        for n, raw in enumerate(iter(partial(source.readline, most + 1), b""), 1):
            if len(raw) > most:
                raise too_long(path, n, most)
            yield n, raw
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"damaged or cut-off gzip data ({error})", path=label(path), line=n + 1) from None


def texts(path: File, most: int | None = None) -> Iterator[tuple[int, str]]:
    """The lines of a file as text. Raises InputError at the first line that isn't UTF-8."""
    for n, raw in lines(path, most):
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


def _source(path: File, stack: ExitStack) -> io.BufferedReader:
    if os.fspath(path) == "-":
        stdin = sys.stdin.buffer
        return stdin if isinstance(stdin, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stdin))
    file = io.BufferedReader(io.FileIO(path, "rb"), _BUFFER)
    stack.callback(file.close)
    return file


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
            with no_space(path), _direct(name, path) as raw, _text(raw, packed) as f:
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
