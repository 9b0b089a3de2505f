"""Training and validation spectra without a peptide in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from random import Random

from .peptide import Peptide
from .spectrum import Spectrum


def split_by_peptide(spectra: Sequence[Spectrum], share: float, seed: int = 0) -> tuple[list[Spectrum], list[Spectrum]]:
    """Split annotated spectra into two parts that have no peptide in common: those to train on, and the held-out ones,
    with a ``share`` of the peptides. Peptides are the same if their backbones are (`Peptide.backbone`): modified or
    not, I or L, N or D, Q or E. Spectra without an annotation are left out."""
    keys = sorted({s.peptide.backbone for s in spectra if s.peptide})
    Random(seed).shuffle(keys)
    held_out = set(keys[: round(share * len(keys))])
    parts: tuple[list[Spectrum], list[Spectrum]] = ([], [])
    for s in spectra:
        if s.peptide:
            parts[s.peptide.backbone in held_out].append(s)
    return parts


def folds(peptides: Sequence[Peptide], count: int, seed: int = 0) -> list[int]:
    """The fold, 0 to ``count`` - 1, of each peptide; the same for those of one backbone."""
    keys = sorted({p.backbone for p in peptides})
    Random(seed).shuffle(keys)
    fold = {key: i % count for i, key in enumerate(keys)}
    return [fold[p.backbone] for p in peptides]


def fingerprints(peptides: Iterable[Peptide]) -> list[str]:
    """Short hashes of the peptides' backbones, sorted, each once: a model's file keeps them, so that an evaluation on
    its training peptides can be told, without the peptides themselves.

    >>> fingerprints([Peptide(("K",)), Peptide(("K",))])
    ['86be9a55762d316a']
    """
    return sorted({hashlib.sha256(p.backbone.encode()).hexdigest()[:16] for p in peptides})
