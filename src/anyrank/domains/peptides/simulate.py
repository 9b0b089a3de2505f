"""Simulated annotated spectra for training: random peptides, most of their b and y ions, and noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .ions import fragments
from .peptide import Peptide
from .spectrum import Spectrum

COMMON = "AAAAAGGGGSSSPPPVVVVTTTLLLLLLLLLNNDDDQQKKKKEEEEMHFFRRRYYW"
"""Residues, about as often as in proteins; L stands for I too."""


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

    Peptides have ``lengths`` from and to. Each ion is seen with probability ``seen``; m/z have errors of ``error`` ppm
    (standard deviation); intensities are log-normal, y ions twice as high; the number of noise peaks is drawn from the
    range ``noise``. One M in five is oxidised. The same for the same seed.

    >>> [str(s.peptide) for s in simulated(2)] == [str(s.peptide) for s in simulated(2)]
    True
    """
    random = np.random.default_rng(seed)
    out = []
    for i in range(n):
        p = peptides[i % len(peptides)] if peptides else _peptide(random, lengths)
        charge = int(random.integers(2, 4))
        parts = []  # (m/z, intensities)
        for z in range(1, charge):
            for ions, height in zip(fragments(p, z), (1.0, 2.0)):  # b, y
                # Ions of charge 2 are rarer and lower.
                shown = ions[random.random(len(ions)) < (seen if z == 1 else seen / 4)]
                parts.append((shown, height * random.lognormal(0.0, 1.0, len(shown)) / z))
        count = int(random.integers(*noise))
        parts.append((random.uniform(100.0, p.mass, count), 0.3 * random.lognormal(0.0, 0.7, count)))
        exact_mz, intensity = (np.concatenate(x) for x in zip(*parts))
        mz = exact_mz * (1 + random.normal(0.0, error * 1e-6, len(exact_mz)))
        order = np.argsort(mz)
        precursor = p.mz(charge) * (1 + random.normal(0.0, error * 1e-6))
        name = f"simulated {seed}.{i}"
        out.append(Spectrum(mz[order], intensity[order], float(precursor), charge, name, i, peptide=p))
    return out


def _peptide(random: np.random.Generator, lengths: tuple[int, int]) -> Peptide:
    """A random peptide with a length from and to ``lengths``."""
    letters = random.choice(list(COMMON), int(random.integers(lengths[0], lengths[1] + 1)))
    return Peptide(tuple("M+15.995" if x == "M" and random.random() < 0.2 else str(x) for x in letters))
