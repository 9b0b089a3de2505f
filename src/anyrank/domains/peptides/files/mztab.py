"""Read and write mzTab 1.0, the proteomics standard's table of identifications."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ....core.errors import InputError
from ....core.types import Ranking
from ....io.files import File, atomic, label, texts
from ..notation import parse
from ..peptide import Peptide
from ..psm import Psm
from ..residues import KNOWN, known
from ..scans import stem
from ..spectrum import Bad, Spectrum, refuse

_SCORE = "search_engine_score[1]"
_RUN = re.compile(r"(ms_run\[\d+\])-location$")
_PROFORMA_COLUMN = "opt_global_cv_MS:1003169_proforma_peptidoform_sequence"
_PROFORMA = re.compile(r"opt_.*proforma", re.IGNORECASE)


def read_mztab(
    path: File,
    *,
    run: File | Sequence[File] | None = None,
    fixed: Mapping[str, str] | None = None,
    bad: Bad | None = None,
) -> Iterator[Psm]:
    """Read the PSM rows of an mzTab file. The peptide is the ProForma column if there is one (``opt_…_proforma…``, as
    the standard and Casanovo 5 name it); else the sequence with the modifications in it, as Casanovo 4 writes them;
    else with those of the modifications column.

    A row that can't be read (unknown residues, a missing score) goes into ``bad``, or is raised if there is no such
    list. If the file lists several runs, so does a row of another run than ``run``, the file or files of the spectra.
    A row without a sequence is passed over.
    """
    columns: list[str] = []
    runs: dict[str, str] = {}
    expected = () if run is None else (run,) if isinstance(run, str | os.PathLike) else tuple(run)
    stems = [stem(r) for r in expected]
    rows = 0
    for n, text in texts(path):
        cells = text.rstrip("\r\n").split("\t")
        if cells[0] == "PSH":
            columns = cells[1:]
            needed = {"sequence", "spectra_ref", _SCORE} - set(columns)
            if needed:
                raise InputError(f"the PSM table has no column {', '.join(sorted(needed))}", path=label(path), line=n)
        elif cells[0] == "MTD" and len(cells) > 2 and (location := _RUN.match(cells[1])):
            runs[location[1]] = stem(cells[2])
        elif cells[0] == "PSM":
            if not columns:
                raise InputError("a PSM row before the header row PSH", path=label(path), line=n)
            rows += 1
            try:
                if len(cells) - 1 != len(columns):
                    raise InputError(f"expected {len(columns)} columns, found {len(cells) - 1}")
                row = dict(zip(columns, cells[1:]))
                if row["sequence"].strip() in ("", "null"):
                    continue
                row_run = runs.get(row["spectra_ref"].partition(":")[0], "")
                if stems and len(runs) > 1 and row_run not in stems:
                    names = " or ".join(map(repr, stems[:5]))
                    raise InputError(
                        f"a spectrum of run {row_run!r}, expected one of run {names} ({row['spectra_ref']})"
                    )
                psm = _psm(row, row_run if len(runs) > 1 else "", fixed, label(path), n)
            except InputError as error:
                refuse(bad, InputError(str(error), path=label(path), line=n))
            else:
                yield psm
    if not rows:
        raise InputError("no PSM row: not an mzTab file of identifications, or an empty one", path=label(path))


def _psm(row: Mapping[str, str], run: str, fixed: Mapping[str, str] | None, path: str, line: int) -> Psm:
    """The PSM of a row, given as its cells by column."""
    proforma = next((v for k, v in row.items() if _PROFORMA.match(k) and v.strip() not in ("null", "")), None)
    sequence, modifications = row["sequence"], row.get("modifications", "null")
    if proforma is not None:
        # ProForma spells all modifications, so that a bare cysteine is one
        peptide = parse(proforma, fixed={"C": "C", **(fixed or {})})
    elif modifications.strip() not in ("null", "", "0") and sequence.isalpha():
        peptide = parse(_as_proforma(sequence, modifications), fixed=fixed)
    else:
        peptide = parse(sequence, fixed=fixed)
    ref = row["spectra_ref"].partition(":")[2] or row["spectra_ref"]
    score = number(row[_SCORE])
    if score is None:
        raise InputError(f"{_SCORE} is {row[_SCORE]!r}: expected a number")
    charge = number(row.get("charge", "null"))
    return Psm(
        ref,
        peptide,
        score,
        number(row.get("exp_mass_to_charge", "null")),
        path,
        line,
        charge=int(charge) if charge and charge >= 1 else None,
        run=run,
        aa_scores=numbers(next((v for k, v in row.items() if k.startswith("opt_") and k.endswith("aa_scores")), "")),
    )


def numbers(text: str) -> tuple[float, ...]:
    """The numbers of a list, whatever stands between them; empty if one can't be read.

    >>> numbers("[0.5, 1.0]"), numbers("99 98"), numbers("")
    ((0.5, 1.0), (99.0, 98.0), ())
    """
    words = [w for w in re.split(r"[\s,;|\[\]]+", text.strip()) if w]
    values = [number(w) for w in words]
    return () if None in values else tuple(v for v in values if v is not None)


def number(text: str) -> float | None:
    """The finite number that a text holds, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


