"""Errors that name what is wrong, where, and how to mend it."""

from __future__ import annotations

from os import PathLike

LONGEST = 2000
"""Characters of an error message; a longer one, which quotes a whole input, is cut in its middle."""


class AnyrankError(Exception):
    """Root of every error that anyrank raises on purpose."""

    def __init__(self, message: str = "", *more: object) -> None:
        super().__init__(short(message), *more)


def short(message: str, most: int = LONGEST) -> str:
    """The message, cut in its middle if it is longer than ``most`` characters.

    >>> short("a" * 10, 5)
    'aaa … aa'
    """
    if not isinstance(message, str) or len(message) <= most:
        return message
    return f"{message[: most - most // 3 - 1]} … {message[-(most // 3) - 1 :]}"


class InputError(AnyrankError, ValueError):
    """Bad input, with the file and the line (counted from 1) if these are known.

    >>> str(InputError("expected 6 columns, found 5", path="bm25.trec", line=17))
    'bm25.trec:17: expected 6 columns, found 5'
    """

    def __init__(self, message: str, *, path: str | PathLike[str] | None = None, line: int | None = None) -> None:
        location = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(location + message)
        self.path, self.line = path, line


class ModelError(AnyrankError):
    """A model that can't be found, fetched, verified or loaded."""


class MissingExtra(AnyrankError, ImportError):
    """A missing optional package, with the extra that installs it.

    >>> str(MissingExtra("pandas", extra="datasets"))
    "this needs the package 'pandas', which is not installed: pip install 'anyrank[datasets]'"
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs the package {package!r}, which is not installed: pip install 'anyrank[{extra}]'")
        self.package, self.extra = package, extra


class JudgeError(AnyrankError):
    """A judge that broke its contract. The driver falls back to the present order and says so,
    unless it runs with ``strict=True``, which raises this."""
