"""Engines' outputs as CSV or tab-separated tables, columns known by name or named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.errors import InputError
from ..io.files import File, label
from ..io.records import Fields, Record, records
from .mztab import number, read_mztab
from .notation import parse
from .psm import Psm
from .spectrum import Bad, refuse


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
    a column.
    """
    name = os.fspath(path).lower().removesuffix(".gz")
    if name.endswith(".mztab"):
        yield from read_mztab(path, run=run, fixed=fixed, bad=bad)
        return
    known = columns or Columns()
    fields = Fields(known.spectrum, known.sequence)
    for n, row in records(path, fields, "csv" if name.endswith(".csv") else "tsv", header=True):
        try:
            at = {
                "spectrum": _column(row, known.spectrum, "spectrum"),
                "precursor": _column(row, known.precursor, None),
            }
            pairs = _pairs(row, known)
        except InputError as error:  # the header's, so every row's
            raise InputError(str(error), path=label(path), line=n) from None
        for sequence, score in pairs:
            said = row[sequence].strip()
            if said in ("", "nan", "None", "[]"):
                continue
            try:
                value = number(row[score])
                if value is None:
                    raise InputError(f"the score {score} is {row[score]!r}: expected a number")
                peptide = parse(said, fixed=fixed)
            except InputError as error:
                refuse(bad, InputError(str(error), path=label(path), line=n))
            else:
                mz = number(row[at["precursor"]]) if at["precursor"] else None
                spectrum = " ".join(row[at["spectrum"]].strip(" []'\"").split())
                yield Psm(spectrum, peptide, value, mz, label(path), n)


def _pairs(row: Record, known: Columns) -> list[tuple[str, str]]:
    """The columns of sequences and their scores."""
    pairs = []
    for name in row:
        if beam := _BEAM.match(name):
            for score in ("log_probabilities", "log_probs"):
                if f"{beam[1]}{score}_beam_{beam[3]}" in row:
                    pairs.append((name, f"{beam[1]}{score}_beam_{beam[3]}"))
                    break
    return [(_column(row, known.sequence, "sequence"), _column(row, known.score, "score")), *pairs]


def _column(row: Record, names: Sequence[str], what: str | None) -> str:
    found = next((n for n in names if n in row), "")
    if not found and what:
        raise InputError(
            f"no column for the {what}: expected {' or '.join(names)}, found {', '.join(row)}; name it as {what}=COLUMN"
        )
    return found
