"""Folders of files that an index derives from stored vectors, and the index files themselves, by their names."""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..disk import no_space, sync_folder
from ..store.checksums import write_checksums
from ..vectors import vectors_class
from .base import IndexFile


def index_file(name: str, path: Path | None = None) -> IndexFile:
    """The file of this folder that defines an index. Raises InputError if there is none: about stored vectors at
    ``path`` that note a name of a newer version, or else about a name that was chosen."""
    try:
        module = importlib.import_module(f"{__package__}.{name}") if name.isidentifier() else None
    except ImportError:
        module = None
    if not isinstance(module, IndexFile):
        if path is not None:
            raise InputError(f"its index {name!r} is unknown: upgrade anyrank, or encode with another", path=path)
        raise InputError(f"the index {name!r} is unknown: choose one of {', '.join(index_names())}")
    return module


def index_names() -> list[str]:
    """The names of all indexes of vectors.

    >>> index_names()
    ['approximate', 'nearest', 'plaid', 'postings']
    """
    names = (m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(n for n in names if isinstance(importlib.import_module(f"{__package__}.{n}"), IndexFile))


def default_index(kind: str) -> str:
    """The exact index of a kind of vectors: postings for vectors that need an overlap, a scan for others."""
    return "postings" if vectors_class(kind).needs_overlap else "nearest"


def no_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """No options. Raises InputError if there are any."""
    if options:
        raise InputError(f"the index {name!r} has no option {next(iter(options))!r}: it has none")
    return {}


def no_option(name: str, unknown: Collection[str], known: Collection[str]) -> InputError:
    """The error about options that an index doesn't have."""
    return InputError(f"the index {name!r} has no option {min(unknown)!r}: it has {', '.join(known)}")


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """An option's value. Raises InputError if it is no whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{name}={value!r}: expected a whole number of at least {least}")
    return value


@contextmanager
def derived_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to write files into; at the end of the block they are synced, given checksums, and put in the
    place of ``folder``, whose old files readers that have them open still read. An exception or a kill leaves the old
    folder; a kill between the two renames leaves none, until the next update. Raises InputError if the disk is full."""
    fresh, old = (folder.with_name(f".{folder.name}.{end}") for end in ("tmp", "old"))
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        with no_space(folder):
            fresh.mkdir()
            yield fresh
            for path in fresh.iterdir():
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
            write_checksums(fresh)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
