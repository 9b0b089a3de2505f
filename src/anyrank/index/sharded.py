"""A sharded collection: the shards of an index, searched together as if they were one index.

BM25 has the statistics of all documents, since the engine opens the segments of all shards as one index (through links,
nothing is copied or analysed again). Vectors are searched shard by shard, in threads, each by its own index, and merged
by score. Rows are numbered through all shards. What comes back equals the merged index: the same scores at each rank,
and the same ids but for the order of equal scores.

It is read-only, and a state: a shard that changes is seen when the collection is opened again.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import tantivy
from numpy.typing import NDArray

from ..core.errors import InputError, reason
from ..core.matches import Document, Matches, Reader
from ..core.types import Candidate
from ..store.engine import FOLDER
from ..store.engine_files import META
from ..store.filters import Filter
from ..store.linked import SHARDS, advice, is_linked, shards_of
from ..store.manifest import NAME
from ..store.rows import Rows
from ..store.store import Store
from ..vectors import Vectors, join
from ..vectors.residual import Residual
from .base import CountsBlank, ScoresStored, VectorIndex
from .collection import Collection
from .lexical import Lexical
from .nearest import merged, nothing


def open_collection(folder: str | Path) -> Collection:
    """The index of a folder, or the sharded collection that it names."""
    path = Path(folder)
    if shards := named_shards(path):
        return ShardedCollection.of([Collection.open(shard) for shard in shards], path)
    return Collection.open(path)


def named_shards(folder: Path) -> list[Path]:
    """The folders of the shards that a folder names; none if it is no linked index. Raises InputError if its file can't
    be read, or a shard is gone."""
    if not is_linked(folder):
        return []
    again = f"anyrank merge SHARD… --link -o {folder} --overwrite"
    try:
        shards = list(map(Path, shards_of(folder)))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"can't be read ({reason(error)}): {again}", path=folder / SHARDS) from None
    if gone := [shard for shard in shards if not shard.is_dir()]:
        raise InputError(f"its part {gone[0]} is gone: put it back, or link parts anew: {again}", path=folder)
    return shards


@dataclass(slots=True, eq=False)
class JoinedSearcher:
    """The engine's searcher over the segments of all shards; rows are numbered through."""

    searcher: tantivy.Searcher
    firsts: Sequence[int]  # of each segment, the first row of its shard

    def search(self, *args: Any, **options: Any) -> Any:
        return self.searcher.search(*args, **options)

    @property
    def num_docs(self) -> int:
        return self.searcher.num_docs

    def doc_freq(self, field: str, term: Any) -> int:
        return self.searcher.doc_freq(field, term)

    def terms_with_prefix(self, *args: Any, **options: Any) -> Any:
        return self.searcher.terms_with_prefix(*args, **options)

    def fast_field_values(self, name: str, addresses: Sequence[tantivy.DocAddress]) -> list[int]:
        values: Any = self.searcher.fast_field_values(name, list(addresses))
        return [value + self.firsts[address.segment_ord] for value, address in zip(values, addresses)]


@dataclass(slots=True, eq=False, weakref_slot=True)
class JoinedEngine:
    """The engine's index of the segments of all shards, in a temporary folder of links that is removed with it."""

    index: tantivy.Index
    firsts: Sequence[int]

    @classmethod
    def of(cls, shards: Sequence[Path], firsts: Sequence[int]) -> JoinedEngine:
        """``firsts`` is each shard's first row."""
        folder = Path(tempfile.mkdtemp(prefix="anyrank-"))
        whole: dict[str, Any] = {}
        segment_firsts: list[int] = []
        for shard, first in zip(shards, firsts):
            engine = (shard / FOLDER).resolve()
            meta = json.loads((engine / META).read_text("utf-8"))
            for name in os.listdir(engine):
                if not name.startswith(".") and not name.endswith(".lock") and name != META:
                    os.symlink(engine / name, folder / name)
            segment_firsts += [first] * len(meta["segments"])
            if whole:
                whole["segments"] += meta["segments"]
                whole["opstamp"] = max(whole["opstamp"], meta["opstamp"])
            else:
                whole = meta
        (folder / META).write_text(json.dumps(whole), "utf-8")
        self = cls(tantivy.Index.open(str(folder)), segment_firsts)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.index.config_reader("manual")
        self.index.reload()
        return self

    @property
    def schema(self) -> tantivy.Schema:
        return self.index.schema

    def searcher(self) -> JoinedSearcher:
        return JoinedSearcher(self.index.searcher(), self.firsts)

    def register_tokenizer(self, name: str, analyser: tantivy.TextAnalyzer) -> None:
        self.index.register_tokenizer(name, analyser)


