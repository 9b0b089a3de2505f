"""Peptide-spectrum matches (`Psm`) of an engine, and `join`, which assigns them to the spectra of one or more runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...core.errors import InputError
from .peptide import Peptide
from .residues import ISOTOPE
from .scans import index_of, plain_scan, plain_title, scan_of, stem
from .spectrum import Bad, Spectrum, refuse

KEYS = ("title", "scan", "index")


@dataclass(frozen=True, slots=True)
class Psm:
    """A peptide-spectrum match with the engine's score (higher is better). ``spectrum`` is the engine's name for the
    spectrum, ``precursor_mz`` and ``charge`` what it states of the precursor, ``path`` and ``line`` the row it was read
    from, ``run`` the name of the run, if the row has one, ``aa_scores`` the residues' scores. ``column`` is the column
    of the spectrum's name, ``others`` the names in further columns, and ``chosen`` whether the user chose the column,
    so that the others are not used."""

    spectrum: str
    peptide: Peptide
    score: float
    precursor_mz: float | None = None
    path: str | None = None
    line: int | None = None
    charge: int | None = None
    run: str = ""
    aa_scores: tuple[float, ...] = ()
    column: str = ""
    others: tuple[tuple[str, str], ...] = ()
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """An engine's matches by the position of their spectrum in the list of spectra, best first; ``by`` says how the
    spectra were looked up: by title, scan or index; ``column`` is the table's column that names them, ``lost`` counts
    the matches without a spectrum."""

    psms: Mapping[int, tuple[Psm, ...]]
    by: str
    lost: int = 0
    column: str = ""


PRECURSOR_TOLERANCE = 0.05
"""The largest difference in m/z between an engine's precursor and its spectrum's, isotope errors aside."""


def join(psms: Iterable[Psm], spectra: Sequence[Spectrum], by: str | None = None, bad: Bad | None = None) -> Joined:
    """Assign the matches of one engine to their spectra.

    ``index=3`` and ``scan=17`` within a name are looked up as index and scan, as are the scans of titles
    (``run.17.17.2``). Other names are titles, scan numbers or indices from 0, whichever matches the most of the file's
    rows (of equals, in this order); ``by`` fixes the choice. ``experiment:17`` is looked up as a title first, and then
    by its last part. Of several columns that may name the spectrum, the one that matches the most rows is used. If the
    spectra are of several runs, a row that names its run is looked up there.

    A row whose spectrum is missing, ambiguous or of another precursor m/z goes into ``bad``, or is raised if there is
    no such list. Raises InputError if no row at all fits a spectrum: it is another run's output.
    """
    if by is not None and by not in KEYS:
        raise InputError(f"by={by!r}: choose one of {', '.join(KEYS)}")
    rows = list(psms)
    if rows and not spectra:
        raise InputError(f"no spectra for {len(rows)} rows", path=rows[0].path, line=rows[0].line)
    tables = _Tables(spectra)
    columns = _by_column(rows)
    # the user's column, or the one in which most rows name a spectrum: max() keeps the first of equals
    usable = list(columns)[:1] if rows and rows[0].chosen else list(columns)
    hits = {
        (column, key): sum(tables.find(p.spectrum, key, p.run) is not None for p in columns[column])
        for column in columns
        for key in ((by,) if by else KEYS)
    }
    column, chosen = max(
        (pair for pair in hits if pair[0] in usable), key=lambda pair: hits[pair], default=("", KEYS[0])
    )
    if rows and not hits[column, chosen]:
        raise _nothing_joined(rows[0], len(rows), spectra, by, hits)
    by_spectrum: dict[int, list[Psm]] = {}
    lost = 0
    for p in columns.get(column, ()):
        position = tables.find(p.spectrum, chosen, p.run)
        if problem := _problem(p, position, spectra, chosen):
            lost += 1
            refuse(bad, InputError(problem, path=p.path, line=p.line))
        else:
            by_spectrum.setdefault(position, []).append(p)  # type: ignore[arg-type]
    if rows and not by_spectrum:
        first = columns[column][0]
        problem = _problem(first, tables.find(first.spectrum, chosen, first.run), spectra, chosen)
        raise InputError(f"none of {len(rows)} rows fits its spectrum; {problem}", path=first.path, line=first.line)
    ranked = {i: tuple(sorted(matches, key=lambda p: -p.score)) for i, matches in by_spectrum.items()}
    return Joined(ranked, chosen, lost, column)


def _by_column(rows: Sequence[Psm]) -> dict[str, list[Psm]]:
    """The rows with the spectrum's name from each of the table's columns."""
    out: dict[str, list[Psm]] = {}
    for p in rows:
        for column, name in ((p.column, p.spectrum), *p.others):
            out.setdefault(column, []).append(p if column == p.column else replace(p, spectrum=name, column=column))
    return {column: ps for column, ps in out.items() if len(ps) == len(rows)}


def _nothing_joined(
    first: Psm, count: int, spectra: Sequence[Spectrum], by: str | None, hits: Mapping[tuple[str, str], int]
) -> InputError:
    """The error about a file of which no row names a spectrum, with the columns that would."""
    message = (
        f"none of {count} rows names a spectrum of the {len(spectra)} by {by or 'title, scan or index'}; the first "
        f"says {first.spectrum!r}, the first spectrum is {spectra[0].name!r}: "
    )
    better = {column: key for (column, key), n in sorted(hits.items(), key=lambda pair: pair[1]) if n and column}
    if better:
        listed = " or ".join(f"spectrum={column} (by {key})" for column, key in better.items())
        message += f"with --columns {listed} they would join"
    else:
        message += "another run's output, or another column than the spectrum's?"
    return InputError(message, path=first.path, line=first.line)


class _Tables:
    """The positions of spectra by title, scan and index, of all runs together and of each run; -1 for a name that
    several share."""

    def __init__(self, spectra: Sequence[Spectrum]) -> None:
        runs = sorted({s.run for s in spectra})
        everything = list(enumerate(spectra))
        self.all = {key: _table(everything, key) for key in KEYS}
        self.of_run = (
            {run: {key: _table([(i, s) for i, s in everything if s.run == run], key) for key in KEYS} for run in runs}
            if len(runs) > 1
            else {}
        )

    def find(self, name: str, by: str, run: str = "") -> int | None:
        """The position of the spectrum that an engine's name means: -1 if several have it, None if none has."""
        tables = self.all
        if self.of_run:
            named = stem(run) or next((stem(part) for part in re.split(r"[:;|]|\.\d+\.\d+\.", name)[:1]), "")
            tables = self.of_run.get(named, self.all)
        return _find(name, by, tables)


