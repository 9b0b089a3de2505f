"""A peptide as tokens of the residue table."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .residues import MASSES, MODIFICATIONS, N_TERM, PROTON, RESIDUES, WATER


@dataclass(frozen=True, slots=True)
class Peptide:
    """Residues from the N-terminus to the C-terminus, each a token of `residues.MASSES`; an N-terminal modification is
    a token of its own at the front. Raises InputError on a token that is not in the table.

    >>> p = Peptide(("+42.011", "M+15.995", "I", "K"))
    >>> str(p), p.proforma, p.bare, p.key
    ('+42.011M+15.995IK', '[Acetyl]-M[Oxidation]IK', 'MIK', '+42.011M+15.995LK')
    >>> round(p.mass, 4), len(p)
    (448.2356, 3)
    """

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        for i, token in enumerate(self.tokens):
            if token not in RESIDUES and not (i == 0 and token in N_TERM):
                if token in N_TERM:
                    raise InputError(f"{token!r} is an N-terminal modification: it belongs before the first residue")
                raise InputError(f"residue {token!r} is not in the residue table")
        if not self.residues:
            raise InputError("a peptide without residues")

    @property
    def n_term(self) -> str:
        """The N-terminal modification, empty if there is none."""
        return self.tokens[0] if self.tokens and self.tokens[0] in N_TERM else ""

    @property
    def residues(self) -> tuple[str, ...]:
        """The tokens less the N-terminal modification."""
        return self.tokens[1:] if self.n_term else self.tokens

    def __len__(self) -> int:
        return len(self.residues)

    def __str__(self) -> str:
        return "".join(self.tokens)

    @property
    def bare(self) -> str:
        """The residues' letters without modifications."""
        return "".join(t[0] for t in self.residues)

    @property
    def key(self) -> str:
        """The peptide's identity as a text: I, which no mass tells from L, is written L."""
        return str(self).replace("I", "L")

    @property
    def canonical(self) -> Peptide:
        """The same peptide with L for I."""
        return Peptide(tuple("L" if t == "I" else t for t in self.tokens))

    @property
    def modifications(self) -> tuple[tuple[int, str], ...]:
        """(position, mark) of every modification: position 0 is the N-terminus, residues count from 1.

        >>> Peptide(("+43.006-17.027", "C+57.021", "K")).modifications
        ((0, '+43.006'), (0, '-17.027'), (1, '+57.021'))
        """
        front = [(0, mark) for mark in re.findall(r"[+-][\d.]+", self.n_term)]
        return (*front, *((i, t[1:]) for i, t in enumerate(self.residues, 1) if len(t) > 1))

    @property
    def proforma(self) -> str:
        """The peptide in ProForma notation, modifications by name."""
        front = "".join(f"[{MODIFICATIONS[mark][1]}]" for position, mark in self.modifications if position == 0)
        rest = "".join(t if len(t) == 1 else f"{t[0]}[{MODIFICATIONS[t[1:]][1]}]" for t in self.residues)
        return f"{front}-{rest}" if front else rest

    @property
    def masses(self) -> NDArray[np.float64]:
        """The tokens' masses in Da, N-terminal modification included as the first."""
        return np.array([MASSES[t] for t in self.tokens])

    @property
    def mass(self) -> float:
        """The neutral monoisotopic mass in Da."""
        return sum(MASSES[t] for t in self.tokens) + WATER

    def mz(self, charge: int) -> float:
        """The m/z of the whole peptide with so many protons.

        >>> round(Peptide(tuple("LAHYNKR")).mz(2), 5)
        451.25377
        """
        return self.mass / charge + PROTON
