"""Approximate search of dense vectors by an HNSW graph (usearch), whose best are scored again from the stored vectors.

The graph is a file that is memory-mapped; its nodes are vectors of a chosen precision, numbered by position in the
shards that it covers. Scores are always the exact ones. Few documents, a filter that lets few pass and shards that the
graph doesn't cover yet are scanned.

Malkov, Yashunin: Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
graphs, 2016.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, reason
from ..store.checksums import Problem
from ..store.manifest import write_json
from ..store.store import Store
from ..store.vector_names import model_of
from ..vectors import Dense, Vectors
from .derived import derived_folder, no_option, whole_number
from .nearest import Best, Floats, Mask, Nearest, nothing
from .quantise import OVERSAMPLING, Quantiser, radius_of, usearch
from .vector_store import Ints, Shard, VectorStore, encode_again

log = logging.getLogger(__name__)

KINDS = ("dense",)
NAME, NODES, COVERS = "graph", "nodes.usearch", "covers.json"
SCANNED = 20_000
"""Up to so many documents that pass, a scan of them is used instead of the graph: see ``docs/indexes.md``."""
_RATIO = 30  # a result of the graph costs as much as comparing so many documents in a scan (measured: 20 to 32)
_PENDING = 1000  # new documents that are scanned before they are inserted
_DEAD = 0.3  # share of nodes of deleted documents at which the graph is built anew
_BLOCK = 16_384  # documents inserted at once
_SAMPLE = 10_000  # documents by which numbers are scaled
_OPTIONS: dict[str, Any] = {"precision": "bf16", "connectivity": 16, "expansion_add": 128, "expansion_search": 128}


@dataclass(slots=True, eq=False)
class Graph:
    """A graph of ``size`` nodes, opened. These are numbered by positions in the covered ``shards``, one after the
    other: ``owners`` has the shard's number of every position, ``starts`` the first position of each shard, and the
    end. ``rows`` are those of every position, ``nodes`` those of documents with content, all below ``end``; ``maps``
    are the arrays of the shards' vectors. ``whole``: there are no other shards."""

    index: Any
    size: int
    quantiser: Quantiser
    shards: list[Shard]
    maps: list[NDArray[Any]]
    owners: NDArray[np.int32]
    starts: list[int]
    rows: Ints
    nodes: Ints
    end: int
    whole: bool
    _checked: set[int] = field(default_factory=set, repr=False)

    @property
    def covered(self) -> frozenset[str]:
        """The names of the shards that are covered."""
        return frozenset(s.name for s in self.shards)

    def passing(self, mask: Mask) -> int:
        """The number of nodes whose row is in the mask."""
        return int(np.count_nonzero(_padded(mask, self.end)[self.nodes]))

    def nearest(self, queries: NDArray[Any], count: int) -> list[Ints]:
        """The positions of about the ``count`` nodes nearest to each query, as the graph knows them."""
        count = min(count, self.size)
        if len(queries) == 1:
            return [self.index.search(queries, count, threads=1).keys.astype(np.int64)]
        matches = self.index.search(queries, count, threads=threads())
        return [keys[:n].astype(np.int64) for keys, n in zip(matches.keys, matches.counts.tolist())]

    def scores(self, positions: Ints, query: Floats) -> Floats:
        """The exact scores of positions for one query."""
        if not len(positions):
            return np.zeros(0, dtype=np.float32)
        maps, starts = self.maps, self.starts
        numbers = self.owners[positions].tolist()
        if not self._checked.issuperset(numbers):
            for n in set(numbers) - self._checked:
                self.shards[n].checked()
                self._checked.add(n)
        rows = [maps[n][p - starts[n]] for n, p in zip(numbers, positions.tolist())]  # a query has few in each shard
        stored = np.concatenate(rows).reshape(len(rows), -1)
        return np.asarray(stored.astype(np.float32, copy=False) @ query)


