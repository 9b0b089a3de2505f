"""Read and write mzTab 1.0, the proteomics standard's table of identifications."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ....core.errors import InputError
from ....core.types import Ranking
from ....io.files import File, atomic, label, texts
from ..notation import parse
from ..peptide import Peptide
from ..psm import Psm
from ..residues import MODIFICATIONS
from ..spectrum import Bad, Spectrum, refuse

_SCORE = "search_engine_score[1]"
_RUN = re.compile(r"(ms_run\[\d+\])-location$")


def read_mztab(
    path: File, *, run: File | None = None, fixed: Mapping[str, str] | None = None, bad: Bad | None = None
) -> Iterator[Psm]:
    """Read the PSM rows of an mzTab file. The peptide is the ``opt_…_proforma`` column if there is one; else the
    sequence with the modifications in it, as Casanovo writes them; else with those of the modifications column.

    A row that can't be read (unknown residues, a missing score) goes into ``bad``, or is raised if there is no such
    list. If the file lists several runs, so does a row of another run than ``run``, the file of the spectra. A row
    without a sequence is passed over.
    """
    columns: list[str] = []
    runs: dict[str, str] = {}
    rows = 0
    for n, text in texts(path):
        cells = text.rstrip("\r\n").split("\t")
        if cells[0] == "PSH":
            columns = cells[1:]
            needed = {"sequence", "spectra_ref", _SCORE} - set(columns)
            if needed:
                raise InputError(f"the PSM table has no column {', '.join(sorted(needed))}", path=label(path), line=n)
        elif cells[0] == "MTD" and len(cells) > 2 and (location := _RUN.match(cells[1])):
            runs[location[1]] = _stem(cells[2])
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
                row_run = runs.get(row["spectra_ref"].partition(":")[0])
                if run is not None and len(runs) > 1 and row_run != _stem(run):
                    raise InputError(
                        f"a spectrum of run {row_run!r}, expected one of run {_stem(run)!r} ({row['spectra_ref']})"
                    )
                psm = _psm(row, fixed, label(path), n)
            except InputError as error:
                refuse(bad, InputError(str(error), path=label(path), line=n))
            else:
                yield psm
    if not rows:
        raise InputError("no PSM row: not an mzTab file of identifications, or an empty one", path=label(path))


def _stem(file: File) -> str:
    """The name of a file of spectra without folder and ending, which its copies share."""
    name = re.split(r"[/\\\\]", os.fspath(file))[-1].lower().removesuffix(".gz")
    return name.rsplit(".", 1)[0]


def _psm(row: Mapping[str, str], fixed: Mapping[str, str] | None, path: str, line: int) -> Psm:
    """The PSM of a row, given as its cells by column."""
    spelling = next(
        (v for k, v in row.items() if k.startswith("opt_") and k.endswith("proforma") and v != "null"), None
    )
    sequence, modifications = row["sequence"], row.get("modifications", "null")
    if spelling is None and modifications not in ("null", "", "0") and sequence.isalpha():
        spelling = _as_proforma(sequence, modifications)
    ref = row["spectra_ref"].partition(":")[2] or row["spectra_ref"]
    mz = number(row.get("exp_mass_to_charge", "null"))
    score = number(row[_SCORE])
    if score is None:
        raise InputError(f"{_SCORE} is {row[_SCORE]!r}: expected a number")
    return Psm(ref, parse(spelling or sequence, fixed=fixed), score, mz, path, line)


def number(text: str) -> float | None:
    """The finite number that a text holds, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _as_proforma(sequence: str, modifications: str) -> str:
    """ProForma from a bare sequence and the standard's ``1-UNIMOD:4,0-UNIMOD:1``, or Casanovo's
    ``1-Carbamidomethyl (C)``.

    >>> _as_proforma("CM", "0-UNIMOD:1,2-Oxidation (M)")
    '[UNIMOD:1]-CM[Oxidation]'
    """
    marks: dict[int, str] = {}
    for part in re.split(r",(?=\s*\d)", modifications):
        position, dash, name = part.strip().partition("-")
        if not dash or not position.isdigit() or int(position) > len(sequence):
            raise InputError(
                f"modification {part!r} of {sequence}: expected POSITION-NAME, as in 3-UNIMOD:35, the position from 0 "
                f"(N-terminus) to {len(sequence)}"
            )
        name = re.sub(r"\s*\([^)]*\)$", "", name).removeprefix("CHEMMOD:")
        marks[int(position)] = marks.get(int(position), "") + f"[{name}]"
    front = f"{marks[0]}-" if 0 in marks else ""
    return front + "".join(letter + marks.get(i, "") for i, letter in enumerate(sequence, 1))


