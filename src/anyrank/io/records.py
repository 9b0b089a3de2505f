"""Records: one mapping a line, from JSON lines, CSV (quoted fields, header) or TSV (no quoting)."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np

from ..core.errors import InputError, listed, quoted
from .files import File, atomic, empty, label, texts

Record = Mapping[str, Any]
T = TypeVar("T")

_LONGEST_FIELD = 1 << 24
_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "tsv", ".txt": "tsv"}


@dataclass(frozen=True, slots=True)
class Fields:
    """The accepted names of the fields that hold the id, the text and the title; of several, the first present counts.

    >>> Fields(("_id", "id"), ("text",)).pick(id="url").id
    ('url',)
    """

    id: tuple[str, ...]
    text: tuple[str, ...]
    title: tuple[str, ...] = ()

    def pick(self, id: str | None = None, text: str | None = None, title: str | None = None) -> Fields:
        """The same with the names given here instead."""
        chosen = {"id": id, "text": text, "title": title}
        return replace(self, **{k: (v,) for k, v in chosen.items() if v is not None})

    def header(self, columns: list[str]) -> bool:
        """True if a table's first row names the columns."""
        return any(n in columns for n in self.id) and any(n in columns for n in self.text)


def format_of(path: File) -> str:
    """``jsonl``, ``csv`` or ``tsv``, by the name; ``jsonl`` for stdin and names without an ending."""
    name = os.fspath(path).removesuffix(".gz")
    ending = os.path.splitext(name)[1].lower()
    if ending and ending not in _FORMATS:
        endings = ", ".join(_FORMATS)
        raise InputError(f"unknown file ending {quoted(ending)} (known: {endings}): name the format", path=label(path))
    return _FORMATS.get(ending, "jsonl")


def records(
    path: File, fields: Fields, format: str | None = None, header: bool | None = None
) -> Iterator[tuple[int, Record]]:
    """(line, record) for every record of a file; blank lines are skipped.

    ``header`` says whether a table's first row names its columns; None decides by the row itself (CSV always has one).
    A table without a header has two columns, id and text.

    Raises InputError on broken JSON or quoting, a row of another width than the header, and a wrong format name.
    """
    format = format or format_of(path)
    if format == "jsonl":
        return json_lines(path)
    if format not in ("csv", "tsv"):
        raise InputError(f"format={quoted(format)}: choose jsonl, csv or tsv")
    rows = _csv(path) if format == "csv" else _tsv(path)
    return _table(path, rows, fields, True if format == "csv" and header is None else header)


def parsed(path: File, stream: Iterator[tuple[int, Record]], parse: Callable[[Record], T], what: str) -> Iterator[T]:
    """Every record through ``parse``, whose errors get the file and line. Raises InputError on an empty file."""
    n = 0
    for n, record in stream:
        try:
            item = parse(record)
        except InputError as error:
            raise InputError(str(error), path=label(path), line=n) from None
        yield item
    if not n:
        raise empty(path, what)


def json_lines(path: File) -> Iterator[tuple[int, Record]]:
    """The JSON objects of a file, one a line. Raises InputError on broken JSON and on lines that hold no object."""
    for n, line in texts(path):
        if line.isspace():
            continue
        try:
            record = json.loads(line)
            if "\\ud" in line or "\\uD" in line:
                json.dumps(record, ensure_ascii=False).encode()
        except json.JSONDecodeError as error:
            what = f"broken JSON: {error.msg} at column {error.colno}"
            raise InputError(what, path=label(path), line=n) from None
        except UnicodeEncodeError:
            raise InputError(r"half a surrogate pair (\ud800 to \udfff) alone", path=label(path), line=n) from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"broken JSON: {error}", path=label(path), line=n) from None
        if not isinstance(record, dict):
            kind = type(record).__name__
            raise InputError(f"expected a JSON object on each line, found {kind}", path=label(path), line=n)
        yield n, record


def write_jsonl(path: File, rows: Iterable[Record]) -> None:
    """Mappings as JSON lines, whole or not at all."""
    with atomic(path) as f:
        for row in rows:
            f.write(json.dumps(row, ensure_ascii=False) + "\n")


def _table(
    path: File, rows: Iterator[tuple[int, list[str]]], fields: Fields, header: bool | None
) -> Iterator[tuple[int, Record]]:
    columns: list[str] | None = None
    for n, row in rows:
        if columns is None:
            columns = row if header or (header is None and fields.header(row)) else [fields.id[0], fields.text[0]]
            if len(set(columns)) < len(columns):
                raise InputError("two columns of the header have the same name", path=label(path), line=n)
            if columns is row:
                continue
        if len(row) != len(columns):
            names = listed(columns)
            what = f"expected {len(columns)} columns ({names}), found {len(row)}"
            raise InputError(what, path=label(path), line=n)
        yield n, dict(zip(columns, row))


def _tsv(path: File) -> Iterator[tuple[int, list[str]]]:
    for n, line in texts(path):
        if not line.isspace():
            yield n, line.rstrip("\r\n").split("\t")


def _csv(path: File) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    reader = csv.reader((line for _, line in texts(path)), strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"broken CSV: {error}", path=label(path), line=max(reader.line_num, 1)) from None


def first_of(record: Record, names: tuple[str, ...]) -> str | None:
    """The first of ``names`` that the record has."""
    for name in names:
        if name in record:
            return name
    return None


def text_field(record: Record, names: tuple[str, ...], what: str) -> tuple[str, str]:
    """(field name, its text) of the first of ``names`` that the record has. Raises InputError if there is none or it
    holds no text."""
    name = first_of(record, names)
    if name is None:
        present = listed(record)
        raise InputError(f"no {what}: expected a field {' or '.join(names)}, found {present}")
    value = record[name]
    if not isinstance(value, str):
        raise InputError(f"the {what} ({name}) is {type(value).__name__}: expected a text")
    return name, value


def id_of(record: Record, names: tuple[str, ...], what: str) -> tuple[str, str]:
    """(field name, id) of the first of ``names`` that holds one, as `id_text`. Raises InputError if there is none."""
    name = next((n for n in names if record.get(n) is not None), None)
    if name is None:
        return text_field(record, names, what)
    return name, id_text(record[name], what, f" ({name})")


def id_text(value: Any, what: str, field: str = "") -> str:
    """An id as text: whole numbers, UUIDs, paths, dates and all else that has a text of its own. Raises InputError on
    what is empty or missing, truth values, fractions, bytes and containers.

    >>> id_text(7, "id"), id_text(7.0, "id")
    ('7', '7')
    """
    if isinstance(value, str):
        text = str.__str__(value)
    elif isinstance(value, Integral) and not isinstance(value, bool):
        text = str(int(value))
    elif isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value) and value == int(value):
        text = str(int(value))  # whole numbers of a table's column that lacks some
    else:
        text = "" if isinstance(value, _NO_IDS) or type(value).__str__ is object.__str__ else str(value)
        if not text or text in ("<NA>", "NaT"):
            raise InputError(f"the {what}{field} is {type(value).__name__}: expected a text")
    if not text.strip():
        raise InputError(f"the {what} is empty")
    return text


_NO_IDS = (bool, np.bool_, Real, bytes, bytearray, Iterable, type(None))
