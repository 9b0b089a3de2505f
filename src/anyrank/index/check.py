"""Checks every file of a collection against what was written: ``anyrank index --check``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import InputError
from ..store.checksums import SUMS, Problem
from ..store.cures import rebuild
from ..store.engine import FOLDER
from ..store.engine_files import STATE, engine_problems
from ..store.linked import is_linked
from ..store.manifest import Manifest
from ..store.store import Store
from ..store.vector_names import META
from .collection import Collection
from .sharded import named_shards
from .vector_store import VectorStore

_ROWS = 10  # damaged rows that are named one by one


@dataclass(slots=True)
class Report:
    """The damage of a collection, each with its file and its cure, and what could not be checked because an older
    version wrote it."""

    documents: int = 0
    problems: list[InputError] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def check(path: str | Path) -> Report:
    """Reads every file of a collection, or of all shards that a folder names. Raises InputError if there is none, or
    its building was not finished."""
    folder, report = Path(path), Report()
    if not is_linked(folder):
        return _check(folder, report)
    for part in map(check, named_shards(folder)):
        report.documents += part.documents
        report.problems += part.problems
        report.unchecked += part.unchecked
    return report


def _check(folder: Path, report: Report) -> Report:
    try:
        manifest = Manifest.read(folder)
    except InputError as error:
        if not (folder / FOLDER).is_dir():
            raise
        report.problems.append(error)
        return report
    if not manifest.complete:
        Store.open(folder)  # says so
    report.problems += [p.error() for p in engine_problems(folder, folder / FOLDER, set())]
    if not (folder / STATE).exists():
        report.unchecked.append(f"{folder / FOLDER / 'meta.json'}: written without a checksum")
    if not report.problems:
        try:
            store = Store.opened(folder, manifest)
            report.documents = len(store)
            _check_rows(store, report)
        except InputError as error:
            report.problems.append(error)
    for meta in sorted((folder / "vectors").glob("*/")):
        if (meta / META).exists() or any(meta.glob("shard-*")):  # else a kill left an empty folder
            _check_vectors(meta, report)
    return report


def _check_rows(store: Store, report: Report) -> None:
    """Every present document: its id, its content, and that the engine finds it under its id."""
    damaged = unsummed = 0
    for rows in _present(store, report):
        snapshot = store.rows.of(rows)
        try:
            ids = snapshot.ids(rows)
            snapshot.documents(rows)
            rows_by_id = store.find(ids)
        except InputError:
            for row in rows:  # one by one, to name those that are damaged
                try:
                    store.find(snapshot.ids([row]))
                    snapshot.documents([row])
                except InputError as error:
                    damaged += 1
                    if damaged <= _ROWS:
                        report.problems.append(error)
        else:
            if [rows_by_id.get(i) for i in ids] != rows:
                what = f"is damaged: it doesn't find the documents of rows {rows[0]:,} to {rows[-1]:,} by their ids"
                report.problems.append(Problem(store.path / FOLDER, what, rebuild(store.path)).error())
        unsummed += sum(s is None for s in snapshot.sums.of(rows, 1, store.path))
    if damaged > _ROWS:
        report.problems.append(InputError(f"{damaged - _ROWS:,} more rows are damaged", path=store.path / "rows.bin"))
    if unsummed:
        report.unchecked.append(f"{store.path / 'rows.bin'}: {unsummed:,} documents were written without checksums")


def _present(store: Store, report: Report) -> Iterator[list[int]]:
    """The rows of present documents; that some are lost goes into the report."""
    try:
        yield from store.live()
    except InputError as error:
        report.problems.append(error)


def _check_vectors(folder: Path, report: Report) -> None:
    """The vectors of one name: every shard, and what an index has derived from them."""
    try:
        vectors = VectorStore.open(folder)
        damaged = vectors.problems()
        report.problems += [e for errors in damaged.values() for e in errors]
        old = [n for n in vectors.parts() if n not in damaged and not (folder / n / SUMS).exists()]
        if old:
            report.unchecked.append(f"{folder}: written without checksums: {', '.join(old)}")
        if not damaged:
            collection = Collection.open(folder.parent.parent)
            collection.vectors(folder.name).missing()
    except InputError as error:
        if str(error) not in map(str, report.problems):
            report.problems.append(error)
