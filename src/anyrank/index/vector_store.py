"""Stored vectors: append-only shards of memory-mapped arrays, one folder a shard, keyed by row of the document store.

A shard is written beside its final place and renamed into it, so that a killed encoding leaves complete shards only. A
row is one version of one document: rows of replaced and deleted documents are not live, and their vectors no longer
count. Sizes are compared when a shard is opened, checksums before its vectors are first used.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, reason
from ..disk import no_space, sync_folder
from ..store.checksums import SUMS, Problem, array_problems, checksum, write_checksums
from ..store.cures import index_options
from ..store.manifest import write_json
from ..store.vector_names import META, encode_command, model_of, weights_of
from ..vectors import Vectors, join, vectors_class
from .base import LeavesTraces, Prepares
from .derived import default_index, index_file

COMMON = "common"  # the folder of arrays that all shards share
DEFAULT = "default"  # the value that sets an option back
BASE, CHOICE = ("kind", "dim", "dtype"), ("index", "options")  # its members, without their checksums
WEIGHTS = "weights"  # the hash of the weights of a model that is a folder of its user's
_NUMBERS = 1 << 24  # numbers of vectors read at once
_CACHED = 1 << 20  # numbers of vectors taken and compared at once
Ints = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Shard:
    """Vectors of ascending ``rows``, memory-mapped as they lie on disk (float16 or float32). ``searched``: the
    positions of the documents that have content, which are those that are searched; None for all."""

    name: str
    rows: Ints
    vectors: Vectors
    folder: Path
    cure: str
    searched: Ints | None = None
    _checked: bool = False

    @classmethod
    def open(
        cls, folder: Path, kind: str, dim: int, cure: str, common: Mapping[str, NDArray[Any]] | None = None
    ) -> Shard:
        """``common`` holds the arrays that all shards share. Raises InputError if a file is damaged."""
        for problem in array_problems(folder, cure, whole=False):
            raise problem.error()
        try:
            arrays = {p.stem: np.load(p, mmap_mode="r") for p in sorted(folder.glob("*.npy"))}
            rows, blank = np.asarray(arrays.pop("rows")), arrays.pop("blank", None)
            searched = None if blank is None else np.flatnonzero(~np.asarray(blank))
            vectors = vectors_class(kind).from_arrays({**arrays, **(common or {})}, dim)
            if len(rows) != len(vectors) or vectors.dim != dim:
                raise ValueError(f"{len(rows)} rows, {len(vectors)} vectors of {vectors.dim} dimensions")
        except (ValueError, KeyError, IndexError, EOFError, OSError) as error:
            raise Problem(folder, f"is damaged ({reason(error)})", cure).error() from error
        return cls(folder.name, rows, vectors, folder, cure, searched)

    def checked(self) -> Shard:
        """This shard, after its files were once compared with their checksums. Raises InputError if they differ."""
        if not self._checked:
            for problem in array_problems(self.folder, self.cure):
                raise problem.error()
            self._checked = True
        return self

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(slots=True, eq=False)
class VectorStore:
    """The vectors of one encoder: ``vectors.json`` (kind, dimension, number format, and perhaps an index with its
    options) and its shards."""

    folder: Path
    meta: dict[str, Any] = field(default_factory=dict)
    _shards: list[Shard] = field(default_factory=list, repr=False)
    _state: tuple[int, int] | None = field(default=None, repr=False)
    _common: dict[str, NDArray[Any]] | None = field(default=None, repr=False)

    @classmethod
    def open(cls, folder: Path) -> VectorStore:
        """Raises InputError if there are none."""
        try:
            meta = json.loads((folder / META).read_text("utf-8"))
            _check_meta(meta)
        except FileNotFoundError:
            raise Problem(folder, f"holds no vectors, or its {META} is missing", made_anew(folder)).error() from None
        except (ValueError, KeyError, TypeError) as error:
            cure = f"delete {folder}, then {made_anew(folder)}"
            raise Problem(folder / META, f"is damaged ({reason(error)})", cure).error() from error
        return cls(folder, meta)

    @classmethod
    def create(
        cls,
        folder: Path,
        like: Vectors,
        dtype: str,
        index: str | None = None,
        options: Mapping[str, Any] | None = None,
        weights: str = "",
    ) -> VectorStore:
        """A new store for vectors of this kind, searched by ``index`` (None: exactly), or the present one if it holds
        this kind already; ``weights`` is the hash of their model's, if known. Raises InputError on an index that is
        unknown or doesn't fit."""
        if dtype not in ("float16", "float32"):
            raise InputError(f"dtype={dtype!r}: choose float16 or float32")
        meta = {"kind": like.kind, "dim": like.dim, "dtype": dtype}
        if (folder / META).exists():
            store = cls.open(folder)
            for name in ("kind", "dim"):
                if store.meta[name] != meta[name]:
                    raise InputError(f"holds vectors of {name} {store.meta[name]}, not {meta[name]}", path=folder)
            return store
        choice = checked_choice(index, options, like.kind, like.dim, folder) if index is not None else {}
        folder.mkdir(parents=True, exist_ok=True)
        store = cls(folder, {**meta, **({WEIGHTS: weights} if weights else {}), **choice})
        store.drop(store.parts())  # whose meta is lost: they may be of another codec or number format
        store._write_meta()
        return store

    def restore(self, meta: Mapping[str, Any]) -> None:
        """Notes the index and the options of an earlier ``meta`` again."""
        self.drop(self.derived())
        self.meta = {n: meta[n] for n in (*BASE, WEIGHTS, *CHOICE) if n in meta}
        self._write_meta()

    def choose(self, index: str, options: Mapping[str, Any] | None = None) -> bool:
        """Whether another index, or other options, are noted from now on; what the old index derived is then removed.
        Options of the same index that aren't named stay as they are. Raises InputError on an index that is unknown or
        doesn't fit the vectors."""
        choice = self.choice(index, options)
        if choice == {n: self.meta[n] for n in CHOICE if n in self.meta}:
            return False
        files, options = (index_file(n, self.folder) for n in (self.index, index)), choice.get("options", {})
        for name in dict.fromkeys(n for file in files if isinstance(file, Prepares) for n in file.FIXED):
            if options.get(name) != self.options.get(name):
                raise InputError(
                    f"its vectors were stored with {name}={self.options.get(name)}, not {options.get(name)}: delete "
                    "the folder, and encode again",
                    path=self.folder,
                )
        self.drop(self.derived())
        self.meta = {**{n: self.meta[n] for n in (*BASE, WEIGHTS) if n in self.meta}, **choice}
        self._write_meta()
        return True

    def choice(self, index: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What `choose` would note: the index with all its options. Raises InputError as it does."""
        kept = self.options if index == self.index else {}
        return checked_choice(index, named({**kept, **(options or {})}), self.kind, self.dim, self.folder)

    def _write_meta(self) -> None:
        """``vectors.json``: versions before the choice of an index check the first checksum, and refuse an index that
        they don't know by its name."""
        base, choice = ({n: self.meta[n] for n in names if n in self.meta} for names in (BASE, CHOICE))
        sums = {"checksum": _sum(base), **({"index_checksum": _sum(choice)} if choice else {})}
        weights = {WEIGHTS: self.meta[WEIGHTS]} if WEIGHTS in self.meta else {}
        write_json(self.folder / META, {**base, **weights, **choice, **sums})

    def check_weights(self) -> None:
        """Raises InputError if the vectors' model is a folder here whose weights have changed since: its queries would
        be compared with vectors of another model."""
        model = model_of(self.folder.name)
        if (then := self.meta.get(WEIGHTS)) and (now := weights_of(model)) and now != then:
            raise InputError(
                f"its vectors are those of other weights than {model} has now (was it trained again?): delete this "
                f"folder, then {made_anew(self.folder)}",
                path=self.folder,
            )

    @property
    def index(self) -> str:
        """The name of the index that searches the vectors."""
        return str(self.meta.get("index", default_index(self.kind)))

    @property
    def options(self) -> dict[str, Any]:
        """The options of the index."""
        return dict(self.meta.get("options", {}))

    @property
    def cure(self) -> str:
        """What makes damaged vectors again."""
        return encode_again(self.folder)

    def problems(self) -> dict[str, list[InputError]]:
        """The damaged files of each shard and of each folder of an index that has some."""
        out = {}
        for name in self.parts():
            errors = [p.error() for p in self.part_problems(name)]
            if not errors and name.startswith("shard-") and COMMON not in out:
                try:
                    Shard.open(self.folder / name, self.kind, self.dim, self.cure, self.common())
                except InputError as error:  # a shard of an older version, without checksums
                    errors = [error]
            if errors:
                out[name] = errors
        return out

    def part_problems(self, name: str, cure: str = "", *, whole: bool = True) -> list[Problem]:
        """The damaged files of a part; without ``whole`` only sizes are compared. The part of an index that was chosen
        has checksums always, as have shards of a kind that shares arrays."""
        folder, cure = self.folder / name, cure or self.cure
        summed = vectors_class(self.kind).shared if name.startswith("shard-") else "index" in self.meta
        if summed and not (folder / SUMS).exists():
            return [Problem(folder / SUMS, "is missing", cure)]
        return array_problems(folder, cure, whole=whole)

    def drop(self, names: Iterable[str]) -> None:
        """Removes shards, so that their documents are encoded again, or folders of an index, so that it is built
        again; with a shard the folders of the index too, since a later shard may take its name. Without the arrays that
        all shards share, none of them is of use."""
        gone_too = set(names)
        if COMMON in gone_too:
            gone_too |= set(self.parts())
        elif any(n.startswith("shard-") for n in gone_too):
            gone_too |= set(self.derived())
        # What an index derived first; what all shards share last, so that a kill before leaves it to be seen.
        for name in sorted(gone_too, key=lambda n: (n == COMMON, n.startswith("shard-"), n)):
            gone = self.folder / f".{name}.old"
            shutil.rmtree(gone, ignore_errors=True)
            (self.folder / name).rename(gone)  # so that a kill leaves no half of it
            shutil.rmtree(gone)
        self._shards, self._state, self._common = [], None, None

    def common(self) -> dict[str, NDArray[Any]]:
        """The arrays that all shards share, in memory; none if the kind has no such, or there is no shard yet. Raises
        InputError if they are damaged."""
        if self._common is None:
            folder = self.folder / COMMON
            for problem in array_problems(folder, self.cure):
                raise problem.error()
            try:
                arrays = {p.stem: np.load(p) for p in sorted(folder.glob("*.npy"))}
            except (ValueError, EOFError, OSError) as error:
                raise Problem(folder, f"is damaged ({reason(error)})", self.cure).error() from error
            if not arrays:
                return {}
            self._common = arrays
        return self._common

    def derived(self) -> list[str]:
        """The names of the folders that an index added."""
        return [n for n in self.parts() if not n.startswith("shard-") and n != COMMON]

    def parts(self) -> list[str]:
        """The names of all shards and of folders that an index added."""
        return sorted(p.name for p in self.folder.iterdir() if p.is_dir() and not p.name.startswith("."))

    def _names(self) -> list[str]:
        """The names of the shards, oldest first."""
        return sorted(n for n in os.listdir(self.folder) if n.startswith("shard-"))

    @property
    def kind(self) -> str:
        return str(self.meta["kind"])

    @property
    def dim(self) -> int:
        return int(self.meta["dim"])

    @property
    def state(self) -> tuple[int, int] | None:
        """Changed, by the time that `shards` returns, whenever a shard or a folder of an index has appeared."""
        return self._state

    def shards(self) -> list[Shard]:
        """The complete shards, oldest first. Raises InputError if the folder is gone."""
        try:
            status = os.stat(self.folder)
        except OSError as error:
            raise InputError(f"can't be read: {error.strerror}", path=self.folder) from None
        state = status.st_mtime_ns, status.st_nlink  # both change when a shard's folder appears
        if state != self._state:
            old = {s.name: s for s in self._shards}
            self._shards = [
                old.get(n) or Shard.open(self.folder / n, self.kind, self.dim, self.cure, self.common())
                for n in self._names()
            ]
            self._state = state
        return list(self._shards)

    def append(self, rows: Sequence[int], vectors: Vectors, blank: Sequence[bool] = ()) -> None:
        """A new shard, on disk as a whole or not at all. ``blank`` says of each document whether it has no content (by
        default none is): its vector means nothing and is never found. Raises InputError on vectors that differ from the
        store's."""
        if vectors.kind != self.kind or vectors.dim != self.dim or len(rows) != len(vectors):
            raise InputError(
                f"{len(vectors)} {vectors.kind} vectors of {vectors.dim} dimensions for {len(rows)} documents; "
                f"the store holds {self.kind} ones of {self.dim}",
                path=self.folder,
            )
        order = np.argsort(np.asarray(rows, dtype=np.int64), kind="stable")
        arrays = {"rows": np.asarray(rows, dtype=np.int64)[order], **vectors.take(order).arrays()}
        if any(blank):
            arrays["blank"] = np.asarray(blank, dtype=np.bool_)[order]
        shared = {name: arrays.pop(name) for name in type(vectors).shared}
        if shared and not (self.folder / COMMON).exists():
            _save(self.folder / COMMON, shared, "float32")
        number = max((int(s.name[6:]) for s in self.shards()), default=0) + 1
        _save(self.folder / f"shard-{number:06d}", arrays, self.meta["dtype"])
        self._state = None

    def locate(self, rows: Sequence[int]) -> tuple[Ints, Ints]:
        """For each row the number of its shard in ``shards()`` and its position there; -1 if it has no vector, or no
        content. If several shards hold a row, the last one counts."""
        requested = np.asarray(rows, dtype=np.int64)
        shard, position = np.full(len(requested), -1), np.full(len(requested), -1)
        for n, part in enumerate(self.shards()):
            nearest = np.minimum(np.searchsorted(part.rows, requested), max(len(part) - 1, 0))
            hit = part.rows[nearest] == requested if len(part) else np.zeros(len(requested), dtype=bool)
            if part.searched is not None:
                hit &= np.isin(nearest, part.searched)
            shard[hit], position[hit] = n, nearest[hit]
        return shard, position

    def take(self, rows: Sequence[int]) -> Vectors:
        """The vectors of rows that all have one, in this order."""
        shard, position = self.locate(rows)
        parts: list[Vectors] = []
        order: list[NDArray[Any]] = []
        for n, part in enumerate(self.shards()):
            here = np.flatnonzero(shard == n)  # positions in ``rows``
            if len(here):
                parts.append(part.checked().vectors.take(position[here]))
                order.append(here)
        # The parts are in the order of the shards: the inverse of that order puts them back in that of ``rows``.
        return join(parts).take(np.argsort(np.concatenate(order)))

    def near(self, rows: Sequence[int], query: Vectors) -> NDArray[np.float32]:
        """The scores of rows that all have a vector for one query, in this order. Vectors are taken some at a time, so
        that they stay in the processor's cache."""
        shard, position = self.locate(rows)
        scores = np.zeros(len(rows), dtype=np.float32)
        for n, part in enumerate(self.shards()):
            here = np.flatnonzero(shard == n)
            if not len(here):
                continue
            vectors = part.checked().vectors
            ends = np.cumsum(vectors.sizes[position[here]])
            stop = 0
            while (start := stop) < len(here):
                before = int(ends[start - 1]) if start else 0
                stop = max(int(np.searchsorted(ends, before + _CACHED, side="right")), start + 1)
                scores[here[start:stop]] = vectors.take(position[here[start:stop]]).near(query)
        return scores

    def blank(self, mask: NDArray[np.bool_]) -> int:
        """The number of documents without content among the rows of a mask."""
        count = 0
        for part in self.shards():
            if part.searched is not None:
                rows = np.delete(part.rows, part.searched)
                count += int(mask[rows[rows < len(mask)]].sum())
        return count

    def blocks(self, size: int, skip: frozenset[str] = frozenset()) -> Iterator[tuple[Ints, Vectors]]:
        """Rows and vectors of the documents with content of every shard that isn't in ``skip``: at once at most
        ``size`` documents, and some 16 million numbers (a single document may have more)."""
        for part in self.shards():
            if part.name in skip:
                continue
            part.checked()
            ends = np.cumsum(part.vectors.sizes)  # numbers up to the end of each document
            stop = 0
            while (start := stop) < len(part):
                before = int(ends[start - 1]) if start else 0
                fitting = int(np.searchsorted(ends, before + _NUMBERS, side="right"))
                stop = min(max(fitting, start + 1), start + size, len(part))
                if part.searched is None:
                    yield part.rows[start:stop], part.vectors.part(start, stop)
                else:
                    at = part.searched[(part.searched >= start) & (part.searched < stop)]
                    if len(at):
                        yield part.rows[at], part.vectors.take(at)


def _save(folder: Path, arrays: dict[str, NDArray[Any]], dtype: str) -> None:
    """Arrays as a folder of .npy files that appears at once; floating-point ones in ``dtype``."""
    fresh = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    with no_space(folder):
        fresh.mkdir()
        for name, array in arrays.items():
            with open(fresh / f"{name}.npy", "wb") as file:
                np.save(file, array.astype(dtype) if array.dtype.kind == "f" else array)
                file.flush()
                os.fsync(file.fileno())
        write_checksums(fresh)
        os.rename(fresh, folder)
        sync_folder(folder.parent)


def encode_again(folder: Path) -> str:
    """The cure for the vectors in a folder of a collection: the command that encodes what is missing or damaged."""
    index, model = folder.parent.parent, model_of(folder.name)
    return f"make them again with `anyrank index CORPUS -o {shlex.quote(str(index))} --encode {shlex.quote(model)}`"


def made_anew(folder: Path) -> str:
    """The cure for vectors whose ``vectors.json`` is damaged or gone: the command that makes all of them by the index
    that searched them, with its options as far as they are known."""
    return f"make them again with `{encode_command(folder.parent.parent, model_of(folder.name))}{_choice(folder)}`"


def _choice(folder: Path) -> str:
    """The options that choose the index of a folder again: those that are noted, if their own checksum holds, else what
    the index's own files tell."""
    try:
        meta = json.loads((folder / META).read_text("utf-8"))
        choice = {n: meta[n] for n in CHOICE}
        if meta["index_checksum"] == _sum(choice):
            return f" {index_options(choice['index'], choice['options'])}"
    except (ValueError, KeyError, TypeError, OSError):
        pass
    for name in ("approximate", "plaid"):
        file = index_file(name, folder)
        if isinstance(file, LeavesTraces) and (options := file.options_of(folder)):
            return f" {index_options(name, options)}"
    return ""


def without_meta(folder: Path) -> list[str]:
    """The names in the folder of all vectors that have shards but no ``vectors.json``."""
    return sorted(p.name for p in folder.glob("*/") if not (p / META).exists() and any(p.glob("shard-*")))


def named(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options without those that are set back to their defaults."""
    return {name: value for name, value in (options or {}).items() if value != DEFAULT}


def checked_choice(
    index: str, options: Mapping[str, Any] | None, kind: str, dim: int, folder: Path | None = None
) -> dict[str, Any]:
    """An index and its options as ``vectors.json`` notes them: none for the kind's own exact index. Raises InputError
    on an index that is unknown or doesn't search this kind of vectors, and on wrong options."""
    file = index_file(index)
    if kind not in file.KINDS:
        wanted = " and ".join(file.KINDS)
        raise InputError(f"the index {index!r} searches {wanted} vectors, not {kind} ones", path=folder)
    checked = file.checked_options(options or {}, dim)
    if "pool" in checked and kind in ("dense", "sparse"):
        raise InputError(f"pool={checked['pool']}: {kind} vectors have no states of tokens to pool", path=folder)
    return {} if index == default_index(kind) and not checked else {"index": index, "options": checked}


def _check_meta(meta: dict[str, Any]) -> None:
    """Raises ValueError, KeyError or TypeError on the meta of damaged vectors; that of older versions has no
    checksum."""
    base, choice = {n: meta[n] for n in BASE}, {n: meta[n] for n in CHOICE if n in meta}
    chosen = _sum(choice) if choice else None
    if meta.get("checksum", _sum(base)) != _sum(base) or meta.get("index_checksum") != chosen:
        raise ValueError("its checksum is not that of what was written")


def _sum(meta: dict[str, Any]) -> int:
    """The checksum of the values by which vectors are read."""
    return checksum(json.dumps(meta, sort_keys=True).encode())
