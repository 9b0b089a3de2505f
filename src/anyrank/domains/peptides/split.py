"""Annotated spectra in two parts without a peptide in common."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from .spectrum import Spectrum


def split_by_peptide(spectra: Sequence[Spectrum], share: float, seed: int = 0) -> tuple[list[Spectrum], list[Spectrum]]:
    """Annotated spectra in two parts that have no peptide in common (I = L): the rest, and about ``share`` of the
    peptides."""
    keys = sorted({s.peptide.key for s in spectra if s.peptide})
    Random(seed).shuffle(keys)
    out = set(keys[: round(share * len(keys))])
    parts: tuple[list[Spectrum], list[Spectrum]] = ([], [])
    for s in spectra:
        if s.peptide:
            parts[s.peptide.key in out].append(s)
    return parts
