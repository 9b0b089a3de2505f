"""A tandem mass spectrum and its preparation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .peptide import Peptide
from .residues import PROTON

Floats = NDArray[np.float64]
Bad = list[InputError]
"""Rows and spectra that a reader could not use, as errors that name file and line."""


def refuse(bad: Bad | None, error: InputError) -> None:
    """Add an error to ``bad``; raise it if there is no such list."""
    if bad is None:
        raise error
    bad.append(error)


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Peaks (``mz`` rising, and ``intensity``), the precursor's m/z and charge (0: the file states none, or several),
    and its origin: ``title`` (of an mzML file: the native id), ``index`` (its position in the file from 0), ``scan``
    number (of a merged spectrum ``scans`` has all), retention time ``rt`` in seconds, ``line`` at which it begins, and
    ``run``, the name of its file if there are several. ``peptide`` is its annotation, if it has one.

    Raises InputError if peaks or precursor are not numbers that a spectrum can have.
    """

    mz: Floats
    intensity: Floats
    precursor_mz: float
    charge: int
    title: str = ""
    index: int = 0
    scan: str = ""
    rt: float | None = None
    peptide: Peptide | None = None
    line: int | None = None
    run: str = ""
    scans: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.mz) != len(self.intensity):
            raise InputError(f"{len(self.mz)} m/z values for {len(self.intensity)} intensities")
        if not (np.isfinite(self.precursor_mz) and self.precursor_mz > 0):
            raise InputError(f"precursor m/z {self.precursor_mz}: must be a number above 0")
        if self.charge < 0:
            raise InputError(f"precursor charge of {self.charge}: must be at least 1, negative ions are not supported")
        for name, values in (("m/z", self.mz), ("intensity", self.intensity)):
            if len(values) and not (np.isfinite(values).all() and values.min() >= 0):
                raise InputError(f"a peak whose {name} is negative or not a number")

    def __len__(self) -> int:
        return len(self.mz)

    @property
    def name(self) -> str:
        """The title; of a spectrum without one, its position in the file."""
        return self.title or f"index={self.index}"

    @property
    def full_name(self) -> str:
        """The name, with that of the run if there are several."""
        return f"{self.run}:{self.name}" if self.run else self.name

    @property
    def mass(self) -> float:
        """The neutral mass of the precursor in Da."""
        return (self.precursor_mz - PROTON) * self.charge

    def prepared(
        self,
        low: float = 50.5,
        high: float = 4500.0,
        peaks: int = 300,
        precursor: float = 2.0,
        least: float = 0.0,
    ) -> Spectrum:
        """Preprocess the spectrum for models and scores; the defaults are RankNovo's settings.

        Kept are the ``peaks`` highest peaks with m/z from ``low`` to ``high``, none within ``precursor`` Da of the
        precursor at any charge up to its own, none below ``least`` times the highest. Intensities become their square
        roots over the Euclidean norm of these.

        >>> s = Spectrum(np.array([40., 100., 200., 300.]), np.array([9., 16., 9., 5.]), 300.5, 1)
        >>> s.prepared().mz.tolist(), s.prepared().intensity.tolist()
        ([100.0, 200.0], [0.8, 0.6])
        """
        keep = (self.mz >= low) & (self.mz <= high)
        for z in range(1, self.charge + 1):
            keep &= np.abs(self.mz - (self.mass / z + PROTON)) > precursor
        keep &= self.intensity > 0
        if keep.any():
            keep &= self.intensity >= least * self.intensity[keep].max()
        chosen = np.flatnonzero(keep)
        if len(chosen) > peaks:
            strongest = np.argsort(-self.intensity[chosen], kind="stable")[:peaks]
            chosen = np.sort(chosen[strongest])
        root = np.sqrt(self.intensity[chosen])
        if len(root) and root.max() > 1e100:  # their squares would have an infinite sum
            root = root / root.max()
        norm = float(np.linalg.norm(root)) or 1.0
        return replace(self, mz=self.mz[chosen], intensity=root / norm)
