"""Fingerprints of model weights, so that cached answers are not reused after the weights at a path have changed."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

SUFFIXES = {".safetensors", ".gguf", ".bin", ".json", ".jinja", ".model", ".txt"}
"""Suffixes of the files that count."""
BLOCKS, BLOCK = 64, 1024
"""The number of blocks of each file that are hashed, and the bytes of a block."""


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
        """A short hash or commit; empty if neither can be known."""
        path = Path(self.path).expanduser()
        if path.exists():
            return files(path)
        sha = commit(self.path, self.revision)
        if not sha:
            _ = self._loaded  # fetches the weights, and with them the commit
            sha = commit(self.path, self.revision)
        return sha


def files(path: Path) -> str:
    """The fingerprint of a model's file or folder."""
    paths = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file())
    digest = hashlib.sha256()
    for file in paths:
        state = file.stat()
        digest.update(f"{file.name}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
        with open(file, "rb") as stream:
            for i in range(BLOCKS):  # evenly spaced over the file
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