_BETWEEN = re.compile(r"[,;](?=\s*\d+\s*(?:\[[^\]]*\]\s*)?(?:\|[^-]*)?-)")
"""Where a list of modifications is split: before the next position, since names may hold commas."""
_POSITIONED = re.compile(r"(\d+)\s*(?:\[[^\]]*\])?(?:\|[^-]*)?-(.+)")


def _as_proforma(sequence: str, modifications: str) -> str:
    """ProForma from a bare sequence and the standard's ``1-UNIMOD:4,0-UNIMOD:1``, or Casanovo's
    ``1-Carbamidomethyl (C)`` and ``3-Oxidation (M):UNIMOD:35; 5-[+15.9949]``. Position 0 is the N-terminus, and the one
    after the last residue the C-terminus.

    >>> _as_proforma("CM", "0-UNIMOD:1,2-Oxidation (M)"), _as_proforma("CM", "1-[+57.02]; 2-Oxidation (M):UNIMOD:35")
    ('[UNIMOD:1]-CM[Oxidation]', 'C[+57.02]M[UNIMOD:35]')
    """
    marks: dict[int, str] = {}
    last = len(sequence) + 1
    for part in _BETWEEN.split(modifications.strip().rstrip(",;")):
        m = _POSITIONED.fullmatch(part.strip())
        if m is None or int(m[1]) > last:
            raise InputError(
                f"modification {part.strip()!r} of {sequence}: expected POSITION-NAME, as in 3-UNIMOD:35, the position "
                f"from 0 (N-terminus) to {last} (C-terminus)"
            )
        marks[int(m[1])] = marks.get(int(m[1]), "") + f"[{_plain_name(m[2].strip())}]"
    front, back = (f"{marks[0]}-" if 0 in marks else ""), (f"-{marks[last]}" if last in marks else "")
    return front + "".join(letter + marks.get(i, "") for i, letter in enumerate(sequence, 1)) + back


def _plain_name(name: str) -> str:
    """The part of a modification's name that says most: its UNIMOD number, or the name without residues."""
    if number := re.search(r"UNIMOD:\d+", name, re.IGNORECASE):
        return number[0]
    if (bracketed := re.fullmatch(r"\[(.*)\]", name)) is not None:
        # a controlled vocabulary's parameter, [UNIMOD, UNIMOD:35, Oxidation, ], has four parts
        parts = [p.strip() for p in bracketed[1].split(",")]
        name = parts[2] if len(parts) == 4 else bracketed[1]
    return re.sub(r"\s*\([^)]*\)$", "", name).removeprefix("CHEMMOD:")


_HEAD = (
    "PSH", "sequence", "PSM_ID", "accession", "unique", "database", "database_version", "search_engine",
    _SCORE, "modifications", "retention_time", "charge", "exp_mass_to_charge", "calc_mass_to_charge", "spectra_ref",
    "pre", "post", "start", "end",
)  # fmt: skip
_OPTIONAL = (
    _PROFORMA_COLUMN, "opt_global_engines", "opt_global_rank", "opt_global_precursor_ppm", "opt_global_precursor_fits",
    "opt_global_spectrum_title", "opt_global_scan", "opt_global_aa_scores",
)  # fmt: skip
_ENGINE = "[, , anyrank, ]"


