"""The journal of a long job: a small SQLite database of finished queries, from which a killed job is resumed."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ..core.errors import InputError, quoted
from ..core.types import Candidate, Query, Ranking
from ..disk import full
from .candidates import step_from_dict
from .files import File
from .runs import write_run

_APPLICATION, _VERSION = 0x616E7972, 2  # "anyr" in the database's header; version 1 was a text file, a query a line
_VERSION_1 = re.compile(rb'\d+ [0-9a-f]{8} \{"journal": ')


def fingerprint(settings: Mapping[str, Any]) -> str:
    """A short hash of a job's settings (JSON values; anything else counts by its repr).

    >>> fingerprint({"depth": 100, "model": "minilm"}) == fingerprint({"model": "minilm", "depth": 100})
    True
    """
    return _hash(_as_json(settings))


def _as_json(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, default=repr)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, eq=False)
class Journal:
    """The finished queries of one job, on disk, with the job's settings.

    Every query is a transaction of its own, complete when ``append`` or ``put`` returns: ``kill -9`` loses at most the
    query being written. (The disk isn't waited for: a power cut may lose the last few, and damages nothing.) One
    process at a time may have a journal open. Memory doesn't grow with the number of queries.
    """

    path: Path
    db: sqlite3.Connection

    @classmethod
    def open(cls, path: File, settings: Mapping[str, Any], *, resume: bool = False) -> Journal:
        """A new journal, or with ``resume`` the existing one (a new one if there is none).

        Raises InputError if a journal exists and ``resume`` is false, it was begun with other settings, it is
        damaged, the file is no journal, or another process has it open.
        """
        path = Path(path)
        if not path.parent.is_dir():
            raise InputError(f"there is no folder {path.parent}: make it first", path=path)
        if not resume and path.exists() and path.stat().st_size:
            raise InputError("the journal exists already: resume the job, or delete the file", path=path)
        try:
            journal = cls(path, sqlite3.connect(path, timeout=0.0, isolation_level=None))
        except sqlite3.Error as error:
            raise InputError(f"can't be opened: {full(error) or error}", path=path) from None
        try:
            journal._begin(settings)
        except sqlite3.Error as error:
            journal.close()
            raise InputError(_reason(error, path), path=path) from None
        except BaseException:
            journal.close()
            raise
        return journal

    def _begin(self, settings: Mapping[str, Any]) -> None:
        """Check the file, or create the tables in an empty one. A file that is no journal is left unchanged."""
        self.db.execute("PRAGMA locking_mode = EXCLUSIVE")  # the lock is held until closed; no shared-memory file
        application, version, tables = (
            self.db.execute(f"SELECT * FROM {source}").fetchone()[0]
            for source in ("pragma_application_id", "pragma_user_version", "(SELECT count(*) FROM sqlite_master)")
        )
        if (application or tables) and application != _APPLICATION:
            raise InputError("the file is no journal", path=self.path)
        if application and version != _VERSION:
            raise InputError(f"a journal of version {version}, not {_VERSION}: delete it", path=self.path)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.execute("BEGIN IMMEDIATE")  # take the lock before the tables are created
        if not application:
            self.db.execute("CREATE TABLE job (fingerprint TEXT, settings TEXT)")
            self.db.execute("CREATE TABLE finished (query TEXT PRIMARY KEY, record TEXT, checksum INTEGER)")
            self.db.execute("INSERT INTO job VALUES (?, ?)", (fingerprint(settings), _as_json(settings)))
            self.db.execute(f"PRAGMA application_id = {_APPLICATION}")
            self.db.execute(f"PRAGMA user_version = {_VERSION}")
        self.db.execute("COMMIT")
        if (problem := self.db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise InputError(f"damaged ({' '.join(problem.split())}): delete the journal", path=self.path)
        self._check_settings(settings)

    def _check_settings(self, settings: Mapping[str, Any]) -> None:
        before, stored = self.db.execute("SELECT fingerprint, settings FROM job").fetchone() or ("", "")
        after = fingerprint(settings)
        if before != _hash(stored):
            raise InputError("damaged (the settings have changed): delete the journal", path=self.path)
        if before == after:
            return
        old, new = json.loads(stored), json.loads(_as_json(settings))
        changed = [
            f"{k}: {quoted(old.get(k))} then, {quoted(new.get(k))} now"
            for k in {**old, **new}
            if old.get(k) != new.get(k)
        ]
        raise InputError(
            f"begun with settings {before}, this job has {after} ({'; '.join(changed)}): "
            "use the same settings, or delete the journal",
            path=self.path,
        )

    def __contains__(self, query: object) -> bool:
        return self.db.execute("SELECT 1 FROM finished WHERE query = ?", (query,)).fetchone() is not None

    def __len__(self) -> int:
        count: int = self.db.execute("SELECT count(*) FROM finished").fetchone()[0]
        return count

    def append(self, ranking: Ranking) -> None:
        """Write a finished ranking: ids, scores and trace, without contents. Raises InputError as ``put`` does, and
        where a score isn't finite."""
        ranked = [(c.id, float(c.score)) for c in ranking]
        self.put(ranking.query.id, {"ranking": ranked, "trace": [s.as_dict() for s in ranking.trace]})

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written in the block is kept as a whole, or, if the block fails or is killed, not at all. Raises
        InputError if it can't be written."""
        try:
            self.db.execute("BEGIN")
            yield
            self.db.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):  # a full disk has ended the transaction already
                self.db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise InputError(f"can't be written: {full(error) or error}", path=self.path) from None
            raise

    def put(self, id: str, record: Mapping[str, Any]) -> None:
        """Write a query's result, in JSON values. Raises InputError if the query is finished already, or a value
        can't be written."""
        try:
            text = json.dumps(record, allow_nan=False)
            self.db.execute("INSERT INTO finished VALUES (?, ?, ?)", (id, text, zlib.crc32(text.encode())))
        except sqlite3.IntegrityError:
            raise InputError(f"query {quoted(id)} is finished already", path=self.path) from None
        except (TypeError, ValueError, sqlite3.Error) as error:
            what = f"the result of query {quoted(id)} can't be written: {full(error) or error}"
            raise InputError(what, path=self.path) from None

    def get(self, id: str) -> Mapping[str, Any]:
        """A query's result, read from disk. Raises InputError if the query isn't finished."""
        try:
            row = self.db.execute("SELECT record, checksum FROM finished WHERE query = ?", (id,)).fetchone()
        except sqlite3.DatabaseError as error:
            raise InputError(_reason(error, self.path), path=self.path) from None
        if row is None:
            raise InputError(f"query {quoted(id)} is not finished: resume the job", path=self.path)
        text, checksum = row
        if not isinstance(text, str) or zlib.crc32(text.encode()) != checksum:
            raise self._damaged(id)
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise self._damaged(id)
        return record

    def _damaged(self, id: str) -> InputError:
        """The error of a query whose stored result is not what was written."""
        what = f"damaged (the result of query {quoted(id)} has changed): delete the journal"
        return InputError(what, path=self.path)

    def rankings(self, queries: Iterable[Query]) -> Iterator[Ranking]:
        """The finished rankings of ``queries``, in that order, read from disk one at a time; candidates without
        content. Raises InputError at a query that isn't finished."""
        for q in queries:
            record = self.get(q.id)
            try:
                candidates = tuple(Candidate(str(id), score=float(score)) for id, score in record["ranking"])
                ranking = Ranking(q, candidates, tuple(map(step_from_dict, record["trace"])))
            except (KeyError, TypeError, ValueError):  # an InputError is a ValueError
                raise self._damaged(q.id) from None
            yield ranking

    def finish(self, path: File, queries: Iterable[Query], tag: str = "anyrank") -> None:
        """Write the run file, whole or not at all, in the order of ``queries``; then remove the journal."""
        write_run(path, self.rankings(queries), tag)
        self.close(remove=True)

    def close(self, *, remove: bool = False) -> None:
        """Close the file; with ``remove`` delete it."""
        self.db.close()
        if remove:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _reason(error: sqlite3.Error, path: Path) -> str:
    """SQLite's error in words, with what to do about it."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # a text that isn't UTF-8 has no code
    if code == sqlite3.SQLITE_BUSY:
        return "another process is writing this journal"
    if code == sqlite3.SQLITE_NOTADB:
        # Closing any other descriptor of the file drops SQLite's locks on it, so it is read here alone, where SQLite
        # has none.
        with path.open("rb") as file:
            first = file.read(100)
        if _VERSION_1.match(first):
            return (
                "a journal of an earlier version of anyrank, which this one can't read: "
                "delete it to begin again, or finish the job with the version that began it"
            )
        return "the file is no journal"
    if code == sqlite3.SQLITE_CORRUPT:
        return f"damaged ({error}): delete the journal"
    return f"can't be used: {full(error) or error}"
