"""Feature files of learning to rank: ``grade qid:query index:value … # comment`` (SVMlight, LETOR, MSLR), and
LightGBM's form without qid, whose queries' sizes stand in a ``.query`` file beside it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError, quoted
from ..core.types import Candidate, Query, Ranking
from .files import File, atomic, empty, label, texts

FEATURES = "features"
"""The key of a candidate's meta under which its vector of features stands: position i is the file's index i."""
_DOCUMENT = re.compile(r"\b(?:docid|inc)\s*=\s*(\S+)|^\s*(\S+)\s*$")
_HIGHEST = 1_000_000


@dataclass(frozen=True, slots=True)
class _Row:
    grade: int
    query: str
    values: dict[int, float]
    document: str


def read_libsvm(path: File, width: int = 0) -> tuple[list[Ranking], list[tuple[int, ...]]]:
    """The rankings of a file in its order, each candidate with its vector in ``meta["features"]``, and their grades.

    An index that a line lacks is 0, as in all such files; every vector has a value for each index from 0 to the highest
    of the file, or up to ``width`` values if that is more. A comment ``docid = ID``, or of one word, names the
    document, others are called by query and position. Raises InputError, with the line, on anything else, on a query
    whose lines aren't together, and if neither qid nor a ``.query`` file says which lines belong together.
    """
    rows = list(_rows(path))
    if not rows:
        raise empty(path, "lines 'grade qid:query index:value …'")
    width = max(width, 1 + max((max(r.values, default=0) for _, r in rows), default=0))
    names = _queries(path, [r.query for _, r in rows])
    rankings: list[Ranking] = []
    grades: list[tuple[int, ...]] = []
    start, seen = 0, set()
    for end in range(1, len(rows) + 1):
        if end < len(rows) and names[end] == names[start]:
            continue
        name = names[start]
        if name in seen:
            raise InputError(
                f"query {quoted(name)} comes twice: put its lines together", path=path, line=rows[start][0]
            )
        seen.add(name)
        part = [r for _, r in rows[start:end]]
        ids = [r.document for r in part]
        if "" in ids or len(set(ids)) < len(ids):
            ids = [f"{name}-{i}" for i in range(len(part))]
        members = tuple(
            Candidate(id, None, float(len(part) - i), {FEATURES: tuple(r.values.get(j, 0.0) for j in range(width))})
            for i, (id, r) in enumerate(zip(ids, part))
        )
        rankings.append(Ranking(Query(name), members))
        grades.append(tuple(r.grade for r in part))
        start = end
    return rankings, grades


def _rows(path: File) -> Iterator[tuple[int, _Row]]:
    for n, line in texts(path):
        data, _, comment = line.partition("#")
        if not (columns := data.split()):
            continue
        query, pairs = "", list[tuple[int, float]]()
        try:
            grade = float(columns[0])
            for column in columns[1:]:
                name, _, value = column.partition(":")
                if name == "qid":
                    query = value
                    continue
                pairs.append((int(name), float(value)))
        except ValueError:
            raise InputError(
                f"expected 'grade qid:query index:value …', found {quoted(data)}", path=path, line=n
            ) from None
        if grade < 0 or not grade.is_integer():
            raise InputError(f"the grade {columns[0]} is no whole number of at least 0", path=path, line=n)
        values: dict[int, float] = {}
        for index, number in pairs:
            if not 0 <= index <= _HIGHEST or not math.isfinite(number):
                what = f"{index}:{number:g}: indexes are 0 to {_HIGHEST:,} and values finite numbers"
                raise InputError(what, path=path, line=n)
            if index in values:
                raise InputError(f"the feature {index} stands twice in the line", path=path, line=n)
            values[index] = number
        match = _DOCUMENT.search(comment)
        yield n, _Row(int(grade), query, values, (match[1] or match[2]) if match else "")


def _queries(path: File, names: Sequence[str]) -> list[str]:
    """The query of each line: its qid, or by the sizes of the .query file, whose queries are called q1, q2, …"""
    if all(names):
        return list(names)
    name = os.fspath(path)
    beside = Path(f"{name.removesuffix('.gz')}.query")
    if any(names) or not beside.is_file():
        what = "some lines have no qid" if any(names) else f"the lines have no qid, and there is no {beside.name}"
        raise InputError(f"{what}: give each line its qid, or the queries' sizes in a .query file", path=label(path))
    sizes = []
    for n, line in texts(beside):
        if not line.strip().isdecimal():
            raise InputError(
                f"expected the number of a query's lines, found {quoted(line.strip())}", path=beside, line=n
            )
        sizes.append(int(line))
    if sum(sizes) != len(names):
        raise InputError(f"the sizes sum to {sum(sizes):,}, and {label(path)} has {len(names):,} lines", path=beside)
    return [f"q{i}" for i, size in enumerate(sizes, 1) for _ in range(size)]


def write_libsvm(path: File, rows: Sequence[tuple[str, str, int, Sequence[float]]]) -> None:
    """Write (query, document, grade, vector) rows, the vectors' positions as indexes from 1; missing values and zeros
    are left out, so a reader takes both for 0."""
    with atomic(path) as f:
        for query, document, grade, vector in rows:
            values = " ".join(f"{i}:{v:.9g}" for i, v in enumerate(vector, 1) if v and math.isfinite(v))
            f.write(f"{grade} qid:{query} {values} # docid = {document}\n")
