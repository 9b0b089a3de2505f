"""Records: one mapping a line, from JSON lines, CSV (quoted fields, header), TSV (no quoting) or TREC's SGML; and
tables that don't say how they are parted (`delimited`)."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np

from ..core.errors import InputError, listed, quoted
from .files import File, atomic, decode, empty, label, lines, longest, numbered, opened, texts, too_long
from .json_objects import SEVERAL_LINES, json_objects
from .trec import looks_trec, trec_records

Record = Mapping[str, Any]
T = TypeVar("T")

_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "tsv", ".txt": "tsv"}
_FORMATS |= dict.fromkeys((".trec", ".sgml", ".sgm", ".xml", ".topics"), "trec")


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
    """``jsonl``, ``csv``, ``tsv`` or ``trec``, by the name, or if the file begins with a tag of TREC's; ``jsonl`` for
    stdin and names without an ending."""
    name = os.fspath(path).removesuffix(".gz")
    ending = os.path.splitext(name)[1].lower()
    if os.path.isfile(path) and ending not in (".jsonl", ".ndjson", ".csv", ".tsv") and looks_trec(path):
        return "trec"
    if ending and ending not in _FORMATS:
        if os.path.isfile(path):
            with opened(path):  # a packed file is named as such
                pass
        endings = ", ".join(_FORMATS)
        raise InputError(f"unknown file ending {quoted(ending)} (known: {endings}): name the format", path=label(path))
    return _FORMATS.get(ending, "jsonl")


def records(
    path: File, fields: Fields, format: str | None = None, header: bool | None = None, most: int | None = None
) -> Iterator[tuple[int, Record]]:
    """(line, record) for every record of a file; blank lines are skipped.

    ``header`` says whether a table's first row names its columns; None decides by the row itself. A table without a
    header has two columns, id and text. ``most`` bounds the bytes of a record (by default `longest`).

    Raises InputError on broken JSON or quoting, a row of another width than the header, a first row that neither names
    columns nor can be a record, a record that is too long, and a wrong format name.
    """
    format = format or format_of(path)
    if format == "jsonl":
        return json_lines(path, most)
    if format == "trec":
        return trec_records(path, most)
    if format not in ("csv", "tsv"):
        raise InputError(f"format={quoted(format)}: choose jsonl, csv, tsv or trec")
    rows = _csv(path, most) if format == "csv" else _tsv(path, most)
    return _table(path, rows, fields, header, strict=format == "csv")


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


def json_lines(path: File, most: int | None = None) -> Iterator[tuple[int, Record]]:
    """The JSON objects of a file, one a line; or of one array, or written over several lines each.

    Raises InputError on broken JSON, on lines that hold no object, and on an object of more than ``most`` bytes.
    """
    with opened(path) as source:
        if SEVERAL_LINES.match(source.peek(1)[:4096]):
            yield from json_objects(source, path, most or longest())
            return
        yield from _one_a_line(((n, decode(raw, path, n)) for n, raw in numbered(source, path, most)), path)


def _one_a_line(lines: Iterable[tuple[int, str]], path: File) -> Iterator[tuple[int, Record]]:
    for n, line in lines:
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


def delimited(path: File, most: int | None = None) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) for every row of a table that doesn't say how it is parted: by tabs or ``|`` if its first line has
    one, else by commas and quoted as in CSV. A line that isn't UTF-8 is read as Latin-1, as tables older than it are,
    and lines may end with a carriage return. Raises InputError on broken quoting and on a row of more than ``most``
    bytes."""
    source = ((n, part) for n, raw in lines(path, most) for part in _latin(raw).splitlines(keepends=True))
    first = next(((n, line) for n, line in source if not line.isspace()), None)
    if first is None:
        return
    sign = next((sign for sign in "\t|" if sign in first[1]), ",")
    every = chain([first], source)
    if sign == ",":
        yield from _quoted(path, every, most)
        return
    for n, line in every:
        if not line.isspace():
            yield n, line.rstrip("\r\n").split(sign)


