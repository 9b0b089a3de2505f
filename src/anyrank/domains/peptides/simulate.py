"""Simulated spectra: random peptides, most of their b and y ions, and noise; annotated, for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .ions import fragments
from .peptide import Peptide
from .spectrum import Spectrum

COMMON = "AAAAAGGGGSSSPPPVVVVTTTLLLLLLLLLNNDDDQQKKKKEEEEMHFFRRRYYW"
"""Residues about as often as proteins have them; L stands for I too."""


def simulated(
    n: int,
    seed: int = 0,
    lengths: tuple[int, int] = (7, 15),
    seen: float = 0.75,
    error: float = 5.0,
    noise: tuple[int, int] = (20, 100),
    peptides: Sequence[Peptide] = (),
) -> list[Spectrum]:
    """``n`` annotated spectra of random peptides (or of those given, in turn) at charge 2 or 3.

    A bond breaks visibly with the chance ``seen``, drawn for b and for y ions apart; m/z are off by ``error`` ppm
    (standard deviation); heights are log-normal, y ions twice as high; ``noise`` peaks, from and to, lie anywhere. One
    M in five is oxidised. The same for the same seed.

    >>> [str(s.peptide) for s in simulated(2)] == [str(s.peptide) for s in simulated(2)]
    True
    """
    random = np.random.default_rng(seed)
    out = []
    for i in range(n):
        p = peptides[i % len(peptides)] if peptides else _peptide(random, lengths)
        charge = int(random.integers(2, 4))
        parts = []
        for z in range(1, charge):
            for ions, high in zip(fragments(p, z), (1.0, 2.0)):
                shown = ions[random.random(len(ions)) < (seen if z == 1 else seen / 4)]
                parts.append((shown, high * random.lognormal(0.0, 1.0, len(shown)) / z))
        many = int(random.integers(*noise))
        parts.append((random.uniform(100.0, p.mass, many), 0.3 * random.lognormal(0.0, 0.7, many)))
        ions_mz, height = (np.concatenate(x) for x in zip(*parts))
        mz = ions_mz * (1 + random.normal(0.0, error * 1e-6, len(ions_mz)))
        order = np.argsort(mz)
        precursor = p.mz(charge) * (1 + random.normal(0.0, error * 1e-6))
        out.append(Spectrum(mz[order], height[order], float(precursor), charge, f"simulated {seed}.{i}", i, peptide=p))
    return out


def _peptide(random: np.random.Generator, lengths: tuple[int, int]) -> Peptide:
    letters = random.choice(list(COMMON), int(random.integers(lengths[0], lengths[1] + 1)))
    return Peptide(tuple("M+15.995" if x == "M" and random.random() < 0.2 else str(x) for x in letters))
