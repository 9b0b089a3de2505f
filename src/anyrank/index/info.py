"""The parts of an index: what each holds, how large it is, and whether it is complete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import AnyrankError, InputError
from ..store.engine import FOLDER
from ..store.engine_files import engine_problems
from ..store.rows import FILES
from ..store.vector_names import encode_command, model_of
from .base import Describes
from .collection import Collection
from .sharded import ShardedCollection
from .vector_store import VectorStore, without_meta

COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: ``documents`` are those that it covers, of all in the index; ``state`` is "complete", or says what is
    missing or damaged with its cure. ``details`` are the part's own."""

    name: str
    documents: int
    bytes: int
    state: str = COMPLETE
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def damaged(self) -> bool:
        """Whether it needs a cure before it serves whole."""
        return self.state != COMPLETE and not self.state.startswith("incomplete")

    def as_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return asdict(self)


def parts_of(collection: Collection) -> list[Part]:
    """All parts of a collection: its documents, BM25, and the vectors of each model. Sizes of files are compared with
    those that were written; `check` also reads them. Of a linked index a part is that of all its shards together."""
    if isinstance(collection, ShardedCollection):
        return _together(collection.collections)
    path, store, count = collection.path, collection.store, len(collection)
    rows = [path / name for name in FILES if (path / name).exists()]
    present, fields, state = 0, list[str](), COMPLETE
    try:
        for live in store.live():
            present += len(live)
        fields = store.fields()
    except InputError as error:
        state = str(error)
    documents = Part("documents", present, _size(rows), state, {"fields": fields})
    engine = [p.error() for p in engine_problems(path, path / FOLDER, set(), limit=0)]
    state = str(engine[0]) if engine else COMPLETE
    name, details = "presence and fields", {}
    if store.manifest.lexical:
        manifest = store.manifest
        name, details = "bm25", {"language": manifest.language, "stop_words": manifest.stop_words}
        if state == COMPLETE and (deleted := store.deleted):
            details["deleted"] = deleted
    out = [documents, Part(name, count, _size([path / FOLDER]), state, details)]
    names = sorted({*collection.encoded, *without_meta(path / "vectors")})
    return [*out, *(_vectors(collection, name, count) for name in names)]


def _together(collections: Sequence[Collection]) -> list[Part]:
    """The parts of all shards by name: their numbers added, the details of the first, and what is wrong with any."""
    filled = [collection for collection in collections if len(collection)] or collections
    shards = [{part.name: part for part in parts_of(collection)} for collection in filled]
    out = []
    for name in dict.fromkeys(name for shard in shards for name in shard):
        parts = [shard[name] for shard in shards if name in shard]
        states = [part.state for part in parts if part.state != COMPLETE]
        if model := parts[0].details.get("model"):
            lacking = [c.path for c, shard in zip(filled, shards) if name not in shard]
            states += [f"incomplete: {p} has none: `{encode_command(p, model)}` makes them" for p in lacking]
        details = dict(parts[0].details)
        for added in {"index_bytes", "deleted"} & set(details):
            details[added] = sum(part.details.get(added, 0) for part in parts)
        if "fields" in details:
            details["fields"] = sorted({field for part in parts for field in part.details.get("fields", ())})
        documents, size = sum(part.documents for part in parts), sum(part.bytes for part in parts)
        out.append(Part(name, documents, size, states[0] if states else COMPLETE, details))
    return out


def _vectors(collection: Collection, name: str, count: int) -> Part:
    """The vectors of one model, and the index that searches them."""
    model, folder = model_of(name), collection.path / "vectors" / name
    covered, details, state = 0, {}, COMPLETE
    try:
        stored = VectorStore.open(folder)
        details = {
            "kind": stored.kind,
            "dim": stored.dim,
            "dtype": stored.meta["dtype"],
            "index": stored.index,
            "options": stored.options,
        }
        details["index_bytes"] = _size(folder / n for n in stored.derived())
        problems = [p.error() for n in stored.parts() for p in stored.part_problems(n, whole=False)]
        if problems:
            raise problems[0]
        index = collection.vectors(name)
        missing = len(index.missing())
        covered = count - missing
        if isinstance(index, Describes):
            details["described"] = index.describe()
        if missing:
            command = encode_command(collection.path, model)
            state = f"incomplete: {missing:,} of {count:,} documents have no vector: `{command}` makes them"
    except AnyrankError as error:
        state = str(error)
    return Part(f"vectors of {model}", covered, _size([folder]), state, {"model": model, **details})


def _size(paths: Iterable[Path]) -> int:
    """Bytes of files, and of all files in folders."""
    files = (f for path in paths for f in (path.rglob("*") if path.is_dir() else [path]))
    return sum(f.stat().st_size for f in files if f.is_file())


def as_text(path: Path, documents: int, parts: Iterable[Part]) -> str:
    """The parts in aligned columns, and below them what is not complete."""
    rows = [("part", "documents", "bytes", "state", "what it is")]
    notes = []
    for part in parts:
        state = "damaged" if part.damaged else part.state.partition(":")[0]
        rows.append((part.name, f"{part.documents:,}", f"{part.bytes:,}", state, _details(part.details)))
        if part.state != COMPLETE:
            notes.append(f"{part.name}: {part.state}")
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = []
    for row in rows:
        cells = [c.rjust(w) if i in (1, 2) else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))]
        lines.append("  ".join([*cells, row[4]]).rstrip())
    return "\n".join([f"{path}: {documents:,} documents", *lines, *notes])


def _details(details: dict[str, Any]) -> str:
    """A part's details in words."""
    out = []
    if "kind" in details:
        out.append(f"{details['kind']}, {details['dim']} numbers, {details['dtype']}")
        options = ", ".join(f"{n}={v}" for n, v in details["options"].items())
        out.append(f"index {details['index']}" + (f" ({options})" if options else ""))
        if details["index_bytes"]:
            out.append(f"its files {details['index_bytes']:,} bytes")
        out += [f"{n} {v:,}" if type(v) is int else f"{n} {v}" for n, v in details.get("described", {}).items()]
    elif "language" in details:
        out.append(f"language {details['language']}" + ("" if details["stop_words"] else ", without stop words"))
        if "deleted" in details:
            out.append(f"{details['deleted']:,} deleted documents count in its statistics until --compact")
    elif details.get("fields"):
        out.append(f"fields {', '.join(details['fields'])}")
    return "; ".join(out)
