"""Theoretical fragment ions matched to a spectrum's peaks, and the scores that follow: hyperscore, cosine, the fraction
of intensity explained."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .ions import by_ions
from .peptide import Peptide
from .spectrum import Spectrum

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a peak may be from an ion: parts per million (high-resolution spectra) or Da.

    >>> Tolerance.of("0.5 Da"), Tolerance.of("20ppm").around(np.array([500.0]))
    (Tolerance(value=0.5, unit='Da'), array([0.01]))
    """

    value: float = 20.0
    unit: str = "ppm"

    def __post_init__(self) -> None:
        if self.unit not in ("ppm", "Da") or not self.value > 0:
            raise InputError(f"tolerance {self.value:g}{self.unit}: expected as in 20ppm or 0.5Da")

    @classmethod
    def of(cls, text: str) -> Tolerance:
        if (found := re.fullmatch(r"\s*([\d.]+)\s*(ppm|da)\s*", text, re.IGNORECASE)) is None:
            raise InputError(f"tolerance {text!r}: expected as in 20ppm or 0.5Da")
        return cls(float(found[1]), "ppm" if found[2].lower() == "ppm" else "Da")

    def around(self, mz: Floats) -> Floats:
        """Half the window's width at every m/z."""
        return mz * self.value * 1e-6 if self.unit == "ppm" else np.full_like(mz, self.value)


NARROW = Tolerance()
"""20 ppm, for high-resolution spectra."""


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """The b and y ions of a peptide at every charge, and the peak of each: ``mz`` and ``peak`` (its place in the
    spectrum, -1 for none) of shape [charges, 2, n - 1], the middle axis b, y; ion i of the last is b(i+1), y(i+1)."""

    mz: Floats
    peak: Ints

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which ions were found at any charge: [2, n - 1]."""
        return np.asarray((self.peak >= 0).any(axis=0))

    @property
    def sites(self) -> NDArray[np.bool_]:
        """Where the peptide was seen to break, from the N-terminus, by its b and by its y ions: [2, n - 1]."""
        return np.stack([self.seen[0], self.seen[1][::-1]])

    @property
    def peaks(self) -> Ints:
        """The places of the peaks explained, each once."""
        found = np.unique(self.peak)
        return found[found >= 0]


def match(spectrum: Spectrum, peptide: Peptide, tolerance: Tolerance = NARROW) -> Match:
    """Every ion's nearest peak within the tolerance."""
    ions = by_ions(peptide, spectrum.charge).reshape(max(spectrum.charge - 1, 1), 2, len(peptide) - 1)
    if not len(spectrum) or not ions.size:
        return Match(ions, np.full(ions.shape, -1))
    after = np.searchsorted(spectrum.mz, ions).clip(max=len(spectrum) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(spectrum.mz[before] - ions) <= np.abs(spectrum.mz[after] - ions), before, after)
    near = np.abs(spectrum.mz[nearest] - ions) <= tolerance.around(ions)
    return Match(ions, np.where(near, nearest, -1))


def hyperscore(spectrum: Spectrum, found: Match) -> float:
    """ln(b! · y! · matched intensity): b and y count the ions found at any charge, the highest peak is 100 (after
    X!Tandem's hyperscore, which multiplies the dot product with the factorials); 0 where nothing matched."""
    peaks = found.peaks
    if not len(peaks):
        return 0.0
    b, y = found.seen.sum(axis=1).tolist()
    whole = 100 * spectrum.intensity[peaks].sum() / spectrum.intensity.max()
    return math.lgamma(b + 1) + math.lgamma(y + 1) + math.log1p(whole)


def cosine(spectrum: Spectrum, found: Match) -> float:
    """The cosine of the spectrum and a theoretical one whose ions are all of height 1; 0 to 1."""
    norm = float(np.linalg.norm(spectrum.intensity)) * math.sqrt(max(found.mz.size, 1))
    return float(spectrum.intensity[found.peaks].sum()) / norm if norm else 0.0


def explained(spectrum: Spectrum, found: Match) -> float:
    """The fraction of the intensity in matched peaks."""
    total = float(spectrum.intensity.sum())
    return float(spectrum.intensity[found.peaks].sum()) / total if total else 0.0


def coverage(spectrum: Spectrum, found: Match) -> float:
    """The fraction of the places between residues at which a b or y ion was found."""
    return float(found.sites.any(axis=0).mean()) if found.mz.size else 0.0


def longest_run(flags: Sequence[bool] | NDArray[np.bool_]) -> int:
    """The most consecutive true values.

    >>> longest_run([True, True, False, True])
    2
    """
    best = now = 0
    for flag in flags:
        now = now + 1 if flag else 0
        best = max(best, now)
    return best
