"""The fit of peptides to the precursor that was measured: marks, and an order in which those that don't fit come
last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ...core.errors import InputError
from ...core.stage import Stage
from ...core.types import Candidate, Ranking
from .ions import ppm
from .matching import Tolerance
from .peptide import Peptide
from .psm import Joined
from .spectrum import Spectrum

ISOTOPES = (-1, 0, 1, 2)
"""The isotope peaks that the instrument may have picked, 0 the monoisotopic one, and the one below that an engine or a
converter may have corrected to."""
LOWERED = 1000.0
"""What the score of a peptide that doesn't fit is lowered by, to be below those that do, also between spectra."""
Action = Literal["last", "mark", "drop", "keep"]


def fits(peptide: Peptide, spectrum: Spectrum, tolerance: Tolerance, isotopes: Sequence[int] = ISOTOPES) -> bool:
    """Whether the peptide has the mass of the precursor, within a tolerance in ppm or in Da of mass."""
    error = ppm(peptide, spectrum.precursor_mz, spectrum.charge, isotopes)
    return (
        abs(error) <= tolerance.value
        if tolerance.unit == "ppm"
        else (abs(error) * 1e-6 * peptide.mz(spectrum.charge) * spectrum.charge <= tolerance.value)
    )


@dataclass(frozen=True)
class PrecursorFit(Stage):
    """Marks the candidates that are further from the precursor than ``tolerance`` (isotopes allowed), and puts them
    last (``"last"``: their scores are lowered by `LOWERED`), leaves them where they are (``"mark"``) or out
    (``"drop"``); ``"keep"`` does nothing to the order and makes no mark.

    A peptide of another mass than the measured one is not in the spectrum, however many ions it shares with it. Fields
    of ``meta``: ``precursor_ppm``, ``precursor_fits``, and of lowered ones ``method_score``, the score before.
    """

    tolerance: Tolerance = Tolerance(50.0)
    action: Action = "last"

    def __post_init__(self) -> None:
        if self.action not in ("last", "mark", "drop", "keep"):
            raise InputError(f"{self.action!r}: choose one of last, mark, drop, keep")

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return [self._ranked(r) for r in rankings]

    def _ranked(self, r: Ranking) -> Ranking:
        if self.action == "keep":
            return r
        s = r.query.content
        marked = [self._marked(c, s) for c in r.candidates]
        if self.action == "mark":
            return replace(r, candidates=tuple(marked))
        fitting = [c for c in marked if c.meta["precursor_fits"]]
        if self.action == "drop":
            return replace(r, candidates=tuple(fitting))
        off = [c for c in marked if not c.meta["precursor_fits"]]
        others = [c.noted({"method_score": c.score}).rescored(c.score - LOWERED) for c in off]
        return replace(r, candidates=(*fitting, *others))

    def _marked(self, c: Candidate, s: Spectrum) -> Candidate:
        error = float(ppm(c.content, s.precursor_mz, s.charge, ISOTOPES))
        return c.noted({"precursor_ppm": error, "precursor_fits": fits(c.content, s, self.tolerance)})


def misfits(joined: Joined, spectra: Sequence[Spectrum], tolerance: Tolerance) -> tuple[int, int]:
    """How many of an engine's first peptides don't fit their precursor, and how many first peptides there are."""
    firsts = [(psms[0].peptide, spectra[i]) for i, psms in joined.psms.items() if psms and spectra[i].charge]
    return sum(not fits(p, s, tolerance) for p, s in firsts), len(firsts)


def foreign(counts: Mapping[str, tuple[int, int]], tolerance: Tolerance) -> list[str]:
    """A warning for each engine of whose peptides more than half (and three at least) don't fit their precursors."""
    width = f"{tolerance.value:g} {tolerance.unit}"
    return [
        f"{wrong} of {count} peptides of engine {engine} don't fit their precursor: another run's file? "
        f"(over {width} off)"
        for engine, (wrong, count) in counts.items()
        if wrong >= 3 and wrong > count / 2
    ]
