"""Read engines' outputs: CSV or tab-separated tables, whose columns are known by name or given; mzTab by `mztab`."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ....core.errors import InputError
from ....io.files import File, label, texts
from ..notation import parse
from ..psm import Psm
from ..spectrum import Bad, refuse
from .mztab import number, read_mztab


@dataclass(frozen=True, slots=True)
class Columns:
    """The accepted names of a table's columns; the first one present is used. The defaults cover the CSV of Casanovo
    and InstaNovo, the tables of DeepNovo and PointNovo and the common form of benchmarks."""

    spectrum: tuple[str, ...] = ("spectrum_id", "scan_list_original", "scan_number", "scan", "feature_id", "title")
    sequence: tuple[str, ...] = ("denovo_seq", "predictions", "preds", "predicted_sequence", "sequence", "peptide")
    score: tuple[str, ...] = (
        "peptide_score",
        "log_probs",
        "log_probabilities",
        "predicted_score",
        "score",
        "overall_conf",
        "confidence",
    )
    precursor: tuple[str, ...] = ("precursor_mz",)

    def named(self, spec: str) -> Columns:
        """These names with some replaced, as in ``spectrum=id,sequence=seq,score=conf``; InputError on other forms.

        >>> Columns().named("score=conf").score
        ('conf',)
        """
        columns = dict(part.partition("=")[::2] for part in spec.split(",") if part)
        if any(name not in self.__dataclass_fields__ or not column for name, column in columns.items()):
            raise InputError(
                f"columns {spec!r}: expected NAME=COLUMN, NAME one of {', '.join(self.__dataclass_fields__)}"
            )
        return replace(self, **{name: (column,) for name, column in columns.items()})


_BEAM = re.compile(r"^(.*)(predictions|preds)_beam_(\d+)$")


def read_psms(
    path: File,
    *,
    columns: Columns | None = None,
    run: File | None = None,
    fixed: Mapping[str, str] | None = None,
    bad: Bad | None = None,
) -> Iterator[Psm]:
    """Read the peptides in an engine's output: mzTab (``.mztab``), CSV (``.csv``) or tab-separated, gzipped or not.

    Columns ``…predictions_beam_0``, ``_beam_1``, … with ``…log_probabilities_beam_0`` (InstaNovo) are more peptides of
    the same spectrum. ``run`` is the file of the spectra, for mzTab files that list several. A row that can't be
    read goes into ``bad``, or is raised if there is no such list; a row without a sequence is passed over. Raises
    InputError if the table lacks a column or has no row.
    """
    name = os.fspath(path).lower().removesuffix(".gz")
    if name.endswith(".mztab"):
        yield from read_mztab(path, run=run, fixed=fixed, bad=bad)
        return
    accepted = columns or Columns()
    header: tuple[str, ...] = ()
    count = 0
    for n, cells in _rows(path, "," if name.endswith(".csv") else "\t"):
        if not header:
            header = tuple(cells)
            present = _present(path, n, header, accepted)
            continue
        count += 1
        if len(cells) != len(header):
            message = f"expected {len(header)} columns ({', '.join(header)}), found {len(cells)}"
            refuse(bad, InputError(message, path=label(path), line=n))
            continue
        row = dict(zip(header, cells))
        for sequence, score in present.pairs:
            spelling = row[sequence].strip()
            if spelling in ("", "nan", "None", "[]"):
                continue
            try:
                value = number(row[score])
                if value is None:
                    raise InputError(f"{score} is {row[score]!r}: expected a number")
                peptide = parse(spelling, fixed=fixed)
            except InputError as error:
                refuse(bad, InputError(str(error), path=label(path), line=n))
            else:
                mz = number(row[present.precursor]) if present.precursor else None
                spectrum = " ".join(row[present.spectrum].strip(" []'\"").split())
                yield Psm(spectrum, peptide, value, mz, label(path), n)
    if not count:
        raise InputError("no row under a header: not an engine's output, or an empty one", path=label(path))


@dataclass(frozen=True, slots=True)
class _Present:
    """The names of a table's columns for the spectrum, the precursor m/z (empty: none) and each (sequence, score)."""

    spectrum: str
    precursor: str
    pairs: tuple[tuple[str, str], ...]


def _rows(path: File, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, cells) of every row; tab-separated tables have no quotes. Raises InputError on broken
    quotes, after which no row can be told from another."""
    if separator == "\t":
        yield from ((n, line.rstrip("\r\n").split("\t")) for n, line in texts(path) if not line.isspace())
        return
    csv.field_size_limit(max(csv.field_size_limit(), 1 << 24))
    reader, start = csv.reader((line for _, line in texts(path)), strict=True), 1
    try:
        for row in reader:
            if row:
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"broken CSV: {error}", path=label(path), line=start) from None


def _present(path: File, line: int, header: Sequence[str], accepted: Columns) -> _Present:
    """The columns that a header has. Raises InputError if it lacks one."""
    try:
        if len(set(header)) < len(header):
            raise InputError("two columns of the header have the same name")
        if header[0] == "MTD":
            raise InputError("this looks like mzTab: rename the file so that it ends in .mztab")
        if len(header) == 1 and (others := [s for s in ",;\t" if s in header[0]]):
            raise InputError(
                f"one column, {header[0][:80]!r}, which holds {others[0]!r}: expected commas between columns in .csv "
                "files and tabs in others"
            )
        spectrum = _column(header, accepted.spectrum, "spectrum")
        return _Present(spectrum, _column(header, accepted.precursor, None), tuple(_pairs(header, accepted)))
    except InputError as error:
        raise InputError(str(error), path=label(path), line=line) from None


def _pairs(header: Sequence[str], accepted: Columns) -> list[tuple[str, str]]:
    """The columns of sequences and their scores; several if the table has beams."""
    pairs = []
    for name in header:
        if beam := _BEAM.match(name):
            for score in ("log_probabilities", "log_probs"):
                if f"{beam[1]}{score}_beam_{beam[3]}" in header:
                    pairs.append((name, f"{beam[1]}{score}_beam_{beam[3]}"))
                    break
    return [(_column(header, accepted.sequence, "sequence"), _column(header, accepted.score, "score")), *pairs]


def _column(header: Sequence[str], names: Sequence[str], role: str | None) -> str:
    """The first of some names that a header has. If it has none: an empty text, or InputError if a ``role`` is given,
    for which the column is needed."""
    column = next((name for name in names if name in header), "")
    if not column and role:
        raise InputError(
            f"no column for the {role}: expected {' or '.join(names)}, found {', '.join(header)}; name it as "
            f"{role}=COLUMN (--columns)"
        )
    return column
