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
    """The largest distance between a peak and an ion: in ppm (high-resolution spectra) or Da.

    >>> Tolerance.of("0.5 Da"), Tolerance.of("20ppm").around(np.array([500.0]))
    (Tolerance(value=0.5, unit='Da'), array([0.01]))
    """

    value: float = 20.0
    unit: str = "ppm"

    def __post_init__(self) -> None:
        if self.unit not in ("ppm", "Da") or not self.value > 0:
            raise InputError(f"tolerance {self.value:g}{self.unit}: expected a number above 0 and ppm or Da, as 20ppm")

    @classmethod
    def of(cls, text: str) -> Tolerance:
        """A tolerance from a text, as in "20ppm" or "0.5 Da". Raises InputError on others."""
        if (parts := re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ppm|da)\s*", text, re.IGNORECASE)) is None:
            raise InputError(f"tolerance {text!r}: expected a number with ppm or Da, as in 20ppm or 0.5Da")
        return cls(float(parts[1]), "ppm" if parts[2].lower() == "ppm" else "Da")

    def around(self, mz: Floats) -> Floats:
        """Half the window's width at every m/z."""
        return mz * self.value * 1e-6 if self.unit == "ppm" else np.full_like(mz, self.value)


NARROW = Tolerance()
"""20 ppm, for high-resolution spectra."""


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """The b and y ions of a peptide at every charge, and the peak of each: ``mz`` and ``peak`` (its index in the
    spectrum, -1 for none) of shape [charges, 2, n - 1], the middle axis b, y; ion i of the last is b(i+1), y(i+1)."""

    mz: Floats
    peak: Ints

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Whether each ion was matched at any charge: [2, n - 1]."""
        return np.asarray((self.peak >= 0).any(axis=0))

    @property
    def sites(self) -> NDArray[np.bool_]:
        """Whether each bond, from the N-terminus, was seen to break by its b and by its y ion: [2, n - 1]."""
        # b(i) and y(n-i) are the two sides of one bond, so the y ions are turned round.
        return np.stack([self.seen[0], self.seen[1][::-1]])

    @property
    def peaks(self) -> Ints:
        """The indices of the matched peaks, each once."""
        peaks = np.unique(self.peak)
        return peaks[peaks >= 0]


def match(spectrum: Spectrum, peptide: Peptide, tolerance: Tolerance = NARROW) -> Match:
    """Match every ion of a peptide to its nearest peak within the tolerance."""
    ions = by_ions(peptide, spectrum.charge).reshape(max(spectrum.charge - 1, 1), 2, len(peptide) - 1)
    if not len(spectrum) or not ions.size:
        return Match(ions, np.full(ions.shape, -1))
    # Peaks are sorted by m/z: the nearest one is the last before the ion's m/z or the first after it.
    after = np.searchsorted(spectrum.mz, ions).clip(max=len(spectrum) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(spectrum.mz[before] - ions) <= np.abs(spectrum.mz[after] - ions), before, after)
    near = np.abs(spectrum.mz[nearest] - ions) <= tolerance.around(ions)
    return Match(ions, np.where(near, nearest, -1))


def hyperscore(spectrum: Spectrum, matched: Match) -> float:
    """ln(b! · y! · matched intensity): b and y count the ions matched at any charge, the highest peak is 100 (after
    X!Tandem's hyperscore, which multiplies the dot product with the factorials); 0 if nothing matched."""
    peaks = matched.peaks
    if not len(peaks):
        return 0.0
    b, y = matched.seen.sum(axis=1).tolist()
    intensity = 100 * spectrum.intensity[peaks].sum() / spectrum.intensity.max()
    # lgamma(n + 1) = ln(n!), without the overflow of long peptides; log1p keeps faint matches above 0
    return math.lgamma(b + 1) + math.lgamma(y + 1) + math.log1p(intensity)


def cosine(spectrum: Spectrum, matched: Match) -> float:
    """The cosine of the spectrum and a theoretical one whose ions are all of height 1; 0 to 1."""
    norm = float(np.linalg.norm(spectrum.intensity)) * math.sqrt(max(matched.mz.size, 1))
    return float(spectrum.intensity[matched.peaks].sum()) / norm if norm else 0.0


def explained(spectrum: Spectrum, matched: Match) -> float:
    """The fraction of the intensity in matched peaks."""
    total = float(spectrum.intensity.sum())
    return float(spectrum.intensity[matched.peaks].sum()) / total if total else 0.0


def coverage(spectrum: Spectrum, matched: Match) -> float:
    """The fraction of the bonds between residues for which a b or y ion was matched."""
    return float(matched.sites.any(axis=0).mean()) if matched.mz.size else 0.0


def median_matched(pairs: Sequence[tuple[Spectrum, Peptide]], tolerance: Tolerance = NARROW) -> float:
    """The median over spectra of the share of a peptide's b and y ions that are matched at any charge, 0 to 1. Right
    peptides show about half at a fitting tolerance; far less is a sign of a wrong one."""
    shares = [match(s.prepared(), p, tolerance).seen for s, p in pairs]
    return float(np.median([seen.mean() for seen in shares if seen.size])) if any(x.size for x in shares) else 0.0


def longest_run(flags: Sequence[bool] | NDArray[np.bool_]) -> int:
    """The length of the longest run of true values.

    >>> longest_run([True, True, False, True])
    2
    """
    longest = current = 0
    for flag in flags:
        current = current + 1 if flag else 0
        longest = max(longest, current)
    return longest
