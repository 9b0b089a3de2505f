"""Triples, one a line and tab-separated: query, positive, negative; as texts or as ids, plain or with a teacher's
scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate, Query
from ..io.files import File, empty, label, texts
from .group import Group

Texts = Mapping[str, str]
"""Contents by id."""


def contents(items: Iterable[Query | Candidate]) -> dict[str, str]:
    """The texts of queries or documents by id, for readers of ids (held in memory).

    >>> contents([Candidate("d1", "lift and drag")])
    {'d1': 'lift and drag'}
    """
    return {item.id: text_of(item.content) for item in items}


def read_triples(path: File, queries: Texts | None = None, documents: Texts | None = None) -> Iterator[Group]:
    """A group of two a line, labels 1 and 0, from ``query<TAB>positive<TAB>negative``: texts; or ids, if
    ``queries`` and ``documents`` are given (MS MARCO's ``qidpidtriples``).

    Raises InputError, with the line, on another number of columns, an empty column, an unknown id, and an empty file.
    """
    for _, query, pair in _rows(path, 0, queries, documents):
        yield _pair(query, pair, (1.0, 0.0), queries, documents)


def read_teacher_scores(path: File, queries: Texts | None = None, documents: Texts | None = None) -> Iterator[Group]:
    """A group of two a line, a teacher's scores as labels and 1 and 0 as grades, from
    ``positive score<TAB>negative score`` and a triple: ids (the published teacher files of Hofstätter et al., arXiv
    2010.02666) or texts, as in ``read_triples``.

    Raises InputError, with the line, as ``read_triples`` does, and on a score that isn't a finite number.
    """
    for scores, query, pair in _rows(path, 2, queries, documents):
        yield replace(_pair(query, pair, scores, queries, documents), grades=(1.0, 0.0))


def merged(groups: Iterable[Group]) -> Iterator[Group]:
    """Neighbouring groups of one query as one group: each text once (by its id, if it has one), with its highest
    label and its highest grade.

    >>> a, b = Group.from_texts("q", ("x", "y"), (1.0, 0.0)), Group.from_texts("q", ("x", "z"), (1.0, 0.0))
    >>> next(merged([a, b])).texts
    ('x', 'y', 'z')
    """
    for _, same in groupby(groups, key=lambda g: (g.id, g.query)):
        parts = list(same)
        rows: dict[str, tuple[Group, int]] = {}
        grades: dict[str, float] = {}
        for group in parts:
            for i, name in enumerate(group.ids or group.texts):
                if group.grades:
                    grades[name] = max(group.grades[i], grades.get(name, group.grades[i]))
                if name not in rows or group.labels[i] > rows[name][0].labels[rows[name][1]]:
                    rows[name] = (group, i)
        members = list(rows.values())
        yield Group(
            parts[0].query,
            tuple(g.candidates[i] for g, i in members),
            tuple(g.labels[i] for g, i in members),
            parts[0].id,
            tuple(g.priors[i] for g, i in members) if all(g.priors for g in parts) else (),
            tuple(grades[name] for name in rows) if all(g.grades for g in parts) else (),
        )


def _pair(
    query: str, pair: tuple[str, str], labels: tuple[float, ...], queries: Texts | None, documents: Texts | None
) -> Group:
    if queries is None or documents is None:
        return Group.from_texts(query, pair, labels)
    texts = [documents[id] for id in pair]
    return Group.from_texts(queries[query], texts, labels, query, pair)


def _rows(
    path: File, scores: int, queries: Texts | None, documents: Texts | None
) -> Iterator[tuple[tuple[float, ...], str, tuple[str, str]]]:
    """(scores, query, (positive, negative)) of every line."""
    if (queries is None) != (documents is None):
        raise InputError("triples of ids need both queries and documents; triples of texts neither")
    names = ("positive score", "negative score", "query", "positive", "negative")[2 - scores :]
    n = 0
    for n, line in texts(path):
        if line.isspace():
            continue
        columns = line.rstrip("\r\n").split("\t")
        if len(columns) != len(names):
            what = f"expected {len(names)} tab-separated columns ({', '.join(names)}), found {len(columns)}"
            raise InputError(what, path=label(path), line=n)
        for name, value in zip(names, columns):
            if not value.strip():
                raise InputError(f"the {name} is empty", path=label(path), line=n)
        values = tuple(_number(value, path, n) for value in columns[:scores])
        query, positive, negative = columns[scores:]
        if queries is not None and documents is not None:
            for what, id, known in (("query", query, queries), *(("document", i, documents) for i in columns[-2:])):
                if id not in known:
                    raise InputError(f"unknown {what} id {id!r}", path=label(path), line=n)
        yield values, query, (positive, negative)
    if not n:
        raise empty(path, f"lines of {', '.join(names)}")


def _number(text: str, path: File, n: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"expected a finite number as score, found {text!r}", path=label(path), line=n)
    return value