@dataclass(slots=True, eq=False)
class ApproximateIndex(Nearest):
    """Dense vectors searched by a graph; exact where that is as fast."""

    _graph: Graph | None = field(default=None, repr=False)
    _state: tuple[int, int] | None = field(default=None, repr=False)  # of the store's folder when it was opened
    _counts: dict[bool, int] = field(default_factory=dict, repr=False)
    _counted: tuple[int, Graph | None] | None = field(default=None, repr=False)  # the state that was counted

    @property
    def path(self) -> Path:
        """The folder of the graph."""
        return self.vector_store.folder / NAME

    def update(self) -> None:
        """Inserts the documents that the graph lacks, if they are many; builds it anew if many of its nodes are of
        deleted documents. Without usearch it only warns, since the vectors themselves are there."""
        if not installed():
            log.warning("%s: not updated, since the package usearch is missing (pip install 'anyrank[ann]')", self.path)
            return
        self.store.refresh()
        graph, shards = self.graph(), self.vector_store.shards()
        if graph is None or graph.size - graph.passing(self.alive) > _DEAD * graph.size:
            self._build(None, shards)
        elif sum(len(s) for s in shards if s.name not in graph.covered) > _PENDING:
            self._build(graph, [s for s in shards if s.name not in graph.covered])

    def describe(self) -> dict[str, Any]:
        """How many documents and how many deleted ones the graph holds; the rest are scanned. Raises InputError if it
        is damaged."""
        graph = self.graph() if installed() else None
        if graph is None:
            return {"covered": 0}
        covered = graph.passing(self.alive)
        return {"covered": covered, "deleted": graph.size - covered}

    def graph(self) -> Graph | None:
        """The graph, opened anew if another process has replaced it; None if there is none, or it covers shards that
        are gone. Raises InputError if it is damaged, MissingExtra without usearch."""
        shards = self.vector_store.shards()
        if self._state == self.vector_store.state:  # which changes too when the graph is replaced
            return self._graph
        for _ in range(5):  # a graph that is replaced while it is read is read again
            state, identity = self.vector_store.state, _identity(self.path)
            try:
                graph = None if identity is None else _opened(self.vector_store, self.path, shards)
            except InputError:
                if _identity(self.path) == identity:
                    raise
                continue
            if _identity(self.path) == identity:
                self._graph, self._state = graph, state
                return graph
        return None

    def _best(self, queries: Vectors, k: int, mask: Mask) -> list[Best]:
        graph = None if self._passing(mask, None) <= SCANNED else self.graph()
        passing = 0 if graph is None else self._passing(mask, graph)
        if graph is None or passing <= max(SCANNED, math.sqrt(_RATIO * k * graph.quantiser.oversampling * graph.size)):
            return self._scan(queries, [nothing()] * len(queries), k, mask)
        best = self._by_graph(graph, queries.dense(), k, mask, passing)
        return best if graph.whole else self._scan(queries, best, k, mask, graph.covered)

    def _passing(self, mask: Mask, graph: Graph | None) -> int:
        """The number of documents in the mask, or of nodes; that of all present ones is remembered."""
        if mask is not self.alive:
            return int(np.count_nonzero(mask)) if graph is None else graph.passing(mask)
        if self._counted != (self.store.generation, self._graph):
            self._counts, self._counted = {}, (self.store.generation, self._graph)
        of_nodes = graph is not None
        if of_nodes not in self._counts:
            self._counts[of_nodes] = int(np.count_nonzero(mask)) if graph is None else graph.passing(mask)
        return self._counts[of_nodes]

    def _by_graph(self, graph: Graph, queries: Floats, k: int, mask: Mask, passing: int) -> list[Best]:
        """The k best nodes of the mask for each query, ``passing`` being in it. As many are taken from the graph as
        are likely to have enough of them; a query for which they haven't takes more, and at last scans."""
        everything = passing == graph.size
        need = min(math.ceil(k * graph.quantiser.oversampling), passing)
        # Of n results about n * share pass, give or take the root of n * share * (1 - share): three times that more.
        share = passing / graph.size
        count = math.ceil((need + 3 * math.sqrt(need * (1 - share)) + (not everything)) / share)
        nodes, mask = graph.quantiser.queries(queries), _padded(mask, graph.end)
        best: list[Any] = [None] * len(queries)
        todo = list(range(len(queries)))
        while todo:
            again = []
            for q, positions in zip(todo, graph.nearest(nodes if len(todo) == len(nodes) else nodes[todo], count)):
                rows = graph.rows[positions]
                if not everything:
                    ok = mask[rows]
                    rows, positions = rows[ok], positions[ok]
                if len(rows) < need:
                    again.append(q)
                    continue
                scores = graph.scores(positions, queries[q])
                order = np.lexsort((rows, -scores))[:k]  # by falling score, then by row
                best[q] = rows[order], scores[order]
            todo, count = again, 4 * count
            if todo and (count * _RATIO > passing or count >= 4 * graph.size):
                outside = frozenset(s.name for s in self.vector_store.shards()) - graph.covered
                scanned = self._scan(Dense(queries[todo]), [nothing()] * len(todo), k, mask, outside)
                for q, result in zip(todo, scanned):
                    best[q] = result
                todo = []
        return best

    def _build(self, graph: Graph | None, shards: Sequence[Shard]) -> None:
        """A graph of what the present one covers and of ``shards``, put in its place."""
        settings = {**_OPTIONS, **self.vector_store.options}
        if graph is None:
            sample = _sample(shards)
            radius = radius_of(np.linalg.norm(sample, axis=1))
            if radius:
                radius = max(float(np.linalg.norm(b, axis=1).max()) for s in shards for _, b in _blocks(s, None))
            quantiser = Quantiser.fitted(settings.pop("precision"), sample, radius)
            index, covered = quantiser.graph(**settings), []
        else:
            quantiser, covered = graph.quantiser, graph.shards
            index = usearch().Index.restore(str(self.path / NODES))  # the whole of it, since a map can't be changed
        with derived_folder(self.path) as fresh:
            end = sum(map(len, covered))
            for part in shards:
                for positions, block in _blocks(part, self.alive):
                    keys = (positions + end).astype(np.uint64)
                    index.add(keys, quantiser.documents(block), threads=threads())
                end += len(part)
            _save(index, fresh / NODES)
            names = [[s.name, len(s)] for s in (*covered, *shards)]
            write_json(fresh / COVERS, {"shards": names, "quantiser": quantiser.as_dict()})


