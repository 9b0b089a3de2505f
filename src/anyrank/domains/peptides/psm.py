"""Peptide-spectrum matches (`Psm`) of an engine, and `join`, which assigns them to the spectra of a file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...core.errors import InputError
from .peptide import Peptide
from .residues import ISOTOPE
from .spectrum import Bad, Spectrum, refuse

KEYS = ("title", "scan", "index")


@dataclass(frozen=True, slots=True)
class Psm:
    """A peptide-spectrum match with the engine's score (higher is better). ``spectrum`` is the engine's name for the
    spectrum, ``precursor_mz`` the precursor m/z that it states, ``path`` and ``line`` the row it was read from."""

    spectrum: str
    peptide: Peptide
    score: float
    precursor_mz: float | None = None
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """An engine's matches by the position of their spectrum in the list of spectra, best first; ``by`` says how the
    spectra were looked up: by title, scan or index; ``lost`` counts the matches without a spectrum."""

    psms: Mapping[int, tuple[Psm, ...]]
    by: str
    lost: int = 0


_EXPLICIT = re.compile(r"\b(index|scan)=\s*(\d+)")
PRECURSOR_TOLERANCE = 0.05
"""The largest difference in m/z between an engine's precursor and its spectrum's, isotope errors aside."""


def join(psms: Iterable[Psm], spectra: Sequence[Spectrum], by: str | None = None, bad: Bad | None = None) -> Joined:
    """Assign the matches of one engine to their spectra.

    ``index=3`` and ``scan=17`` within a name are looked up as index and scan. Other names are titles, scan numbers or
    indices from 0, whichever matches the most of the file's rows (of equals, in this order); ``by`` fixes the choice.
    A row whose spectrum is missing, ambiguous or of another precursor m/z goes into ``bad``, or is raised if there is
    no such list. Raises InputError if no row at all fits a spectrum: it is another run's output.
    """
    if by is not None and by not in KEYS:
        raise InputError(f"by={by!r}: choose one of {', '.join(KEYS)}")
    rows = list(psms)
    tables = {key: _table(spectra, key) for key in KEYS}
    hits = {key: sum(_find(p.spectrum, key, tables) is not None for p in rows) for key in KEYS}
    chosen = by or max(KEYS, key=lambda key: hits[key])
    if rows and not hits[chosen]:
        first = rows[0]
        if not spectra:
            raise InputError(f"no spectra for {len(rows)} rows", path=first.path, line=first.line)
        raise InputError(
            f"none of {len(rows)} rows names a spectrum of the {len(spectra)} by {by or 'title, scan or index'}; the "
            f"first says {first.spectrum!r}, the first spectrum is {spectra[0].name!r}: another run's output, or "
            "another column than the spectrum's?",
            path=first.path,
            line=first.line,
        )
    by_spectrum: dict[int, list[Psm]] = {}
    lost = 0
    for p in rows:
        position = _find(p.spectrum, chosen, tables)
        if problem := _problem(p, position, spectra, chosen):
            lost += 1
            refuse(bad, InputError(problem, path=p.path, line=p.line))
        else:
            by_spectrum.setdefault(position, []).append(p)  # type: ignore[arg-type]
    if rows and not by_spectrum:
        first = rows[0]
        problem = _problem(first, _find(first.spectrum, chosen, tables), spectra, chosen)
        raise InputError(f"none of {len(rows)} rows fits its spectrum; {problem}", path=first.path, line=first.line)
    ranked = {i: tuple(sorted(psms, key=lambda p: -p.score)) for i, psms in by_spectrum.items()}
    return Joined(ranked, chosen, lost)


def _table(spectra: Sequence[Spectrum], key: str) -> dict[str, int]:
    """The positions of spectra by title, scan or index; -1 for a name that several share."""
    names = [(i, str(getattr(s, key))) for i, s in enumerate(spectra)]
    if key == "scan":  # F1:2478 is scan 2478 too
        names += [(i, name.rsplit(":", 1)[1]) for i, name in names if ":" in name]
    counts = Counter(name for _, name in names)
    return {name: i if counts[name] == 1 else -1 for i, name in names if name}


def _find(name: str, by: str, tables: Mapping[str, Mapping[str, int]]) -> int | None:
    """The position of the spectrum that an engine's name means: -1 if several have it, None if none has."""
    if name in tables["title"] and by == "title":
        return tables["title"][name]
    if (explicit := _EXPLICIT.search(name)) is not None:
        return tables[explicit[1]].get(explicit[2])
    return tables[by].get(name.strip())


def _problem(p: Psm, position: int | None, spectra: Sequence[Spectrum], by: str) -> str:
    """The reason why a match can't be assigned to the spectrum at a position, empty if it can."""
    title = by == "title" and position is not None and position >= 0 and spectra[position].title == p.spectrum
    if not title and (explicit := _EXPLICIT.search(p.spectrum)) is not None:
        by = explicit[1]
    if position is None:
        return f"no spectrum {p.spectrum!r} (looked up by {by})"
    if position < 0:
        return f"several spectra are named {p.spectrum!r} (looked up by {by})"
    s = spectra[position]
    if p.precursor_mz is not None:
        difference = min(abs(s.precursor_mz - p.precursor_mz - i * ISOTOPE / s.charge) for i in (-1, 0, 1))
        if difference > PRECURSOR_TOLERANCE:
            return (
                f"spectrum {p.spectrum!r} is {s.name!r} by {by}, whose precursor m/z is {s.precursor_mz:.4f}, "
                f"not {p.precursor_mz:.4f}: another file's?"
            )
    return ""