_HEAD = (
    "PSH", "sequence", "PSM_ID", "accession", "unique", "database", "database_version", "search_engine",
    _SCORE, "modifications", "retention_time", "charge", "exp_mass_to_charge", "calc_mass_to_charge", "spectra_ref",
    "pre", "post", "start", "end", "opt_global_proforma", "opt_global_engines",
)  # fmt: skip
_ENGINE = "[, , anyrank, ]"


def write_mztab(
    path: File, rankings: Iterable[Ranking], *, run: str, method: str, top: int = 1, version: str = ""
) -> int:
    """Write the best ``top`` peptides of every ranking as mzTab 1.0, the whole file or none. Returns the row count.

    Queries hold spectra, candidates peptides. ``run`` is the file of the spectra, ``method`` the name of the ranker,
    ``version`` that of the program. Modifications have their own column, by UNIMOD number; ``opt_global_proforma``
    has the peptide with its modifications, ``opt_global_engines`` the engines that proposed it.
    """
    terms = {mark: f"[UNIMOD, UNIMOD:{number}, {name}, ]" for mark, (_, name, number) in MODIFICATIONS.items()}
    sites = {"+57.021": "C", "+15.995": "M", "+0.984": "NQ"}
    variable = [(term, site) for mark, term in terms.items() for site in sites.get(mark, ("N-term",))]
    head = [
        ("mzTab-version", "1.0.0"), ("mzTab-mode", "Summary"), ("mzTab-type", "Identification"),
        ("description", _cell(f"peptide candidates reranked by {method}")),
        ("software[1]", f"[, , anyrank, {version}]"), ("software[1]-setting[1]", _cell(f"method = {method}")),
        ("psm_search_engine_score[1]", "[MS, MS:1001143, search engine specific score for PSMs, ]"),
        ("fixed_mod[1]", "[MS, MS:1002453, No fixed modifications searched, ]"),
    ]  # fmt: skip
    for i, (term, site) in enumerate(variable, 1):
        head += [(f"variable_mod[{i}]", term), (f"variable_mod[{i}]-site", site)]
    head.append(("ms_run[1]-location", Path(run).absolute().as_uri()))
    rows = 0
    with atomic(path) as f:
        f.writelines(f"MTD\t{key}\t{value}\n" for key, value in head)
        f.write("\n" + "\t".join(_HEAD) + "\n")
        for ranking in rankings:
            for c in ranking.candidates[:top]:
                rows += 1
                f.write("\t".join(map(_cell, _row(ranking.query.content, c.content, c.score, rows, c.meta))) + "\n")
    return rows


def _row(s: Spectrum, p: Peptide, score: float, n: int, meta: Mapping[str, object]) -> list[object]:
    """The cells of row ``n``, in the order of `_HEAD`."""
    mods = ",".join(f"{position}-UNIMOD:{MODIFICATIONS[mark][2]}" for position, mark in p.modifications)
    scores = meta.get("scores")
    engines = "|".join(scores) if isinstance(scores, Mapping) else None
    return [
        "PSM", p.bare, n, None, None, None, None, _ENGINE, repr(float(score)), mods or None, s.rt, s.charge,
        s.precursor_mz, f"{p.mz(s.charge):.6f}", f"ms_run[1]:index={s.index}", None, None, None, None, p.proforma,
        engines,
    ]  # fmt: skip


def _cell(value: object) -> str:
    """A value as mzTab writes it, on one line without tabs."""
    return "null" if value is None or value == "" else " ".join(str(value).split())
