"""Spectra and their candidates as the tensors that models of peptides take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...models.parts.alignment import PAD, Peptide, rows


class Spectrum(Protocol):
    """A query as a model reads it: peaks, and the neutral mass in Da and the charge of the precursor. `prepared` keeps
    the highest ``peaks`` and drops those that can't be fragments."""

    @property
    def mz(self) -> NDArray[np.float64]: ...
    @property
    def intensity(self) -> NDArray[np.float64]: ...
    @property
    def mass(self) -> float: ...
    @property
    def charge(self) -> int: ...
    def prepared(self, *, peaks: int) -> Self: ...


def spectra_tensors(spectra: Sequence[Spectrum], peaks: int) -> dict[str, Tensor]:
    """Peaks, prepared as RankNovo's, padded with zeros; precursor masses and charges."""
    clean = [s.prepared(peaks=peaks) for s in spectra]
    wide = max((len(s.mz) for s in clean), default=0)
    mz, intensity = torch.zeros(len(clean), wide, dtype=torch.float64), torch.zeros(len(clean), wide)
    for i, s in enumerate(clean):
        mz[i, : len(s.mz)] = torch.from_numpy(s.mz)
        intensity[i, : len(s.mz)] = torch.from_numpy(s.intensity)
    mass = torch.tensor([s.mass for s in spectra], dtype=torch.float64)
    return {"mz": mz, "intensity": intensity, "mass": mass, "charge": torch.tensor([s.charge for s in spectra])}


def candidate_tensors(groups: Sequence[Sequence[Peptide]]) -> dict[str, Tensor]:
    """Token numbers and prefix masses [groups, candidates, 1 + longest], padded."""
    aligned = [rows(peptides) for peptides in groups]
    size = (len(aligned), max(len(n) for n, _ in aligned), max(n.shape[1] for n, _ in aligned))
    tokens, prefix = torch.full(size, PAD), torch.zeros(size, dtype=torch.float64)
    for i, (numbers, masses) in enumerate(aligned):
        tokens[i, : len(numbers), : numbers.shape[1]] = torch.from_numpy(numbers)
        prefix[i, : len(numbers), : numbers.shape[1]] = torch.from_numpy(masses)
    return {"tokens": tokens, "prefix": prefix}


def crowded(spectra: Sequence[Spectrum], peaks: int) -> list[int]:
    """1 for each spectrum with more usable peaks than ``peaks``, else 0."""
    return [int(len(s.mz) > peaks <= len(s.prepared(peaks=peaks).mz)) for s in spectra]
