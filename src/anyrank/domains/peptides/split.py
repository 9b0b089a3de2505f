"""Training and validation spectra without a peptide in common."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from .spectrum import Spectrum


def split_by_peptide(spectra: Sequence[Spectrum], share: float, seed: int = 0) -> tuple[list[Spectrum], list[Spectrum]]:
    """Split annotated spectra into two parts that have no peptide in common (I = L): those to train on, and the
    held-out ones, with a ``share`` of the peptides. Spectra without an annotation are left out."""
    keys = sorted({s.peptide.key for s in spectra if s.peptide})
    Random(seed).shuffle(keys)
    held_out = set(keys[: round(share * len(keys))])
    parts: tuple[list[Spectrum], list[Spectrum]] = ([], [])
    for s in spectra:
        if s.peptide:
            parts[s.peptide.key in held_out].append(s)
    return parts
