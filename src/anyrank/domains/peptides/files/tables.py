"""Engines' outputs as CSV or tab-separated tables, columns known by name or named."""

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
    """The accepted names of a table's columns; the first that is there counts. The defaults know Casanovo's CSV,
    InstaNovo's, the tables of DeepNovo and PointNovo and the common form of benchmarks."""

    spectrum: tuple[str, ...] = ("spectrum_id", "scan_list_original", "scan_number", "scan", "feature_id", "title")
    sequence: tuple[str, ...] = (
        "denovo_seq", "predictions", "preds", "predicted_sequence", "sequence", "peptide",
    )  # fmt: skip
    score: tuple[str, ...] = (
        "peptide_score", "log_probs", "log_probabilities", "predicted_score", "score", "overall_conf", "confidence",
    )  # fmt: skip
    precursor: tuple[str, ...] = ("precursor_mz",)

    def named(self, spec: str) -> Columns:
        """The same with columns named as in ``spectrum=id,sequence=seq,score=conf``.

        >>> Columns().named("score=conf").score
        ('conf',)
        """
        given = dict(part.partition("=")[::2] for part in spec.split(",") if part)
        wrong = [k for k in given if k not in self.__dataclass_fields__ or not given[k]]
        if wrong:
            raise InputError(
                f"columns {spec!r}: expected NAME=COLUMN, NAME one of {', '.join(self.__dataclass_fields__)}"
            )
        return replace(self, **{k: (v,) for k, v in given.items()})


_BEAM = re.compile(r"^(.*)(predictions|preds)_beam_(\d+)$")


def read_psms(
    path: File,
    *,
    columns: Columns | None = None,
    run: File | None = None,
    fixed: Mapping[str, str] | None = None,
    bad: Bad | None = None,
) -> Iterator[Psm]:
    """The peptides in an engine's output: mzTab (``.mztab``), CSV (``.csv``) or tab-separated, gzipped or not.

    Columns ``…predictions_beam_0``, ``_beam_1``, … with ``…log_probabilities_beam_0`` (InstaNovo) are more peptides of
    the same spectrum. ``run`` is the file of the spectra, for mzTab files that tell of several. A row that can't be
    read goes into ``bad``, or is raised; a row without a sequence says nothing. Raises InputError where the table lacks
    a column or has no row.
    """
    name = os.fspath(path).lower().removesuffix(".gz")
    if name.endswith(".mztab"):
        yield from read_mztab(path, run=run, fixed=fixed, bad=bad)
        return
    known = columns or Columns()
    header: tuple[str, ...] = ()
    count = 0
    for n, cells in _rows(path, "," if name.endswith(".csv") else "\t"):
        if not header:
            header = tuple(cells)
            found = _found(path, n, header, known)
            continue
        count += 1
        if len(cells) != len(header):
            message = f"expected {len(header)} columns ({', '.join(header)}), found {len(cells)}"
            refuse(bad, InputError(message, path=label(path), line=n))
            continue
        row = dict(zip(header, cells))
        for sequence, score in found.pairs:
            written = row[sequence].strip()
            if written in ("", "nan", "None", "[]"):
                continue
            try:
                value = number(row[score])
                if value is None:
                    raise InputError(f"the score {score} is {row[score]!r}: expected a number")
                peptide = parse(written, fixed=fixed)
            except InputError as error:
                refuse(bad, InputError(str(error), path=label(path), line=n))
            else:
                mz = number(row[found.precursor]) if found.precursor else None
                spectrum = " ".join(row[found.spectrum].strip(" []'\"").split())
                yield Psm(spectrum, peptide, value, mz, label(path), n)
    if not count:
        raise InputError("no row under a header: this is no engine's output, or an empty one", path=label(path))


@dataclass(frozen=True, slots=True)
class _Found:
    """The columns of a table by what they hold; of sequences with their scores there may be several."""

    spectrum: str
    precursor: str
    pairs: tuple[tuple[str, str], ...]


def _rows(path: File, sign: str) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, cells) of every row; tab-separated tables know no quotes. Raises InputError on broken
    quotes, behind which no row can be told."""
    if sign == "\t":
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


def _found(path: File, line: int, header: Sequence[str], known: Columns) -> _Found:
    """Raises InputError where the header lacks a column."""
    try:
        if len(set(header)) < len(header):
            raise InputError("two columns of the header have the same name")
        if header[0] == "MTD":
            raise InputError("this looks like mzTab: let the file's name end in .mztab")
        if len(header) == 1 and (signs := [s for s in ",;\t" if s in header[0]]):
            raise InputError(
                f"one column, {header[0][:80]!r}, which holds {signs[0]!r}: expected commas between columns in .csv "
                "files and tabs in others"
            )
        spectrum = _column(header, known.spectrum, "spectrum")
        return _Found(spectrum, _column(header, known.precursor, None), tuple(_pairs(header, known)))
    except InputError as error:
        raise InputError(str(error), path=label(path), line=line) from None


def _pairs(row: Sequence[str], known: Columns) -> list[tuple[str, str]]:
    """The columns of sequences and their scores."""
    pairs = []
    for name in row:
        if beam := _BEAM.match(name):
            for score in ("log_probabilities", "log_probs"):
                if f"{beam[1]}{score}_beam_{beam[3]}" in row:
                    pairs.append((name, f"{beam[1]}{score}_beam_{beam[3]}"))
                    break
    return [(_column(row, known.sequence, "sequence"), _column(row, known.score, "score")), *pairs]


def _column(row: Sequence[str], names: Sequence[str], what: str | None) -> str:
    found = next((n for n in names if n in row), "")
    if not found and what:
        raise InputError(
            f"no column for the {what}: expected {' or '.join(names)}, found {', '.join(row)}; name it as "
            f"{what}=COLUMN (--columns)"
        )
    return found
