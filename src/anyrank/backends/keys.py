"""Reads the keys of servers from the environment or a file, and never shows one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import InputError

LARGEST = 4096
"""The most bytes of a key's file."""


def read_key(environment: Sequence[str] = (), file: str = "") -> str:
    """The key in the first of some environment variables that holds one, else in a file; empty if neither is named.

    Raises InputError, which never quotes the key, if there is none, and for anything that no header can carry.
    """
    if environment:
        stated = next((name for name in environment if os.environ.get(name, "").strip()), environment[0])
        key, source = os.environ.get(stated, "").strip(), f"the environment variable {stated}"
        if not key:
            others = f" (or {', '.join(environment[1:])})" if environment[1:] else ""
            raise InputError(f"{source}{others} must hold the key, but is empty")
    elif file:
        source = f"the file {file}"
        try:
            with Path(file).expanduser().open("rb") as stream:
                data = stream.read(LARGEST + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no path"
            raise InputError(f"the file of the key can't be read: {reason}", path=file) from None
        if len(data) > LARGEST:
            raise InputError(f"{source} must hold only the key, in one line of visible ASCII characters")
        key = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").strip()
        if not key:
            raise InputError(f"{source} must hold the key, but is empty")
    else:
        return ""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InputError(f"{source} must hold only the key, in one line of visible ASCII characters")
    return key