def _opened(store: VectorStore, path: Path, shards: Sequence[Shard]) -> Graph | None:
    """The graph of a folder; None if it covers shards that are gone. Raises InputError if it is damaged."""
    library = usearch()
    cure = f'{encode_again(store.folder)}; until then search("{model_of(store.folder.name)}", exact=True) works'
    for problem in store.part_problems(path.name, cure):
        raise problem.error()
    try:
        covers = json.loads((path / COVERS).read_text("utf-8"))
        quantiser = Quantiser.from_dict(covers["quantiser"])
        index = library.Index.restore(str(path / NODES), view=True)
        index.expansion_search = int(store.options.get("expansion_search", _OPTIONS["expansion_search"]))
        by_name = {s.name: s for s in shards}
        covered = [by_name.get(name) for name, _ in covers["shards"]]
        sizes = [int(size) for _, size in covers["shards"]]
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RuntimeError) as error:
        raise Problem(path, f"is damaged ({reason(error)})", cure).error() from error
    present = [s for s in covered if s is not None]
    if [len(s) for s in present] != sizes:
        return None
    starts, owners = [0, *np.cumsum(sizes).tolist()], np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    rows = np.concatenate([s.rows for s in present]) if present else np.zeros(0, dtype=np.int64)
    filled = [s.rows if s.searched is None else s.rows[s.searched] for s in present]
    nodes = np.concatenate(filled) if filled else rows
    maps = [np.asarray(s.vectors.arrays()["dense"]) for s in present]
    end, whole = int(rows.max(initial=-1)) + 1, len(present) == len(shards)
    return Graph(index, len(index), quantiser, present, maps, owners, starts, rows, nodes, end, whole)


def _save(index: Any, path: Path) -> None:
    """The graph as a file. Raises OSError if the disk is full, which the library says of no failure."""
    try:
        index.save(str(path))
    except RuntimeError as error:
        if shutil.disk_usage(path.parent).free < index.serialized_length:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise


def _blocks(part: Shard, mask: Mask | None) -> Iterator[tuple[Ints, Floats]]:
    """Positions in a shard and vectors of its documents with content that are in the mask, a block at a time."""
    part.checked()
    positions = np.arange(len(part)) if part.searched is None else part.searched
    if mask is not None:
        positions = positions[mask[part.rows[positions]]]
    for start in range(0, len(positions), _BLOCK):
        at = positions[start : start + _BLOCK]
        yield at, part.vectors.take(at).dense()


def _sample(shards: Sequence[Shard]) -> Floats:
    """Vectors of some documents of every shard."""
    each = max(_SAMPLE // max(len(shards), 1), 1)
    parts = []
    for part in shards:
        searched = np.arange(len(part)) if part.searched is None else part.searched
        if len(searched):
            at = searched[np.unique(np.linspace(0, len(searched) - 1, min(each, len(searched))).astype(int))]
            parts.append(part.checked().vectors.take(at).dense())
    return np.concatenate(parts) if parts else np.zeros((0, shards[0].vectors.dim if shards else 0), dtype=np.float32)


def _padded(mask: Mask, size: int) -> Mask:
    """The mask, at least ``size`` long: rows that were added since it was made don't pass."""
    return mask if len(mask) >= size else np.pad(mask, (0, size - len(mask)))


def _identity(path: Path) -> tuple[int, int] | None:
    """Changes when a folder is replaced; None if there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def threads() -> int:
    """The number of threads for many queries or insertions: as BLAS has it, 0 for one a core."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdecimal() else 0


def installed() -> bool:
    """Whether the package of graphs is there."""
    return find_spec("usearch") is not None


def checked_options(options: Mapping[str, Any], dim: int) -> dict[str, Any]:
    """All options: ``precision`` of the nodes (float32, bf16, int8, binary), ``connectivity`` (links a node), and how
    many nodes are looked at for an insertion (``expansion_add``) and a search (``expansion_search``). Raises
    InputError on others and on wrong values, MissingExtra without the package."""
    if unknown := set(options) - set(_OPTIONS):
        raise no_option("approximate", unknown, tuple(_OPTIONS))
    checked = {**_OPTIONS, **options}
    if checked["precision"] not in OVERSAMPLING:
        raise InputError(f"precision={checked['precision']!r}: choose {', '.join(OVERSAMPLING)}")
    for name in ("connectivity", "expansion_add", "expansion_search"):
        whole_number(name, checked[name], 2)
    usearch()
    return checked


def options_of(folder: Path) -> dict[str, Any]:
    """The precision of the graph that is there."""
    try:
        return {"precision": str(json.loads((folder / NAME / COVERS).read_text("utf-8"))["quantiser"]["precision"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def open_index(vectors: VectorStore, store: Store) -> ApproximateIndex:
    """The index over stored dense vectors."""
    return ApproximateIndex(vectors, store)
