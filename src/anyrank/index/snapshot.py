"""Copies a collection that is in use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..core.errors import InputError
from ..disk import no_space, sync_folder
from ..store.manifest import NAME
from .collection import Collection
from .writers import writers_out


def snapshot(folder: Path, out: Path) -> Collection:
    """A copy of a collection, opened: one state of it, whatever is written later. Searches go on meanwhile, writers
    find it locked. A copy that was killed can't be opened, since its manifest comes last.

    Raises InputError if ``out`` is there already, if another process writes, or the disk is full.
    """
    Collection.open(folder)  # says if there is none, or it is not finished
    if out.exists():
        raise InputError("is there already: a copy needs a new folder", path=out)
    if out.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"is inside {folder}: a copy needs a folder of its own", path=out)
    with writers_out(folder), no_space(out):
        shutil.copytree(folder, out, ignore=_passing)
        for path in [*out.rglob("*"), out]:
            if path.is_dir():
                sync_folder(path)
            else:
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
        shutil.copy2(folder / NAME, out / f".{NAME}.tmp")
        os.rename(out / f".{NAME}.tmp", out / NAME)
        sync_folder(out)
    return Collection.open(out)


def _passing(folder: str, names: list[str]) -> list[str]:
    """What is not copied: locks, what is being written or thrown away, and the manifest, which comes last."""
    return [
        n for n in names if n == NAME or n.endswith(".lock") or n in (".new", ".old") or n.endswith((".tmp", ".old"))
    ]
