"""The journal of a long job: what is finished, a query a line, so that a killed job goes on where it stood."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ..core.errors import InputError
from ..core.types import Candidate, Query, Ranking
from .candidates import step_from_dict
from .files import File
from .runs import write_run

_TORN_HEADER = re.compile(rb'\d+( [0-9a-f]{0,8}( (\{("(j(o(u(r(n(a(l(".*)?)?)?)?)?)?)?)?)?)?)?)?')


def fingerprint(settings: Mapping[str, Any]) -> str:
    """A short hash of a job's settings (JSON values; anything else counts by its repr).

    >>> fingerprint({"depth": 100, "model": "minilm"}) == fingerprint({"model": "minilm", "depth": 100})
    True
    """
    return hashlib.sha256(_plain(settings).encode()).hexdigest()[:16]


def _plain(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, default=repr)


@dataclass(slots=True, eq=False)
class Journal:
    """An append-only file of finished queries: ``length crc32 json`` a line, the job's settings first.

    Every line goes to the system in one write, so ``kill -9`` tears at most the last one; opening drops a torn last
    line. One process at a time may hold a journal. Memory holds the query ids and where their lines begin.
    """

    path: Path
    handle: int
    places: dict[str, tuple[int, int]]

    @classmethod
    def open(cls, path: File, settings: Mapping[str, Any], *, resume: bool = False) -> Journal:
        """A new journal, or with ``resume`` the one that is there (a new one where there is none).

        Raises InputError where a journal is there and ``resume`` isn't asked for, it was begun with other settings, it
        is damaged before its last line, is no journal, or another process holds it.
        """
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise InputError(f"can't be opened: {error.strerror}", path=path) from None
        journal = cls(Path(path), handle, {})
        try:
            journal._begin(settings, resume)
        except BaseException:
            journal.close()
            raise
        return journal

    def _begin(self, settings: Mapping[str, Any], resume: bool) -> None:
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("another process is writing this journal", path=self.path) from None
        header = {"journal": 1, "fingerprint": fingerprint(settings), "settings": json.loads(_plain(settings))}
        size = os.fstat(self.handle).st_size
        if size and not resume:
            raise InputError("there is a file already: resume the job, or delete it", path=self.path)
        end = 0
        for n, (start, line) in enumerate(self._lines(), 1):
            record = _unpack(line)
            if record is None and start + len(line) == size and (n > 1 or _TORN_HEADER.fullmatch(line)):
                break
            if record is None:
                what = "this is no journal" if n == 1 else "a damaged line before the last: delete the journal"
                raise InputError(what, path=self.path, line=n)
            if n == 1:
                self._same(record, header)
            elif record["qid"] in self.places:
                raise InputError(f"query {record['qid']!r} stands twice", path=self.path, line=n)
            else:
                self.places[record["qid"]] = (start, len(line))
            end = start + len(line)
        os.ftruncate(self.handle, end)
        if not end:
            self._write(_pack(header))

    def _same(self, found: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
        if found.get("journal") != 1:
            raise InputError("a journal of another version: delete it", path=self.path, line=1)
        if found["fingerprint"] != mine["fingerprint"]:
            was, now = found["settings"], mine["settings"]
            changed = [
                f"{k}: {was.get(k)!r} then, {now.get(k)!r} now" for k in {**was, **now} if was.get(k) != now.get(k)
            ]
            what = (
                f"begun with settings {found['fingerprint']}, this job has {mine['fingerprint']} ({'; '.join(changed)})"
            )
            raise InputError(f"{what}: use the same settings, or delete the journal", path=self.path)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with open(self.path, "rb") as f:
            start = 0
            for line in f:
                yield start, line
                start += len(line)

    def _write(self, line: bytes) -> int:
        start = os.lseek(self.handle, 0, os.SEEK_END)
        while line:
            line = line[os.write(self.handle, line) :]
        return start

    def __contains__(self, query: object) -> bool:
        return query in self.places

    def __len__(self) -> int:
        return len(self.places)

    def todo(self, queries: Iterable[Query]) -> list[Query]:
        """The queries that aren't finished yet, in their order."""
        return [q for q in queries if q.id not in self.places]

    def append(self, ranking: Ranking) -> None:
        """Write a finished ranking: ids, scores, trace; no contents. Raises InputError as ``put`` does, and where a
        score isn't finite."""
        ranked = [(c.id, float(c.score)) for c in ranking]
        self.put(ranking.query.id, {"ranking": ranked, "trace": [s.as_dict() for s in ranking.trace]})

    def put(self, id: str, record: Mapping[str, Any]) -> None:
        """Write what was made for a query, in JSON values. Raises InputError where its query is there already, or a
        value can't be written."""
        if id in self.places:
            raise InputError(f"query {id!r} is finished already", path=self.path)
        try:
            line = _pack({"qid": id, **record})
        except (TypeError, ValueError) as error:
            raise InputError(f"the ranking of query {id!r} can't be written: {error}", path=self.path) from None
        self.places[id] = (self._write(line), len(line))

    def get(self, id: str) -> Mapping[str, Any]:
        """What was made for a query, read from disk. Raises InputError at a query that isn't finished."""
        if id not in self.places:
            raise InputError(f"query {id!r} is not finished: resume the job", path=self.path)
        start, size = self.places[id]
        record = _unpack(os.pread(self.handle, size, start))
        if record is None:
            raise InputError(f"the record of query {id!r} was changed meanwhile", path=self.path)
        return record

    def rankings(self, queries: Iterable[Query]) -> Iterator[Ranking]:
        """The finished rankings of ``queries``, in that order, read from disk one at a time; candidates without
        content. Raises InputError at a query that isn't finished."""
        for q in queries:
            record = self.get(q.id)
            found = (Candidate(id, score=score) for id, score in record["ranking"])
            yield Ranking(q, tuple(found), tuple(map(step_from_dict, record["trace"])))

    def finish(self, path: File, queries: Iterable[Query], tag: str = "anyrank") -> None:
        """Write the run file, whole or not at all, in the order of ``queries``; then remove the journal."""
        write_run(path, self.rankings(queries), tag)
        self.close(remove=True)

    def close(self, *, remove: bool = False) -> None:
        """Let go of the file; with ``remove`` delete it."""
        if self.handle >= 0:
            if remove:
                self.path.unlink()
            os.close(self.handle)
            self.handle = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _pack(record: Mapping[str, Any]) -> bytes:
    body = json.dumps(record, ensure_ascii=True, allow_nan=False).encode()
    return b"%d %08x %s\n" % (len(body), zlib.crc32(body), body)


def _unpack(line: bytes) -> dict[str, Any] | None:
    """The record of a line, None where the line is torn or damaged."""
    size, _, rest = line.partition(b" ")
    crc, _, body = rest.partition(b" ")
    if not body.endswith(b"\n") or size != b"%d" % (len(body) - 1) or crc != b"%08x" % zlib.crc32(body[:-1]):
        return None
    record: dict[str, Any] = json.loads(body)
    return record
