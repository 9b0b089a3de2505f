"""A linked index: a folder that names the shards of an index, which are searched as one (``anyrank merge --link``)."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

SHARDS = "shards.json"
"""The folder's file, which names the shards."""
_LISTED = 4  # shards named one by one
_PART = re.compile(r"(.+)\.\d+(-of-\d+)")


def is_linked(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is a linked index."""
    return (Path(folder) / SHARDS).is_file()


def shards_of(folder: Path) -> list[str]:
    """The folders of the shards. Raises ValueError (KeyError, TypeError) if its file can't be read."""
    record = json.loads((folder / SHARDS).read_text("utf-8"))
    names = record["shards"]
    if record["format"] != 1 or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"format {record['format']}, {len(names)} shards")
    return [os.path.normpath(folder / name) for name in names]


def shard_words(folder: Path) -> str:
    """The folders of the shards as words of a command line; of many a pattern, if they are named alike."""
    try:
        shards = shards_of(folder)
    except (OSError, KeyError, TypeError, ValueError):
        return "PART…"
    alike = {match.groups() for shard in shards if (match := _PART.fullmatch(shard))}
    if len(shards) <= _LISTED or len(alike) > 1 or not all(map(_PART.fullmatch, shards)):
        return shlex.join(shards)
    ((name, of),) = alike
    return f"{shlex.quote(name)}.*{of}"


def advice(folder: Path) -> str:
    """What a linked index is, and what to do in place of what was asked of it."""
    words, joined = shard_words(folder), shlex.quote(f"{folder}.joined")
    return (
        f"is a linked index, which names its parts and can only be searched: do this to each ({words}), or join "
        f"them into one index with `anyrank merge {words} -o {joined}`"
    )