@dataclass(frozen=True, slots=True, eq=False)
class JoinedRows:
    """The rows of all shards, numbered through: what `Rows` is of one folder, and its own `Source`."""

    shards: Sequence[Rows]
    firsts: NDArray[np.int64]  # of each shard, and at the end the number of all rows

    def __len__(self) -> int:
        return int(self.firsts[-1])

    def of(self, rows: Sequence[int]) -> JoinedRows:
        return self

    def covering(self, count: int) -> JoinedRows:
        return self

    def reader(self, rows: Sequence[int]) -> Reader:
        return Reader(self)

    def _read(self, rows: Sequence[int], what: str) -> list[Any]:
        """``what`` of each row, read from its shard in one go."""
        out: list[Any] = [None] * len(rows)
        shards = np.searchsorted(self.firsts, np.asarray(rows, dtype=np.int64), side="right") - 1
        for shard in np.unique(shards).tolist():
            positions = np.flatnonzero(shards == shard).tolist()
            own = [int(rows[p] - self.firsts[shard]) for p in positions]
            snapshot = self.shards[shard].of(own)
            values = snapshot.ids(own) if what == "ids" else snapshot.documents(own)
            for position, value in zip(positions, values):
                out[position] = value
        return out

    def ids(self, rows: Sequence[int]) -> list[str]:
        return self._read(rows, "ids")

    def documents(self, rows: Sequence[int]) -> list[Document]:
        return self._read(rows, "documents")

    def candidates(self, rows: Sequence[int]) -> list[Candidate]:
        pairs = zip(self.ids(rows), self.documents(rows))
        return [Candidate(id, content, 0.0, meta) for id, (content, meta) in pairs]


@dataclass(slots=True, eq=False)
class JoinedStore(Store):
    """The documents of all shards as one store, which can't be written."""

    shards: Sequence[Store] = ()

    def reload(self) -> None:
        """Nothing: a sharded collection is the state at its opening."""

    def refresh(self) -> None:
        """Nothing, as `reload`."""

    def live(self) -> Iterator[list[int]]:
        for first, shard in zip(_firsts(self), self.shards):
            for rows in shard.live():
                yield [first + row for row in rows]

    @property
    def deleted(self) -> int:
        return sum(shard.deleted for shard in self.shards)

    @property
    def writable(self) -> bool:
        return False

    def check_writable(self) -> None:
        raise InputError(advice(self.path), path=self.path)


@dataclass(slots=True, eq=False)
class ShardStore(Store):
    """One shard's store as its vector index sees it: filters are those of the whole collection, so that a field that
    this shard's documents lack is no error."""

    whole: JoinedStore | None = None
    first: int = 0

    def passing(self, filter: Filter) -> NDArray[np.bool_]:
        assert self.whole is not None
        return self.whole.passing(filter)[self.first : self.first + len(self.rows)]


@dataclass(slots=True, eq=False)
class ShardedVectors:
    """The vectors of one encoder in all shards (a `VectorIndex`): each shard is searched by its own index, in a
    thread, and the results are merged by score."""

    shards: Sequence[VectorIndex]
    store: JoinedStore

    def search(self, queries: Any, k: int, among: Filter | None = None) -> list[Matches]:
        with ThreadPoolExecutor(min(len(self.shards), os.cpu_count() or 1)) as pool:
            results = list(pool.map(lambda shard: shard.search(queries, k, among), self.shards))
        reader = self.store.rows.reader(())
        out = []
        for parts in zip(*results):
            best = nothing()
            for first, part in zip(_firsts(self.store), parts):
                order = np.argsort(part.rows, kind="stable")
                best = merged(best, part.rows[order] + first, part.scores[order].astype(np.float32), k)
            out.append(Matches(best[0], best[1].astype(np.float64), reader))
        return out

    def vectors(self, ids: Sequence[str]) -> tuple[list[int], Vectors | None]:
        positions: list[int] = []
        parts: list[Vectors] = []
        for shard in self.shards:
            here, vectors = shard.vectors(ids)
            if vectors is not None:
                positions += here
                parts.append(vectors)
        if not parts:
            return [], None
        if len(parts) > 1:  # each shard has compressed its states in its own way
            parts = [part.tokens() if isinstance(part, Residual) else part for part in parts]
        order = np.argsort(positions, kind="stable")
        return [positions[n] for n in order], join(parts).take(order)

    def near(self, ids: Sequence[str], query: Vectors) -> tuple[list[int], NDArray[np.float32]]:
        scores: dict[int, float] = {}
        for shard in self.shards:
            assert isinstance(shard, ScoresStored)
            here, values = shard.near(ids, query)
            scores.update(zip(here, values.tolist()))
        positions = sorted(scores)
        return positions, np.array([scores[p] for p in positions], dtype=np.float32)

    @property
    def blank(self) -> int:
        return sum(shard.blank for shard in self.shards if isinstance(shard, CountsBlank))

    def missing(self) -> list[int]:
        return [first + row for first, shard in zip(_firsts(self.store), self.shards) for row in shard.missing()]

    def update(self) -> None:
        for shard in self.shards:
            shard.update()


