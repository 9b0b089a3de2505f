"""Tells one set of weights from another at the same path, so that kept answers of one aren't taken for the other's."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

SUFFIXES = {".safetensors", ".gguf", ".bin", ".json", ".jinja", ".model", ".txt"}
"""Of the files that are read."""
BLOCKS, BLOCK = 64, 1024
"""How many blocks of a file are hashed, and their bytes."""


class Fingerprinted:
    """A model by its ``path`` (a folder, a file or a hub id) with a ``fingerprint``: of local files their names, sizes,
    times of change and 64 blocks of each, taken once; of a hub id the commit in the hub's cache."""

    path: str
    revision: str | None = None

    @property
    def _loaded(self) -> Any:
        """The loaded weights, for those that come from a hub; reading it fetches them."""
        return None

    @cached_property
    def fingerprint(self) -> str:
        """A short text; empty if nothing is known."""
        path = Path(self.path).expanduser()
        if path.exists():
            return files(path)
        known = commit(self.path, self.revision)
        if not known:
            _ = self._loaded
            known = commit(self.path, self.revision)
        return known


def files(path: Path) -> str:
    """The fingerprint of a model's file or folder."""
    read = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file())
    digest = hashlib.sha256()
    for file in read:
        state = file.stat()
        digest.update(f"{file.name}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
        with open(file, "rb") as stream:
            for i in range(BLOCKS):
                stream.seek(i * max(state.st_size - BLOCK, 0) // (BLOCKS - 1))
                digest.update(stream.read(BLOCK))
    return digest.hexdigest()[:16]


def commit(name: str, revision: str | None) -> str:
    """The commit of a hub id that the hub's cache holds; empty if it holds none."""
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return ""
    try:
        path = try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return ""
    return Path(path).parent.name if isinstance(path, str) else ""