def write_mztab(
    path: File,
    rankings: Iterable[Ranking],
    *,
    run: str | Sequence[str],
    method: str,
    top: int = 1,
    version: str = "",
    engines: Sequence[str] = (),
    confidence: str = "",
) -> int:
    """Write the best ``top`` peptides of every ranking as mzTab 1.0, the whole file or none. Returns the row count.

    Queries hold spectra, candidates peptides. ``run`` is the file of the spectra, or the files, ``method`` the name of
    the ranker, ``version`` that of the program. Modifications have their own column, by UNIMOD number or mass; further
    columns have the peptide in ProForma, the ``engines`` that proposed it, its rank, the spectrum's title (or native
    id) and scan, the mass error of the precursor (isotopes allowed) and whether it fits (see `precursor`), and the
    first engine's scores of its residues.

    The first score is the method's, the following ones are the engines', in their order. If candidates have a
    ``"confidence"`` in their meta, described by the text ``confidence``, that is the first score and the method's the
    second.
    """
    files = [run] if isinstance(run, str) else list(run)
    runs = {stem(file): i for i, file in enumerate(files, 1)}
    listed = list(rankings)
    scores = ([confidence] if confidence else []) + [f"score of the method {method}"]
    scores += [f"score of the engine {e}" for e in engines]
    head = [
        ("mzTab-version", "1.0.0"), ("mzTab-mode", "Summary"), ("mzTab-type", "Identification"),
        ("description", _cell(f"peptide candidates reranked by {method}")),
        ("software[1]", f"[, , anyrank, {version}]"), ("software[1]-setting[1]", _cell(f"method = {method}")),
    ]  # fmt: skip
    for i, about in enumerate(scores, 1):
        plain = about.replace(",", ";")
        head.append(
            (
                f"psm_search_engine_score[{i}]",
                _cell(f"[MS, MS:1001143, search engine specific score for PSMs, {plain}]"),
            )
        )
    head.append(("fixed_mod[1]", "[MS, MS:1002453, No fixed modifications searched, ]"))
    for i, (term, site) in enumerate(_variable(listed, top), 1):
        head += [(f"variable_mod[{i}]", term), (f"variable_mod[{i}]-site", site)]
    head += [(f"ms_run[{i}]-location", Path(file).absolute().as_uri()) for i, file in enumerate(files, 1)]
    columns = list(_HEAD)
    column = columns.index(_SCORE)
    columns[column : column + 1] = [f"search_engine_score[{i}]" for i in range(1, len(scores) + 1)]
    rows = 0
    with atomic(path) as f:
        f.writelines(f"MTD\t{key}\t{value}\n" for key, value in head)
        f.write("\n" + "\t".join((*columns, *_OPTIONAL)) + "\n")
        for ranking in listed:
            spectrum = ranking.query.content
            ms_run = runs.get(spectrum.run, 1)
            for rank, c in enumerate(ranking.candidates[:top], 1):
                rows += 1
                values = ([c.meta.get("confidence")] if confidence else []) + [
                    c.meta.get("method_score", c.score) if confidence else c.score
                ]
                values += [_by_engine(c.meta, "scores").get(e) for e in engines]
                shown = [None if v is None or not math.isfinite(v) else repr(float(v)) for v in values]
                f.write("\t".join(map(_cell, _row(spectrum, ms_run, c.content, shown, rows, rank, c.meta))) + "\n")
    return rows


def _variable(rankings: Sequence[Ranking], top: int) -> list[tuple[str, str]]:
    """Terms and sites of the modifications that may be in the file: the models', and others that are."""
    terms = {(m.unimod, m.name, s): None for m in KNOWN[:6] for s in _SITES.get(m.mark, ("N-term",))}
    other: dict[tuple[str, str], None] = {}
    for r in rankings:
        for c in r.candidates[:top]:
            for position, mark in c.content.modifications:
                site = c.content.site(position)
                named = {"n": "N-term", "c": "C-term"}.get(site, site)
                if row := known(mark, site):
                    terms.setdefault((row.unimod, row.name, named))
                else:
                    other.setdefault((f"[CHEMMOD, CHEMMOD:{mark}, , ]", named))
    return [(f"[UNIMOD, UNIMOD:{number}, {name}, ]", site) for number, name, site in terms] + list(other)


_SITES = {"+57.021": ("C",), "+15.995": ("M",), "+0.984": ("N", "Q")}


def _by_engine(meta: Mapping[str, object], name: str) -> Mapping[str, float]:
    """The engines' scores or ranks of a candidate."""
    values = meta.get(name)
    return values if isinstance(values, Mapping) else {}


def _row(
    s: Spectrum, ms_run: int, p: Peptide, scores: Sequence[object], n: int, rank: int, meta: Mapping[str, object]
) -> list[object]:
    """The cells of row ``n``, in the order of the columns."""
    mods = []
    for position, mark in p.modifications:
        row = known(mark, p.site(position))
        mods.append(f"{position}-UNIMOD:{row.unimod}" if row else f"{position}-CHEMMOD:{mark}")
    by_engine = _by_engine(meta, "scores")
    fits, aa_scores = meta.get("precursor_fits"), meta.get("aa_scores")
    error = meta.get("precursor_ppm")
    return [
        "PSM", p.bare, n, None, None, None, None, _ENGINE, *scores, ",".join(mods) or None, s.rt, s.charge,
        s.precursor_mz, f"{p.mz(s.charge):.6f}", f"ms_run[{ms_run}]:index={s.index}", None, None, None, None,
        p.proforma, "|".join(by_engine) or None, rank, f"{error:.2f}" if isinstance(error, float) else None,
        None if fits is None else int(bool(fits)), s.title or None, s.scan or None,
        ",".join(f"{x:.5g}" for x in aa_scores) if isinstance(aa_scores, tuple) else None,
    ]  # fmt: skip


def _cell(value: object) -> str:
    """A value as mzTab writes it, on one line without tabs."""
    return "null" if value is None or value == "" else " ".join(str(value).split())
