"""A collection: a store of documents and its indexes, lexical and by the vectors of any number of encoders, updated
together."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..core.content import is_blank
from ..core.errors import InputError
from ..core.matches import Reader
from ..core.trace import Usage
from ..core.types import Candidate
from ..disk import alone, no_space
from ..store.engine import Enter
from ..store.manifest import Manifest
from ..store.store import Store
from ..store.vector_names import META, model_of, weights_of
from ..vectors import Encoder, Vectors, join
from .base import Prepares, Unfit, VectorIndex
from .choice import check_choice
from .derived import default_index, index_file
from .lexical import Lexical
from .vector_store import BASE, WEIGHTS, VectorStore, named

log = logging.getLogger(__name__)

_SHARD = 8192  # documents written at once, at most
_AT_ONCE = 512  # documents encoded at once, at most: their states are in memory together
_FIRST = 8  # documents encoded first, by which the time of the next ones is known
_SECONDS = 60.0  # of encoding, after which vectors are written
_NUMBERS = 1 << 26  # numbers written at once, in single precision 256 MB
Encoders = Mapping[str, Encoder]


@dataclass(slots=True, eq=False)
class Collection:
    """A folder made by ``build``, opened."""

    path: Path
    store: Store
    _lexical: Lexical | None = None
    _vectors: dict[tuple[str, bool], VectorIndex] = field(default_factory=dict, repr=False)
    _sound: set[str] = field(default_factory=set, repr=False)  # names of vectors that were checked for damage

    @classmethod
    def open(cls, path: str | Path) -> Collection:
        """Raises InputError as ``Store.open`` does."""
        return cls.over(Store.open(path))

    @classmethod
    def over(cls, store: Store) -> Collection:
        """The collection of a store."""
        return cls(store.path, store, Lexical.over(store) if store.manifest.lexical else None)

    @property
    def lexical(self) -> Lexical:
        """The lexical index. Raises InputError if there is none."""
        if self._lexical is None:
            raise InputError(
                "has no lexical index, since it was built of documents without text (or with lexical=False): "
                "search it by vectors",
                path=self.path,
            )
        return self._lexical

    @property
    def enter(self) -> Enter | None:
        """The function by which the lexical index adds a document's terms to its entry; None without one."""
        return None if self._lexical is None else self._lexical.enter

    def reload(self) -> None:
        """Sees the commits of other processes since the last reload."""
        self.store.reload()

    def replaced(self) -> bool:
        """Whether an index that was built anew took the place of this one, which then is to be opened again. Raises
        InputError if there is none any more."""
        return Manifest.read(self.path).build != self.store.manifest.build

    def __len__(self) -> int:
        return len(self.store)

    def __contains__(self, id: str) -> bool:
        return id in self.store

    def get(self, ids: Sequence[str]) -> list[Candidate]:
        """The documents of these ids, in this order. Raises InputError on an unknown id."""
        return self.store.get(ids)

    def known(self, ids: Sequence[str]) -> list[int]:
        """The rows of these ids, in this order. Raises InputError on an unknown id."""
        return self.store.known(ids)

    def reader(self, rows: Sequence[int]) -> Reader:
        """A reader of the documents of these rows."""
        return self.store.reader(rows)

    def ids(self) -> Iterator[str]:
        """All ids, oldest first."""
        return self.store.ids()

    def documents(self) -> Iterator[Candidate]:
        """All documents, oldest first."""
        return self.store.documents()

    @property
    def encoded(self) -> list[str]:
        """Names of the encoders whose vectors are stored."""
        return sorted(p.parent.name for p in (self.path / "vectors").glob(f"*/{META}"))

    def vectors(self, name: str, *, exact: bool = False) -> VectorIndex:
        """The index over the stored vectors of that name; with ``exact`` the exact one of their kind, whichever index
        was chosen. Raises InputError if there are none."""
        key = name, exact
        if key not in self._vectors:
            if name not in self.encoded:
                known = ", ".join(self.encoded) or "none"
                raise InputError(f"holds no vectors {name!r} (it has: {known}): encode it first", path=self.path)
            vectors = VectorStore.open(self._folder(name))
            chosen = default_index(vectors.kind) if exact else vectors.index
            self._vectors[key] = index_file(chosen, vectors.folder / META).open_index(vectors, self.store)
        return self._vectors[key]

    def _folder(self, name: str) -> Path:
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise InputError(f"name {name!r}: use letters, digits, '.', '+', '-' and '_'")
        return self.path / "vectors" / name

    def encode(
        self,
        encoder: Encoder,
        name: str | None = None,
        *,
        dtype: str | None = None,
        shard: int = _SHARD,
        seconds: float = _SECONDS,
        on_progress: Callable[[int], None] | None = None,
        index: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Usage:
        """Vectors of every document that has none yet, and their cost; ``on_progress`` gets the number done.

        Documents without content (an empty or blank text) count as encoded, and are never found. Every ``shard``
        documents are written at once, fewer if they have many states, or have taken about ``seconds``, so that a kill
        loses no more than that of a slow model's work (an index that compresses first encodes those documents that it
        learns from); after a kill, the same call encodes those that are still missing. Damaged shards are removed, with
        a warning, and made again.
        Raises InputError if another process encodes with the same name, and on a model that makes no vectors.
        ``dtype="float16"``, the default for states of tokens alone, halves the disk; a single dense query then takes
        about twice as long (its conversion).

        ``index`` names the index that is to search these vectors (a file of this folder, as "approximate") with its
        ``options``, also for vectors that are there already; None leaves the choice as it is, by default the exact
        index. Options that were chosen for the same index before and aren't named now stay; the value "default" sets
        one back. Raises InputError on an index that is unknown or doesn't fit the vectors, before any is written.
        """
        if options and index is None:
            raise InputError(f"options {dict(options)!r:.80} are those of an index: name it")
        if not isinstance(encoder, Encoder):
            label = name or getattr(encoder, "name", type(encoder).__name__)
            raise InputError(f"{label} scores candidates and makes no vectors: encode with a dense or sparse model")
        name = name or encoder.name
        folder = self._folder(name)
        if name in self.encoded:
            VectorStore.open(folder).check_weights()
        if index is not None:
            if name in self.encoded:
                VectorStore.open(folder).choice(index, options)
            else:
                options = named(options)
                if rows := self._missing(name)[:1]:
                    ((content, _),) = self.store.rows.of(rows).documents(rows)
                    check_choice(encoder, index, options, content)
                else:
                    index_file(index)
        if not self.store.writable and not self._damaged(name) and not self._missing(name) and index is None:
            return Usage()  # nothing to do, in a folder that is read-only
        self.store.check_writable()
        with no_space(self.path):
            (self.path / "vectors").mkdir(exist_ok=True)
        busy = f"another process is encoding its documents with {name!r}: wait until it is done"
        with alone(self.path / "vectors" / f".{name}.lock", self.path, busy):
            self._drop(name, self._damaged(name))
            before = VectorStore.open(folder).meta if name in self.encoded else None
            if index is not None and name in self.encoded and VectorStore.open(folder).choose(index, options):
                self._forget(name)
            usage = self._encode(encoder, name, folder, dtype, shard, seconds, on_progress, index, options)
            if name in self.encoded:
                try:
                    self.vectors(name).update()
                except Unfit as error:
                    if index is None:
                        log.warning("%s: not updated: %s", folder, error)
                        return usage
                    vectors = VectorStore.open(folder)  # a choice that is refused must not hinder later updates
                    vectors.restore(before or {n: vectors.meta[n] for n in (*BASE, WEIGHTS) if n in vectors.meta})
                    self._forget(name)
                    raise
        return usage

    def _forget(self, name: str) -> None:
        """The opened indexes of a name are opened again at the next use."""
        for exact in (False, True):
            self._vectors.pop((name, exact), None)

    def _damaged(self, name: str) -> dict[str, list[InputError]]:
        """The damaged files of vectors of that name, by the part that they make useless; sought once."""
        if name in self._sound or name not in self.encoded:
            return {}
        store = VectorStore.open(self._folder(name))
        damaged = store.problems()
        if not damaged:
            try:
                self.vectors(name)
            except InputError as error:  # an index of an older version, without checksums
                damaged = {part: [error] for part in store.derived()}
                if not damaged:
                    raise
        self._sound.add(name)
        return damaged

    def _drop(self, name: str, damaged: Mapping[str, Sequence[InputError]]) -> None:
        """Removes what is damaged, so that it is made again."""
        if damaged:
            for errors in damaged.values():
                log.warning("%s", errors[0])
            self._forget(name)
            VectorStore.open(self._folder(name)).drop(damaged)

    def _missing(self, name: str) -> list[int]:
        """The rows that have no vector of that name."""
        if name in self.encoded:
            return self.vectors(name).missing()
        return [r for rows in self.store.live() for r in rows]

    def _encode(
        self,
        encoder: Encoder,
        name: str,
        folder: Path,
        dtype: str | None,
        shard: int,
        seconds: float,
        on_progress: Callable[[int], None] | None,
        index: str | None,
        options: Mapping[str, Any] | None,
    ) -> Usage:
        todo, usage = self._missing(name), Usage()  # another process may have made some meanwhile
        done = len(self) - len(todo)
        vectors = VectorStore.open(folder) if name in self.encoded else None
        if vectors is not None:
            index, options = vectors.index, vectors.options
        file = index_file(index, folder) if index is not None else None
        weights = weights_of(model_of(name))
        learned_from = 0  # documents that must be in the first shard
        if isinstance(file, Prepares) and not (vectors and vectors.common()):
            learned_from = min(file.sample(len(todo)), shard)
            todo = _sample_first(todo, file.sample(len(todo)))
        waiting: list[tuple[list[int], Vectors, list[bool]]] = []
        at_once, start, documents, written = _FIRST, 0, 0, time.monotonic()
        while start < len(todo):
            begin, rows = time.monotonic(), todo[start : start + min(at_once, shard - documents)]
            start += len(rows)
            contents = [content for content, _ in self.store.rows.of(rows).documents(rows)]
            encoded = encoder.encode(contents)
            usage += encoded.usage
            waiting.append((rows, encoded.vectors, [content is None or is_blank(content) for content in contents]))
            documents, numbers = documents + len(rows), sum(int(v.sizes.sum()) for _, v, _ in waiting)
            end = time.monotonic()
            # Of a fast model as many as may be; of a slow one so few that the next ones end in time.
            each = max((end - begin) / len(rows), 1e-9)
            at_once = max(min(_AT_ONCE, 4 * at_once, int(seconds / 2 / each)), 1)
            full = documents >= shard or numbers >= _NUMBERS
            late = end - written + at_once * each > seconds and documents >= learned_from
            if full or late or start == len(todo):
                part = join([v for _, v, _ in waiting])
                if isinstance(file, Prepares):
                    common = vectors.common() if vectors else {}
                    part = file.prepared(part, options or {}, common, len(self))
                vectors = VectorStore.create(folder, part, dtype or part.dtype_on_disk, index, options, weights)
                vectors.append([r for rows, *_ in waiting for r in rows], part, [b for *_, bs in waiting for b in bs])
                done, waiting, documents, learned_from, written = done + documents, [], 0, 0, time.monotonic()
                if on_progress is not None:
                    on_progress(done)
        return usage

    def add(self, docs: Iterable[Candidate], encoders: Encoders | None = None) -> int:
        """New documents in every index, and how many. Raises InputError on an id that is there already."""
        return self._changed(self.store.add(docs, self.enter), encoders)

    def update(self, docs: Iterable[Candidate], encoders: Encoders | None = None) -> int:
        """Documents added or replaced in every index, and how many."""
        return self._changed(self.store.update(docs, self.enter), encoders)

    def delete(self, ids: Iterable[str]) -> int:
        """Documents removed from every index, and how many."""
        return self.store.delete(ids)

    def compact(self) -> int:
        """Deleted and replaced documents taken out of the statistics of words, in which BM25 counts them until then,
        and how many they were. Every document's words are analysed again; vectors stay."""
        return self.store.compact(self.enter)

    def _changed(self, count: int, encoders: Encoders | None) -> int:
        """Vectors of replaced documents no longer count; new ones come from ``encoders``, by name, or from a later
        ``encode``."""
        for name in self.encoded:
            if encoders and name in encoders:
                self.encode(encoders[name], name)
            elif missing := len(self.vectors(name).missing()):
                log.warning(
                    "%d documents have no vectors %r, so vector search misses them: encode again", missing, name
                )
        return count


def _sample_first(rows: list[int], size: int) -> list[int]:
    """The rows, so many of them chosen at random put first."""
    if not size:
        return rows
    chosen = set(np.random.default_rng(0).choice(len(rows), min(size, len(rows)), replace=False).tolist())
    return [r for n, r in enumerate(rows) if n in chosen] + [r for n, r in enumerate(rows) if n not in chosen]