def _latin(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def named_rows(
    path: File, columns: Sequence[str], rows: Iterable[tuple[int, list[str]]]
) -> Iterator[tuple[int, Record]]:
    """Rows as records by the names of their columns. Raises InputError on a row of another width."""
    for n, row in rows:
        if len(row) != len(columns):
            what = f"expected {len(columns)} columns ({listed(columns)}), found {len(row)}"
            raise InputError(what, path=label(path), line=n)
        yield n, dict(zip(columns, row))


def check_columns(path: File, columns: Sequence[str], line: int) -> None:
    """Raises InputError if two columns of a header have the same name."""
    if len(set(columns)) < len(columns):
        twice = next(name for i, name in enumerate(columns) if name in columns[:i])
        what = f"two columns of the header have the same name, {quoted(twice)}"
        raise InputError(what, path=label(path), line=line)


def _table(
    path: File, rows: Iterator[tuple[int, list[str]]], fields: Fields, header: bool | None, strict: bool
) -> Iterator[tuple[int, Record]]:
    """Rows as records. ``strict``: a first row that names no columns must look like a record."""
    columns: list[str] | None = None
    for n, row in rows:
        if columns is None:
            named = fields.header(row) if header is None else header
            if not named and header is None and strict and not _is_record(row):
                if not any(n in row for n in (*fields.id, *fields.text)):
                    what = (
                        f"the first row ({listed(row)}) names no column of an id ({listed(fields.id)}) and none of a "
                    )
                    what += (
                        f"text ({listed(fields.text)}): name them by --id-field and --text-field, or say --no-header"
                    )
                    raise InputError(what, path=label(path), line=n)
                named = True  # one of the two is there: the records say which is missing
            columns = row if named else [fields.id[0], fields.text[0]]
            check_columns(path, columns, n)
            if columns is row:
                continue
        yield from named_rows(path, columns, [(n, row)])


def _is_record(row: list[str]) -> bool:
    """Whether a table's first row is an id and a text of some words, rather than two names of columns."""
    return len(row) == 2 and len(row[0].split()) == 1 and len(row[1].split()) > 2


def _tsv(path: File, most: int | None) -> Iterator[tuple[int, list[str]]]:
    for n, line in texts(path, most):
        if not line.isspace():
            yield n, line.rstrip("\r\n").split("\t")


def _csv(path: File, most: int | None) -> Iterator[tuple[int, list[str]]]:
    return _quoted(path, texts(path, most), most)


def _quoted(path: File, numbered_lines: Iterable[tuple[int, str]], most: int | None) -> Iterator[tuple[int, list[str]]]:
    """The rows of lines of CSV, each with the number of its last line."""
    most = most or longest()
    csv.field_size_limit(max(csv.field_size_limit(), most))
    size, begin, last = 0, 1, 0  # of the present row, which may have several lines

    def source() -> Iterator[str]:
        nonlocal size, last
        for n, line in numbered_lines:
            last = n
            size += len(line)
            if size > most:
                raise too_long(path, begin, most, "row")
            yield line

    reader = csv.reader(source(), strict=True)
    try:
        for row in reader:
            if row:
                yield last, row
            size, begin = 0, last + 1
    except csv.Error as error:
        raise InputError(f"broken CSV: {error}", path=label(path), line=max(last, 1)) from None


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
    elif isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer():
        text = str(int(float(value)))  # whole numbers of a table's column that lacks some
    else:
        own: Any = type(value).__str__
        text = "" if isinstance(value, _NO_IDS) or own is object.__str__ else str(value)
        if not text or text in ("<NA>", "NaT"):
            raise InputError(f"the {what}{field} is {type(value).__name__}: expected a text")
    if not text.strip():
        raise InputError(f"the {what} is empty")
    return text


_NO_IDS = (bool, np.bool_, Real, bytes, bytearray, Iterable, type(None))
