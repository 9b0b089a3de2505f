"""Spectra and their candidates as the tensors that `models.axial` takes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...models.axial import Shape
from .alignment import PAD, rows
from .peptide import Peptide
from .spectrum import Spectrum


def spectra_tensors(spectra: Sequence[Spectrum], shape: Shape) -> dict[str, Tensor]:
    """Peaks, prepared as RankNovo's, padded with zeros; precursor masses and charges."""
    clean = [s.prepared(peaks=shape.peaks) for s in spectra]
    wide = max((len(s) for s in clean), default=0)
    mz, intensity = torch.zeros(len(clean), wide, dtype=torch.float64), torch.zeros(len(clean), wide)
    for i, s in enumerate(clean):
        mz[i, : len(s)] = torch.from_numpy(s.mz)
        intensity[i, : len(s)] = torch.from_numpy(s.intensity)
    mass = torch.tensor([s.mass for s in spectra], dtype=torch.float64)
    return {"mz": mz, "intensity": intensity, "mass": mass, "charge": torch.tensor([s.charge for s in spectra])}


def candidate_tensors(groups: Sequence[Sequence[Peptide]]) -> dict[str, Tensor]:
    """Token numbers and prefix masses [groups, candidates, 1 + longest], padded where a group has fewer or shorter."""
    made = [rows(peptides) for peptides in groups]
    size = (len(made), max(len(n) for n, _ in made), max(n.shape[1] for n, _ in made))
    tokens, prefix = torch.full(size, PAD), torch.zeros(size, dtype=torch.float64)
    for i, (numbers, masses) in enumerate(made):
        tokens[i, : len(numbers), : numbers.shape[1]] = torch.from_numpy(numbers)
        prefix[i, : len(numbers), : numbers.shape[1]] = torch.from_numpy(masses)
    return {"tokens": tokens, "prefix": prefix}
