"""Which files a command reads, told by its words as they were typed, so that none of them is overwritten."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..io.pictures import ENDINGS
from ..store.manifest import NAME

COLLECTION = ("corpus.jsonl", "queries.jsonl")
_QUOTED = re.compile(r"\"([^\"]+)\"|'([^']+)'")


def read_by(path: Path, arguments: Sequence[str]) -> str:
    """The argument beside the output's own by which a command reads the existing file ``path``: the same file, one that
    a pipeline or a model's address names, or a folder of which it is read (a picture, a collection's file, a part of an
    index). Empty if there is none."""
    own = 0
    for word in arguments:
        for name in _names(word):
            try:
                if os.path.isdir(name):
                    if _reads(Path(name).resolve(), path.resolve()):
                        return name
                elif os.path.samefile(name, path):
                    own += 1
                    if own > 1:
                        return name
                    break
            except (OSError, ValueError):  # no file, or no name of one
                continue
    return ""


def _names(word: str) -> Iterator[str]:
    """The names of files that a word may hold: FILE, -oFILE, --out=FILE, NAME=FILE, llamacpp:FILE and model("FILE")."""
    yield word
    if word.startswith("-") and not word.startswith("--"):
        yield word[2:]
    for sign in "=:":
        yield word.partition(sign)[2]
    for one, other in _QUOTED.findall(word):
        yield one or other


def _reads(folder: Path, file: Path) -> bool:
    """True if a command that is given the folder reads this file in it."""
    if folder not in file.parents:
        return False
    inner = [folder, *(p for p in file.parents if folder in p.parents)]
    if any((p / NAME).is_file() for p in inner):
        return True
    if (folder / COLLECTION[0]).is_file() or (folder / f"{COLLECTION[0]}.gz").is_file():
        return file.name.removesuffix(".gz") in COLLECTION or file.parent == folder / "qrels"
    return file.suffix.lower() in ENDINGS
