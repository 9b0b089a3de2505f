"""Replaces the collection of a folder by one that is built inside the same folder, in ``.new``, once that is whole.

The folder itself is never renamed, so it may be a mount point, a link or the working directory, and other files in it
stay.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..disk import alone, sync_folder
from ..store.engine import FOLDER
from ..store.engine_files import STATE
from ..store.manifest import NAME, Manifest
from ..store.rows import FILES

NEW, OLD, CARRIED = ".new", ".old", "vectors"
_FILES = (CARRIED, FOLDER, STATE, *FILES)


@contextmanager
def replacement(folder: Path) -> Iterator[Path]:
    """An empty folder to build in; what it holds at the end of the block takes the place of the collection in
    ``folder``. An exception or a kill leaves the old collection as it was.

    Raises InputError if another process is replacing the same collection.
    """
    new = folder / NEW
    with alone(folder / f"{NEW}.lock", folder, "another process is building a new collection here: wait until it ends"):
        shutil.rmtree(new, ignore_errors=True)
        try:
            new.mkdir()
            yield new
            _swap(folder)
        finally:
            # A kill or an error within the swap leaves no manifest outside: then `.new` is needed to finish it.
            if (folder / NAME).exists():
                shutil.rmtree(new, ignore_errors=True)


def finish_swap(folder: Path) -> None:
    """Ends a swap that was killed between its first and its last step; else changes nothing."""
    if not (folder / NAME).exists() and (folder / NEW / NAME).exists() and Manifest.read(folder / NEW).complete:
        _swap(folder)


def _swap(folder: Path) -> None:
    """The manifest leaves first and comes last, so that no reader opens half a collection. Each step may be repeated:
    a file that is no longer in ``.new`` has been moved already. Vectors of documents that a new build replaces go too:
    what it brings instead (`rewrite`), or nothing, is put in their place."""
    new, old = folder / NEW, folder / OLD
    shutil.rmtree(old, ignore_errors=True)
    old.mkdir()
    if (folder / NAME).exists():
        (new / CARRIED).mkdir(exist_ok=True)  # so that a repeated step tells the new vectors from the old
        (folder / NAME).rename(old / NAME)
    for name in _FILES:
        if (folder / name).exists() and (new / name).exists():
            (folder / name).rename(old / name)
        if (new / name).exists():
            (new / name).rename(folder / name)
    with suppress(OSError):  # it stays if there are vectors
        (folder / CARRIED).rmdir()
    sync_folder(folder)
    (new / NAME).rename(folder / NAME)
    sync_folder(folder)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(new, ignore_errors=True)