def _table(spectra: Sequence[tuple[int, Spectrum]], key: str) -> dict[str, int]:
    """The positions of spectra by title, scan or index; -1 for a name that several share."""
    names = [(i, str(getattr(s, key))) for i, s in spectra]
    if key == "title":
        names = [(i, plain_title(name)) for i, name in names]
    if key == "scan":  # F1:2478 is scan 2478 too
        names = [(i, plain_scan(name)) for i, name in names]
        names += [(i, name.rsplit(":", 1)[1]) for i, name in names if ":" in name]
    counts = Counter(name for _, name in names)
    table = {name: i if counts[name] == 1 else -1 for i, name in names if name}
    if key == "scan":  # the further scans of merged spectra, where no spectrum has them alone
        for i, s in spectra:
            for scan in s.scans:
                table.setdefault(scan, i)
    return table


def _find(name: str, by: str, tables: Mapping[str, Mapping[str, int]]) -> int | None:
    name = name.strip()
    if by == "title" and (title := plain_title(name)) in tables["title"]:
        return tables["title"][title]
    if index := index_of(name):
        return tables["index"].get(index)
    if scan := scan_of(name):
        return tables["scan"].get(scan)
    if by == "title":
        return None
    position = tables[by].get(plain_scan(name))
    if position is None and ":" in name:  # InstaNovo's experiment:scan
        position = tables[by].get(plain_scan(name.rsplit(":", 1)[1]))
    return position


def _problem(p: Psm, position: int | None, spectra: Sequence[Spectrum], by: str) -> str:
    """The reason why a match can't be assigned to the spectrum at a position, empty if it can."""
    found = spectra[position].title if position is not None and position >= 0 else None
    if by != "title" or found is None or plain_title(found) != plain_title(p.spectrum):
        by = "index" if index_of(p.spectrum) else "scan" if scan_of(p.spectrum) else by
    if position is None:
        return f"no spectrum {p.spectrum!r} (looked up by {by})"
    if position < 0:
        hint = ""
        if len({s.run for s in spectra}) > 1:
            hint = ", of several runs: give the engine's file for each run (the same --engine NAME once a run)"
        return f"several spectra are named {p.spectrum!r} (looked up by {by}){hint}"
    s = spectra[position]
    if p.precursor_mz is not None:
        charge = s.charge or p.charge or 1
        difference = min(abs(s.precursor_mz - p.precursor_mz - i * ISOTOPE / charge) for i in (-1, 0, 1))
        if difference > PRECURSOR_TOLERANCE:
            return (
                f"spectrum {p.spectrum!r} is {s.name!r} by {by}, whose precursor m/z is {s.precursor_mz:.4f}, "
                f"not {p.precursor_mz:.4f}: another file's?"
            )
    return ""


def with_charges(
    spectra: Sequence[Spectrum], engines: Mapping[str, Joined], path: str | None = None, bad: Bad | None = None
) -> list[Spectrum]:
    """The spectra, those without a charge with the one that most of the engines' rows for them state (of equals, the
    first engine's). One that no row states a charge for keeps 0 and goes into ``bad``, or is raised if there is no such
    list."""
    out = []
    for i, s in enumerate(spectra):
        if not s.charge:
            stated = Counter(p.charge for joined in engines.values() for p in joined.psms.get(i, ())[:1] if p.charge)
            if stated:
                s = replace(s, charge=stated.most_common(1)[0][0])
            else:
                message = f"spectrum {s.name!r}: no CHARGE (or several), and no row of an engine states it"
                refuse(bad, InputError(message, path=path, line=s.line))
        out.append(s)
    return out
