"""Fingerprints by which stored scores are found again: of a pipeline's text, its models and its collection's state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.errors import AnyrankError
from ..core.stage import Fuse, Stage, Then, Weighted
from ..hub.open import declare, is_server
from ..hub.registry import SHIPPED
from ..index.sharded import ShardedCollection
from ..pipeline.arguments import Call
from ..pipeline.named import Named
from ..store.engine import FOLDER
from ..store.manifest import NAME as MANIFEST
from ..store.vector_names import META
from ..stores.remote import Remote

BLOCKS, BLOCK = 64, 4096
"""The number of blocks of each file that are hashed, and the bytes of a block."""


def fingerprint(text: str, calls: list[Call], collection: Any, settings: str = "") -> str:
    """A short hash of a pipeline over a collection; another one if its text, a file of its models or a document
    changes. ``settings`` describes what else its scores depend on, such as a filter."""
    models = {name: files(path) for name in models_of(calls) if (path := _path(name)) is not None}
    digest = hashlib.sha256(repr((text, sorted(models.items()), settings)).encode())
    if collection is not None:
        digest.update(version(collection).encode())
    return digest.hexdigest()[:24]


def calls_of(stage: Stage) -> list[Call]:
    """The calls of all names in a stage.

    >>> from anyrank.pipeline.parser import parse
    >>> [str(call) for call in calls_of(parse('model("mini") + 2 * prior', starts=False))]
    ['model("mini")', 'prior']
    """
    match stage:
        case Named(call):
            return [call]
        case Then(first, second):
            return calls_of(first) + calls_of(second)
        case Weighted(inner, _):
            return calls_of(inner)
        case Fuse(stages, _):
            return [call for part in stages for call in calls_of(part)]
    return []


def models_of(calls: list[Call]) -> Iterator[str]:
    """The names in some calls that may be those of models or of their files."""
    for call in calls:
        if call.name == "mini" or call.name in SHIPPED:
            yield SHIPPED.get(call.name, call.name)
        yield from (value for _, value in call.arguments if isinstance(value, str))


def _path(name: str) -> Path | None:
    """The folder or file of a model; None if a name is no model's, or one of a server."""
    if (path := Path(name).expanduser()).exists():
        return path
    if is_server(name):
        return None
    try:
        folder = declare(name).folder
    except AnyrankError:
        return None
    return folder if folder.exists() else None


def files(path: Path) -> str:
    """A hash of a model's files: of their names and sizes, and of 64 blocks of each, so that a copy has the same."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file()):
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode())
        with open(file, "rb") as stream:
            for i in range(BLOCKS):  # evenly spaced over the file
                stream.seek(i * max(size - BLOCK, 0) // (BLOCKS - 1))
                digest.update(stream.read(BLOCK))
    return digest.hexdigest()


def version(collection: Any) -> str:
    """A hash of the state of an opened collection: its build, its last commit and its stored vectors; of a linked index
    those of its parts, of one on a server its address and size."""
    if isinstance(collection, Remote):
        return f"{collection.path} {len(collection)}"
    if isinstance(collection, ShardedCollection):
        return hashlib.sha256(" ".join(map(version, collection.collections)).encode()).hexdigest()
    folder = Path(collection.path)
    digest = hashlib.sha256()
    for file in (folder / MANIFEST, folder / FOLDER / "meta.json"):
        digest.update(file.read_bytes())
    for name in collection.encoded:
        vectors = folder / "vectors" / name
        shards = sorted(p.name for p in vectors.iterdir() if p.is_file() and p.name[:1] != ".")
        digest.update(repr((name, (vectors / META).read_bytes(), shards)).encode())
    return digest.hexdigest()
