"""Psm: a peptide that an engine proposes for a spectrum, and `join`, which finds the spectra of an engine's rows."""

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
    """A peptide for a spectrum with the engine's score (higher is better). ``spectrum`` is the engine's word for the
    spectrum, ``precursor_mz`` what it took for its precursor, ``path`` and ``line`` where it stands."""

    spectrum: str
    peptide: Peptide
    score: float
    precursor_mz: float | None = None
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """An engine's peptides by the place of their spectrum in the list of spectra, best first; ``by`` says how the
    spectra were found: by title, scan or index."""

    psms: Mapping[int, tuple[Psm, ...]]
    by: str
    lost: int = 0


_NAMED = re.compile(r"\b(index|scan)=\s*(\d+)")
FAR = 0.05
"""How far, in m/z beyond an isotope or two, an engine's precursor may be from the spectrum's it names."""


def join(psms: Iterable[Psm], spectra: Sequence[Spectrum], by: str | None = None, bad: Bad | None = None) -> Joined:
    """The peptides of one engine with their spectra.

    ``index=3`` and ``scan=17`` within a name are looked up as that. Other names are titles, scan numbers or places
    from 0, whichever finds the most of the file's rows (of equals, in this order); ``by`` says it instead. A row whose
    spectrum is not there, is named ambiguously or has another precursor m/z goes into ``bad``, or is raised. Raises
    InputError where no row at all fits a spectrum: it is another run's output.
    """
    if by is not None and by not in KEYS:
        raise InputError(f"by={by!r}: choose one of {', '.join(KEYS)}")
    rows = list(psms)
    tables = {key: _table(spectra, key) for key in KEYS}
    hits = {key: sum(_find(p.spectrum, key, tables) is not None for p in rows) for key in KEYS}
    chosen = by or max(KEYS, key=lambda key: hits[key])
    if rows and not hits[chosen]:
        first = rows[0]
        raise InputError(
            f"none of {len(rows)} rows names a spectrum of the {len(spectra)} by {by or 'title, scan or index'}; the "
            f"first says {first.spectrum!r}, the first spectrum is {spectra[0].name!r}: another run's output, or "
            "another column than the spectrum's?"
            if spectra
            else "no spectra",
            path=first.path,
            line=first.line,
        )
    found: dict[int, list[Psm]] = {}
    lost = 0
    for p in rows:
        at = _find(p.spectrum, chosen, tables)
        trouble = _trouble(p, at, spectra, chosen)
        if trouble:
            lost += 1
            refuse(bad, InputError(trouble, path=p.path, line=p.line))
        else:
            found.setdefault(at, []).append(p)  # type: ignore[arg-type]
    if rows and not found:
        first = rows[0]
        trouble = _trouble(first, _find(first.spectrum, chosen, tables), spectra, chosen)
        raise InputError(f"none of {len(rows)} rows fits its spectrum; {trouble}", path=first.path, line=first.line)
    ranked = {at: tuple(sorted(ps, key=lambda p: -p.score)) for at, ps in found.items()}
    return Joined(ranked, chosen, lost)


def _table(spectra: Sequence[Spectrum], key: str) -> dict[str, int]:
    """The places of spectra by one of their names; -1 for a name that several share."""
    names = [(at, str(getattr(s, key))) for at, s in enumerate(spectra)]
    if key == "scan":  # F1:2478 is scan 2478 too
        names += [(at, name.rsplit(":", 1)[1]) for at, name in names if ":" in name]
    often = Counter(name for _, name in names)
    return {name: at if often[name] == 1 else -1 for at, name in names if name}


def _find(name: str, by: str, tables: Mapping[str, Mapping[str, int]]) -> int | None:
    if name in tables["title"] and by == "title":
        return tables["title"][name]
    if (named := _NAMED.search(name)) is not None:
        return tables[named[1]].get(named[2])
    return tables[by].get(name.strip())


def _trouble(p: Psm, at: int | None, spectra: Sequence[Spectrum], by: str) -> str:
    title = by == "title" and at is not None and at >= 0 and spectra[at].title == p.spectrum
    if not title and (named := _NAMED.search(p.spectrum)) is not None:
        by = named[1]
    if at is None:
        return f"no spectrum {p.spectrum!r} (looked up by {by})"
    if at < 0:
        return f"several spectra are named {p.spectrum!r} (looked up by {by})"
    s = spectra[at]
    if p.precursor_mz is not None:
        apart = min(abs(s.precursor_mz - p.precursor_mz - i * ISOTOPE / s.charge) for i in (-1, 0, 1))
        if apart > FAR:
            return (
                f"spectrum {p.spectrum!r} is {s.name!r} by {by}, whose precursor m/z is {s.precursor_mz:.4f}, "
                f"not {p.precursor_mz:.4f}: another file's?"
            )
    return ""
