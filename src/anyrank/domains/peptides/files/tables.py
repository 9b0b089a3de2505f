"""Read engines' outputs: CSV or tab-separated tables, whose columns are known by name or given; mzTab by `mztab`."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ....core.errors import InputError
from ....io.files import File, label, texts
from ..notation import parse
from ..peptide import Peptide
from ..psm import Psm
from ..scans import plain_title
from ..spectrum import Bad, refuse
from .mztab import number, numbers, read_mztab


@dataclass(frozen=True, slots=True)
class Columns:
    """The accepted names of a table's columns; the first one present is used (of the spectrum's: the one that fits
    best, see `psm.join`). Case, spaces and punctuation don't count. The defaults cover the tables of Casanovo,
    InstaNovo and InstaNovo+, DeepNovo and PointNovo, PEAKS, Novor, MaxQuant (msms.txt), DIA-NN, FragPipe, Sage,
    Percolator and mokapot, psm_utils, and the common form of benchmarks."""

    spectrum: tuple[str, ...] = (
        "spectrum_id", "scan_list_original", "scan_number", "scan", "feature_id", "title", "spectrum", "psmid",
        "specid", "scannum", "scannr", "scan_index", "ms2.scan", "native_id",
    )  # fmt: skip
    sequence: tuple[str, ...] = (
        "final_prediction", "final_predictions", "denovo_seq", "predictions", "preds", "predicted_sequence",
        "modified_sequence", "modified_peptide", "peptidoform", "proforma", "sequence", "peptide", "denovo",
    )  # fmt: skip
    score: tuple[str, ...] = (
        "peptide_score", "log_probs", "log_probabilities", "predicted_score", "alc (%)", "denovo_score", "score",
        "mokapot score", "hyperscore", "cscore", "overall_conf", "confidence", "q.value",
    )  # fmt: skip
    precursor: tuple[str, ...] = ("precursor_mz", "m/z", "mz(data)", "observed m/z")
    charge: tuple[str, ...] = ("precursor_charge", "charge", "z")
    run: tuple[str, ...] = ("run", "raw_file", "source_file", "experiment_name", "filename")

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
_FALLING = ("qvalue",)
"""Scores of which the lower is better, by their plain names."""
_PROTEINS = ("proteinids", "proteins")
_AA_SCORES = ("aascores", "aascore", "localconfidence", "tokenlogprobs", "tokenlogprobabilities", "positionalscores")
_EMPTY = ("", "nan", "none", "[]", "null", "na")


def read_psms(
    path: File,
    *,
    columns: Columns | None = None,
    run: File | Sequence[File] | None = None,
    fixed: Mapping[str, str] | None = None,
    bad: Bad | None = None,
    notes: Bad | None = None,
    need_score: bool = True,
) -> Iterator[Psm]:
    """Read the peptides in an engine's output: mzTab (``.mztab``), CSV (``.csv``) or tab-separated, gzipped or not.

    Columns ``…predictions_beam_0``, ``_beam_1``, … with ``…log_probabilities_beam_0`` (InstaNovo) are more peptides of
    the same spectrum. ``run`` is the file of the spectra (or the files), for mzTab files that list several. A row that
    can't be read goes into ``bad``, or is raised if there is no such list; a row without a sequence is passed over.
    ``notes`` says which of several columns of sequences was taken. Without ``need_score`` (a file of true peptides), a
    table without scores is read with scores of 1. Raises InputError if the table lacks a column or
    has no row.
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
            header = tuple(_header(cells))
            present = _present(path, n, header, accepted, need_score)
            if present.rivals and notes is not None:
                message = f"peptides are read from {present.pairs[0][0]!r}, not from {', '.join(present.rivals)}"
                notes.append(InputError(message, path=label(path), line=n))
            continue
        count += 1
        cells = _cells(cells, header)
        if len(cells) != len(header):
            message = f"expected {len(header)} columns ({', '.join(header)[:300]}), found {len(cells)}"
            refuse(bad, InputError(message, path=label(path), line=n))
            continue
        row = dict(zip(header, cells))
        for sequence, score in present.pairs:
            spelling = row[sequence].strip()
            if spelling.lower() in _EMPTY:
                continue
            try:
                value = number(row[score]) if score else 1.0
                if value is None:
                    raise InputError(f"{score} is {row[score][:80]!r}: expected a number")
                peptide = parse(spelling, fixed=fixed)
            except InputError as error:
                refuse(bad, InputError(str(error), path=label(path), line=n))
            else:
                yield _psm(row, present, peptide, -value if _plain(score) in _FALLING else value, label(path), n)
    if not count:
        raise InputError("no row under a header: not an engine's output, or an empty one", path=label(path))


@dataclass(frozen=True, slots=True)
class _Present:
    """The names of a table's columns, empty for one that it lacks: those that may name the spectrum, the best first
    (``chosen``: by the user), the precursor's m/z and charge, the run, the residues' scores, each (sequence, score),
    and the other columns of sequences."""

    spectrum: tuple[str, ...]
    chosen: bool
    precursor: str
    charge: str
    run: str
    aa_scores: str
    pairs: tuple[tuple[str, str], ...]
    rivals: tuple[str, ...]