@dataclass(slots=True, eq=False)
class ShardedCollection(Collection):
    """The collections of all shards as one, for search."""

    collections: Sequence[Collection] = field(default=())
    stamp: tuple[Any, ...] = ()  # of its files, before they were read

    @classmethod
    def of(cls, collections: Sequence[Collection], path: Path) -> ShardedCollection:
        """Raises InputError on shards whose words were analysed in different ways."""
        stores, stamp = [c.store for c in collections], _stamp([c.path for c in collections])
        first = stores[0].manifest
        for store in stores:
            one, other = (
                f"language={m.language!r}, stop_words={m.stop_words}, lexical={m.lexical}, analysis={m.analysis}"
                for m in (first, store.manifest)
            )
            if one != other:
                raise InputError(f"was built with {other}, the first shard with {one}: build it again", path=store.path)
        firsts = np.cumsum([0, *(len(store.rows) for store in stores)])
        engine: Any = JoinedEngine.of([store.path for store in stores], firsts.tolist())
        rows: Any = JoinedRows([store.rows for store in stores], firsts)
        joined = JoinedStore(path, first, rows, engine, shards=stores)
        lexical = Lexical.over(joined) if first.lexical else None
        return cls(path, joined, lexical, collections=collections, stamp=stamp)

    def replaced(self) -> bool:
        """Whether a shard was changed since, or others are named. Raises InputError if one is gone."""
        shards = [c.path for c in self.collections]
        return named_shards(self.path) != shards or _stamp(shards) != self.stamp

    def encode(self, *args: Any, **options: Any) -> NoReturn:
        """Raises InputError: each shard has its own vectors."""
        raise InputError(advice(self.path), path=self.path)

    @property
    def encoded(self) -> list[str]:
        """Names of the encoders whose vectors all shards have."""
        names = [set(c.encoded) for c in self.collections if len(c)]
        return sorted(set.intersection(*names)) if names else []

    def vectors(self, name: str, *, exact: bool = False) -> VectorIndex:
        key = name, exact
        if key not in self._vectors:
            if name not in self.encoded:
                known = ", ".join(self.encoded) or "none"
                raise InputError(f"its shards hold no vectors {name!r} (they have: {known})", path=self.path)
            assert isinstance(self.store, JoinedStore)
            firsts = _firsts(self.store)
            shards = [
                _vectors_of(c, name, exact, self.store, first) for c, first in zip(self.collections, firsts) if len(c)
            ]
            self._vectors[key] = ShardedVectors(shards, self.store)
        return self._vectors[key]


def _vectors_of(collection: Collection, name: str, exact: bool, whole: JoinedStore, first: int) -> VectorIndex:
    """The index over one shard's vectors, with filters of the whole collection."""
    s = collection.store
    store = ShardStore(s.path, s.manifest, s.rows, s.engine, s.links, s.generation, whole=whole, first=first)
    return Collection(collection.path, store).vectors(name, exact=exact)


def _stamp(shards: Sequence[Path]) -> tuple[Any, ...]:
    """The files of shards that a change replaces, as far as they are there: other ones after a change."""
    names = [(s / NAME, s / FOLDER / META, *sorted((s / "vectors").glob("*"))) for s in shards]
    return tuple((str(p), p.stat().st_mtime_ns, p.stat().st_ino) for files in names for p in files if p.exists())


def _firsts(store: JoinedStore) -> list[int]:
    """The first row of each shard."""
    rows: Any = store.rows
    return [int(first) for first in rows.firsts[:-1]]
