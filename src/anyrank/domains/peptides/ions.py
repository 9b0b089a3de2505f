"""Fragment ions of peptides, and how far a measured precursor is from a peptide's."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .peptide import Peptide
from .residues import ISOTOPE, PROTON, WATER

Floats = NDArray[np.float64]


def prefix_masses(peptide: Peptide) -> Floats:
    """The mass of the first 1, 2, …, n residues in Da, the modifications of the ends counted with the first and the
    last: [n]."""
    sums = np.cumsum(peptide.masses)
    if peptide.c_term:
        sums = np.delete(sums, -2)
    return sums[1:] if peptide.n_term else sums


def fragments(peptide: Peptide, charge: int = 1) -> tuple[Floats, Floats]:
    """m/z of the b ions b1 … b(n-1) and of the y ions y1 … y(n-1) at one charge.

    >>> b, y = fragments(Peptide(tuple("PEPTIDE")))
    >>> round(float(b[1]), 4), round(float(y[0]), 4)
    (227.1026, 148.0604)
    """
    prefix = prefix_masses(peptide)
    b = prefix[:-1]
    y = (prefix[-1] - b)[::-1] + WATER
    return b / charge + PROTON, y / charge + PROTON


def by_ions(peptide: Peptide, precursor_charge: int) -> Floats:
    """m/z of all b and y ions at the charges 1 to the precursor's less 1 (at least 1); b, then y, charge by charge."""
    return np.concatenate([part for z in range(1, max(precursor_charge, 2)) for part in fragments(peptide, z)])


def ppm(peptide: Peptide, mz: float, charge: int, isotopes: Iterable[int] = (0,)) -> float:
    """The precursor's mass error: measured less theoretical m/z in parts per million of the theoretical. Of several
    ``isotopes``, peaks that the instrument may have picked (0 the monoisotopic, 1 the next), the best fit counts.

    >>> p = Peptide(tuple("LAHYNKR"))
    >>> round(ppm(p, 451.25348, 2), 2), round(ppm(p, 451.25348 + 1.00335 / 2, 2, (0, 1)), 2)
    (-0.64, -0.64)
    """
    theory = peptide.mz(charge)
    return min(((mz - i * ISOTOPE / charge - theory) / theory * 1e6 for i in isotopes), key=abs)