def _psm(row: Mapping[str, str], present: _Present, peptide: Peptide, score: float, path: str, line: int) -> Psm:
    """The PSM of a row."""
    first, *others = ((c, plain_title(row[c])) for c in present.spectrum)
    charge = number(row[present.charge].strip().rstrip("+")) if present.charge else None
    return Psm(
        first[1],
        peptide,
        score,
        number(row[present.precursor]) if present.precursor else None,
        path,
        line,
        charge=int(charge) if charge and charge >= 1 else None,
        run=row[present.run].strip() if present.run else "",
        aa_scores=numbers(row[present.aa_scores]) if present.aa_scores else (),
        column=first[0],
        others=tuple(others),
        chosen=present.chosen,
    )


def _header(cells: Sequence[str]) -> list[str]:
    """The names of a header: Novor's begins with ``#`` and ends in an empty one."""
    names = [c.strip() for c in cells]
    names[0] = names[0].lstrip("# ")
    return names[:-1] if len(names) > 1 and not names[-1] else names


def _cells(cells: list[str], header: Sequence[str]) -> list[str]:
    """A row's cells, as many as the header has if they are one empty cell more, or several proteins in the last."""
    n = len(header)
    if len(cells) == n + 1 and not cells[-1].strip():
        return cells[:-1]
    if len(cells) > n and _plain(header[-1]) in _PROTEINS:
        return [*cells[: n - 1], "|".join(cells[n - 1 :])]
    return cells


def _rows(path: File, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, cells) of every row; tab-separated tables have no quotes. Comments before the header
    are passed over. Raises InputError on broken quotes, after which no row can be told from another."""
    if separator == "\t":
        yield from ((n, line.rstrip("\r\n").split("\t")) for n, line in _lines(path) if not line.isspace())
        return
    csv.field_size_limit(max(csv.field_size_limit(), 1 << 24))
    first = 0

    def source() -> Iterator[str]:
        nonlocal first
        for n, line in _lines(path):
            first = first or n
            yield line

    reader, start = csv.reader(source(), strict=True), 1
    try:
        for row in reader:
            if row:
                yield start + max(first - 1, 0), row
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"broken CSV: {error}", path=label(path), line=start + max(first - 1, 0)) from None


def _lines(path: File) -> Iterator[tuple[int, str]]:
    """The lines of a table from its header on: lines of ``#`` before it are comments, unless they hold several
    names."""
    begun = False
    for n, line in texts(path):
        text = line.strip()
        if not begun and (not text or (text.startswith("#") and len(re.split(r"[,\t]", text.rstrip(",\t"))) < 3)):
            continue
        begun = True
        yield n, line


def _plain(name: str) -> str:
    """A column's name in lower case, without spaces and punctuation."""
    return re.sub(r"[^a-z0-9/%()]", "", name.lower())


def _present(path: File, line: int, header: Sequence[str], accepted: Columns, need_score: bool) -> _Present:
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
        names = _all(header, accepted.spectrum)
        if not names:
            _column(header, accepted.spectrum, "spectrum")
        chosen = accepted.spectrum != Columns().spectrum
        # the columns that are not chosen are named in errors only
        names += [c for c in _all(header, Columns().spectrum) if c not in names]
        pairs = tuple(_pairs(header, accepted, need_score))
        refined = pairs[0][0] if _plain(pairs[0][0]).startswith("finalprediction") else ""
        rivals = [c for c in _all(header, accepted.sequence) if c != refined] if refined else []
        return _Present(
            tuple(names),
            chosen,
            _column(header, accepted.precursor, None),
            _column(header, accepted.charge, None),
            _column(header, accepted.run, None),
            next((c for c in header if _plain(c).removesuffix("(%)") in _AA_SCORES), ""),
            pairs,
            tuple(rivals),
        )
    except InputError as error:
        raise InputError(str(error), path=label(path), line=line) from None


def _pairs(header: Sequence[str], accepted: Columns, need_score: bool) -> list[tuple[str, str]]:
    """The columns of sequences and their scores (empty if none is needed); several if the table has beams."""
    pairs = []
    for name in header:
        if beam := _BEAM.match(name):
            for score in ("log_probabilities", "log_probs"):
                if f"{beam[1]}{score}_beam_{beam[3]}" in header:
                    pairs.append((name, f"{beam[1]}{score}_beam_{beam[3]}"))
                    break
    sequence = _column(header, accepted.sequence, "sequence")
    score = ""
    if _plain(sequence).startswith("finalprediction") and accepted.score == Columns().score:
        # InstaNovo+: the refined peptide has a score of its own
        score = next((c for c in header if re.match(r"final.*(logprob|score|conf)", _plain(c))), "")
    return [(sequence, score or _column(header, accepted.score, "score" if need_score else None)), *pairs]


def _all(header: Sequence[str], names: Iterable[str]) -> list[str]:
    """The columns of a header that have one of some names, in the order of these."""
    by_name: dict[str, str] = {}
    for column in header:
        by_name.setdefault(_plain(column), column)
    exact = {column: column for column in header}
    columns = (exact.get(name) or by_name.get(_plain(name)) for name in names)
    return list(dict.fromkeys(c for c in columns if c))


def _column(header: Sequence[str], names: Sequence[str], role: str | None) -> str:
    """The first of some names that a header has. If it has none: an empty text, or InputError if a ``role`` is given,
    for which the column is needed."""
    columns = _all(header, names)
    if not columns and role:
        raise InputError(
            f"no column for the {role}: expected {' or '.join(names)}, found {', '.join(header)[:500]}; name it as "
            f"{role}=COLUMN (--columns)"
        )
    return columns[0] if columns else ""
