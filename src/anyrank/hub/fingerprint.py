"""What tells one set of weights from another at the same path, so that answers of one aren't taken for the other's."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

_TOLD_BY = {".safetensors", ".gguf", ".bin", ".json", ".jinja", ".model", ".txt"}
_BLOCKS, _BLOCK = 64, 1024


class Fingerprinted:
    """A model by its ``path`` (a folder, a file or a hub id) with a ``fingerprint``: of local files their names, sizes,
    times of change and 64 blocks of each, taken once; of a hub id the commit in the hub's cache."""

    path: str

    @cached_property
    def fingerprint(self) -> str:
        """A short text; empty where nothing is known."""
        place = Path(self.path).expanduser()
        if place.exists():
            return files(place)
        revision = getattr(self, "revision", None)
        found = commit(self.path, revision)
        if not found and hasattr(type(self), "_loaded"):
            _ = self._loaded  # type: ignore[attr-defined]  # fetches it
            found = commit(self.path, revision)
        return found


def files(place: Path) -> str:
    """The fingerprint of a model's file or folder."""
    told = [place] if place.is_file() else sorted(p for p in place.iterdir() if p.suffix in _TOLD_BY and p.is_file())
    digest = hashlib.sha256()
    for path in told:
        state = path.stat()
        digest.update(f"{path.name}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
        with open(path, "rb") as file:
            for i in range(_BLOCKS):
                file.seek(i * max(state.st_size - _BLOCK, 0) // (_BLOCKS - 1))
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()[:16]


def commit(name: str, revision: str | None) -> str:
    """The commit of a hub id that the hub's cache holds; empty where it holds none."""
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return ""
    try:
        found = try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return ""
    return Path(found).parent.name if isinstance(found, str) else ""
