"""Spectra with the peptides that engines proposed for them, as rankings that the page reranks and draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import InputError
from ...core.types import Ranking

PEAKS = 200
"""The highest peaks that are drawn."""


def read_spectra_with(spectra: str, engines: Sequence[str], bad: list[InputError] | None = None) -> dict[str, Ranking]:
    """The rankings of a file of spectra that have candidates, by the spectrum's name; ``engines`` are NAME=FILE each.
    Spectra and rows that can't be used are left out, and added to ``bad``. Raises InputError if nothing is left."""
    from ...domains.peptides.files.spectra import read_spectra
    from ...domains.peptides.files.tables import read_psms
    from ...domains.peptides.merge import merge
    from ...domains.peptides.psm import join, with_charges

    bad = [] if bad is None else bad
    read = list(read_spectra(spectra, bad=bad, notes=[], need_charge=False))
    joined = {}
    for engine in engines:
        name, equals, file = engine.partition("=")
        if not equals or not name or not file:
            raise InputError(f"--engine {engine}: expected NAME=FILE, as in casanovo=run.mztab")
        joined[name] = join(read_psms(file, run=spectra, bad=bad, notes=[]), read, bad=bad)
    rankings = merge(with_charges(read, joined, spectra, bad), joined)
    out = {r.query.id: r for r in rankings if len(r) and r.query.content.charge}
    if not out:
        raise InputError(f"no spectrum has a candidate: {bad[0] if bad else 'give --engine NAME=FILE'}", path=spectra)
    return out


def proposed(ranking: Ranking) -> dict[str, str]:
    """The engines that proposed each peptide, with the rank that each gave it if that isn't the first."""
    ranks = {c.id: c.meta.get("ranks", {}) for c in ranking}
    return {
        id: ", ".join(engine if rank == 1 else f"{engine} #{rank}" for engine, rank in given.items())
        for id, given in ranks.items()
    }


def annotated(ranking: Ranking, ids: Sequence[str], tolerance: str = "20ppm") -> dict[str, Any]:
    """A ranking's spectrum with the ions of one or two of its peptides, for the page to draw: ``peaks`` (m/z, height
    as root of the intensity from 0 to 1), and for each peptide its residues and ends with the masses of their
    modifications in whole Da, the names of matched peaks by their positions, and for each bond whether its b and its y
    ion are seen."""
    from ...domains.peptides.matching import Tolerance, coverage, explained, match
    from ...domains.peptides.reports.spectrum_chart import ion_names
    from ...domains.peptides.residues import mass_of

    spectrum, width = ranking.query.content, Tolerance.of(tolerance)
    shown = spectrum.prepared(peaks=PEAKS, precursor=0.0)
    top = float(shown.intensity.max()) if len(shown) else 1.0
    peptides = {c.id: c.content for c in ranking}
    sides = []
    for id in ids:
        peptide = peptides[id]
        matched = match(shown, peptide, width)
        b, y = matched.sites.tolist()
        sides.append(
            {
                "id": id,
                "sequence": peptide.proforma,
                "residues": [[t[0], f"{float(t[1:]):+.0f}" if t[1:] else ""] for t in peptide.residues],
                "ends": [f"{mass_of(end):+.0f}" if end else "" for end in (peptide.n_term, peptide.c_term)],
                "ions": ion_names(matched),
                "b": b,
                "y": y,
                "bonds": coverage(shown, matched),
                "explained": explained(shown, matched),
                "mass": peptide.mass - spectrum.mass,
            }
        )
    return {
        "peaks": [[round(mz, 4), round(h / top, 4)] for mz, h in zip(shown.mz.tolist(), shown.intensity.tolist())],
        "precursor": spectrum.precursor_mz,
        "charge": spectrum.charge,
        "truth": None if spectrum.peptide is None else spectrum.peptide.proforma,
        "tolerance": tolerance,
        "peptides": sides,
    }
