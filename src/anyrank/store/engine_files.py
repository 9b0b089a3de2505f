"""Checks of the engine's files. Each ends with a footer that holds its checksum, which the engine writes but does not
compare when it opens them."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import reason
from .checksums import Problem, checksum
from .cures import rebuild
from .manifest import write_json

META = "meta.json"
STATE = "engine.json"
"""In the collection's folder: which state of ``meta.json`` was written last, and its checksum."""
_KINDS = ("fast", "fieldnorm", "idx", "pos", "store", "term")
"""The endings of a segment's files."""
_END = struct.Struct("<II")
_MAGIC = 1337  # the engine's mark of a file with a footer
WHOLE = 256 << 20
"""Bytes up to which the engine's files are compared with their checksums when a collection is opened."""


@dataclass(frozen=True, slots=True)
class EngineState:
    """A state of the engine: its last commit and segments, and the checksum of the file that lists them."""

    commit: tuple[Any, ...]
    sum: int
    deletes: tuple[str, ...] = ()

    @classmethod
    def read(cls, engine: Path) -> EngineState:
        """Raises ValueError if ``meta.json`` is damaged."""
        raw = (engine / META).read_bytes()
        meta = json.loads(raw)
        try:
            segments = sorted(s["segment_id"] for s in meta["segments"])
            commit = (int(meta["opstamp"]), *segments)
            deletes = tuple(
                f"{s['segment_id']}.{s['deletes']['opstamp']}.del".replace("-", "")
                for s in meta["segments"]
                if s.get("deletes")
            )
        except (TypeError, KeyError) as error:
            raise ValueError(reason(error)) from None
        return cls(commit, checksum(raw), deletes)


def deleted_documents(engine: Path) -> int:
    """The number of deleted documents whose terms the engine still counts."""
    segments = json.loads((engine / META).read_text("utf-8"))["segments"]
    return sum(s["deletes"]["num_deleted_docs"] for s in segments if s.get("deletes"))


def write_state(folder: Path, engine: Path) -> None:
    """Remember the state of the engine after a writer's end. A kill before it leaves an older one, which is then not
    compared."""
    state = EngineState.read(engine)
    write_json(folder / STATE, {"commit": list(state.commit), "sum": state.sum})


def engine_problems(folder: Path, engine: Path, seen: set[str], limit: int | None = None) -> list[Problem]:
    """The damaged files of the engine; ``seen`` are names of files that were checked before, and gets those checked
    now. Beyond ``limit`` bytes only footers are read."""
    cure = rebuild(folder)
    try:
        state = EngineState.read(engine)
    except ValueError as error:
        return [Problem(engine / META, f"is damaged ({reason(error)})", cure)]
    except OSError as error:
        return [Problem(engine / META, f"can't be read ({error.strerror})", cure)]
    problems = []
    if _changed(folder, state):
        problems.append(Problem(engine / META, "is damaged: its checksum is not that of what was written", cure))
    problems += [Problem(engine / name, "is missing", cure) for name in _missing(engine, state)]
    sizes = {p: p.stat().st_size for p in _segment_files(engine, state) if p.name not in seen}
    whole = limit is None or sum(sizes.values()) <= limit
    for path in sizes:
        try:
            what = _damage(path, whole)
        except FileNotFoundError:  # merged into another since it was listed
            continue
        if what:
            problems.append(Problem(path, what, cure))
        else:
            seen.add(path.name)
    return problems


def _changed(folder: Path, state: EngineState) -> bool:
    """Whether the engine's list differs from that of the same commit as it was written."""
    path = folder / STATE
    try:
        known = json.loads(path.read_text("utf-8"))
        return bool(known["commit"] == list(state.commit) and known["sum"] != state.sum)
    except (OSError, ValueError, KeyError, TypeError):  # written by no or another version: nothing to compare with
        return False


def _missing(engine: Path, state: EngineState) -> list[str]:
    """The files that a segment lacks."""
    segments = [str(s).replace("-", "") for s in state.commit[1:]]
    names = [*(f"{s}.{kind}" for s in segments for kind in _KINDS), *state.deletes]
    missing = [n for n in names if not (engine / n).is_file()]
    if missing and EngineState.read(engine) != state:  # merged or changed since it was read
        return []
    return missing


def _segment_files(engine: Path, state: EngineState) -> Iterator[Path]:
    segments = {str(s).replace("-", "") for s in state.commit[1:]}
    for path in sorted(engine.iterdir()):
        if path.name.split(".")[0] in segments and path.exists():
            yield path


def _damage(path: Path, whole: bool) -> str:
    """What is wrong with a file of the engine; empty if nothing is."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(max(size - _END.size, 0))
        end = file.read()
        length, magic = _END.unpack(end) if len(end) == _END.size else (0, 0)
        body = size - _END.size - length
        if magic != _MAGIC or body < 0:
            return "is damaged: its end is missing or changed"
        file.seek(body)
        try:
            expected = json.loads(file.read(length))["crc"]
        except (ValueError, KeyError, TypeError):
            return "is damaged: its end has changed"
        if not whole:
            return ""
        file.seek(0)
        sum = 0
        while body and (block := file.read(min(body, 1 << 20))):
            sum, body = zlib.crc32(block, sum), body - len(block)
    return "" if sum == expected else "is damaged: its checksum is not that of what was written"


def check_engine(folder: Path, engine: Path, seen: set[str]) -> None:
    """Raises InputError at the first damaged file of the engine: at open and after commits of others."""
    for problem in engine_problems(folder, engine, seen, WHOLE):
        raise problem.error()
