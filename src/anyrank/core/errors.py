"""Errors that name what is wrong, where, and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from os import PathLike
from typing import Any

LONGEST = 1000
"""The most characters of an error's text."""
_QUOTED, _LISTED = 80, 12  # characters of a quoted value, and names of a list


def short(text: str, most: int = _QUOTED) -> str:
    """A text cut to about ``most`` characters, with its length if it was longer: its beginning and its end.

    >>> short("a" * 1000 + "z", 20)
    'aaaaaaaaaaaaaa…aaaaz (1,001 characters)'
    """
    if len(text) <= most:
        return text
    end = most // 4
    return f"{text[: most - end - 1]}…{text[-end:]} ({len(text):,} characters)"


def quoted(value: Any, most: int = _QUOTED) -> str:
    """The repr of a user's value, short enough for an error's text.

    >>> quoted("mini"), len(quoted("x" * 1_000_000)) < 120
    ("'mini'", True)
    """
    if isinstance(value, str | bytes) and len(value) > most:
        # only what is shown is escaped, since the value may be large
        return short(repr(value[:most])[:most], most) + f"… ({len(value):,} long)"
    try:
        return short(repr(value), most)
    except Exception:  # noqa: BLE001 - a value whose repr fails, or is nested too deeply
        return f"a {type(value).__name__}"


def listed(names: Iterable[Any], most: int = _LISTED) -> str:
    """Names after each other, the first few of many, each short.

    >>> listed(["id", "text"]), listed(map(str, range(1_000_000)), 3), listed([])
    ('id, text', '0, 1, 2 and 999,997 more', 'none')
    """
    every = list(names)
    rest = f" and {len(every) - most:,} more" if len(every) > most else ""
    return (", ".join(short(str(name), 40) for name in every[:most]) or "none") + rest


def reason(error: BaseException) -> str:
    """Why stored data can't be read, without the names of Python's exceptions and types.

    >>> reason(KeyError("times")), reason(TypeError("'int' object is not iterable"))
    ("there is no field 'times'", 'a value is of another type than expected')
    """
    if isinstance(error, AnyrankError):
        return str(error)
    if isinstance(error, KeyError):
        return f"there is no field {quoted(error.args[0] if error.args else '')}"
    if isinstance(error, json.JSONDecodeError):
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        return f"broken JSON: {error.msg} at {line}column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02x} is not UTF-8"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, TypeError | AttributeError | IndexError):
        return "a value is of another type than expected"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, OverflowError):
        return "a number is too large"
    return str(error)


class AnyrankError(Exception):
    """Root of every error that anyrank raises on purpose. Its text is never longer than `LONGEST` and a few words, so
    that data which it quotes can't flood a terminal or a log."""

    def __init__(self, message: str = "") -> None:
        super().__init__(short(str(message), LONGEST))


class InputError(AnyrankError, ValueError):
    """Bad input, with the file and the line (counted from 1) if these are known.

    >>> str(InputError("expected 6 columns, found 5", path="bm25.trec", line=17))
    'bm25.trec:17: expected 6 columns, found 5'
    """

    def __init__(self, message: str, *, path: str | PathLike[str] | None = None, line: int | None = None) -> None:
        where = "" if path is None else short(str(path), LONGEST // 4)
        location = "" if path is None else f"{where}: " if line is None else f"{where}:{line}: "
        super().__init__(location + message)
        self.path, self.line = path, line


class ModelError(AnyrankError):
    """A model that can't be found, fetched, verified or loaded."""


class StoreError(AnyrankError):
    """A store's server that can't be reached, refuses, or breaks off. What it had acknowledged before stays."""


class MissingExtra(AnyrankError, ImportError):
    """A missing optional package, with the extra that installs it, and perhaps a way without it.

    >>> str(MissingExtra("pandas", extra="datasets"))
    "this needs the package 'pandas', which is not installed: pip install 'anyrank[datasets]'"
    """

    def __init__(self, package: str, extra: str, instead: str = "") -> None:
        cure = f"pip install 'anyrank[{extra}]'" + (f" ({instead})" if instead else "")
        super().__init__(f"this needs the package {package!r}, which is not installed: {cure}")
        self.package, self.extra = package, extra


class JudgeError(AnyrankError):
    """A judge that broke its contract. The driver falls back to the present order and says so,
    unless it runs with ``strict=True``, which raises this."""
