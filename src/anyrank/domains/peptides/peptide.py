"""A peptide as tokens of the residue table."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .residues import LETTERS, MARK, MASSES, PROTON, WATER, is_back, is_front, known, mass_of

_ALIKE = str.maketrans("INQ", "LDE")


@dataclass(frozen=True, slots=True)
class Peptide:
    """Residues from the N-terminus to the C-terminus, each a token with a mass of its own (see `residues.mass_of`); the
    modification of an end is a token too, the N-terminal one before the first residue (``+42.011``), the C-terminal one
    after the last (``-[-0.984]``). Raises InputError on a text that is no token.

    >>> p = Peptide(("+42.011", "M+15.995", "I", "K"))
    >>> str(p), p.proforma, p.bare, p.key
    ('+42.011M+15.995IK', '[Acetyl]-M[Oxidation]IK', 'MIK', '+42.011M+15.995LK')
    >>> round(p.mass, 4), len(p)
    (448.2356, 3)
    """

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        for i, token in enumerate(self.tokens):
            if mass_of(token) is None or (len(token) == 1 and token not in LETTERS):
                raise InputError(f"residue {token!r} is not in the residue table")
            if is_front(token) and i:
                raise InputError(f"{token!r} is an N-terminal modification: it belongs before the first residue")
            if is_back(token) and i < len(self.tokens) - 1:
                raise InputError(f"{token!r} is a C-terminal modification: it belongs after the last residue")
        if not self.residues:
            raise InputError("a peptide without residues")

    @property
    def n_term(self) -> str:
        """The N-terminal modification, empty if there is none."""
        return self.tokens[0] if self.tokens and is_front(self.tokens[0]) else ""

    @property
    def c_term(self) -> str:
        """The C-terminal modification, empty if there is none."""
        return self.tokens[-1] if self.tokens and is_back(self.tokens[-1]) else ""

    @property
    def residues(self) -> tuple[str, ...]:
        """The tokens less the modifications of the ends."""
        return self.tokens[1 if self.n_term else 0 : len(self.tokens) - bool(self.c_term)]

    def __len__(self) -> int:
        return len(self.residues)

    def __str__(self) -> str:
        return "".join(self.tokens)

    @property
    def bare(self) -> str:
        """The residues' letters without modifications."""
        return "".join(t[0] for t in self.residues)

    @property
    def backbone(self) -> str:
        """The letters without modifications, L for I, and D and E for N and Q, which deamidation makes of them:
        peptides that share it must not be in both parts of a split.

        >>> Peptide(("N+0.984", "M+15.995", "I", "K")).backbone
        'DMLK'
        """
        return self.bare.translate(_ALIKE)

    @property
    def key(self) -> str:
        """The peptide's identity as a text: I, which no mass tells from L, is written L."""
        return str(self).replace("I", "L")

    @property
    def canonical(self) -> Peptide:
        """The same peptide with L for I."""
        return Peptide(tuple("L" if t == "I" else t for t in self.tokens))

    @property
    def known_to_models(self) -> bool:
        """Whether the models' table (`residues.MASSES`) has all tokens."""
        return all(t in MASSES for t in self.tokens)

    @property
    def modifications(self) -> tuple[tuple[int, str], ...]:
        """(position, mark) of every modification: residues count from 1, position 0 is the N-terminus, and the
        C-terminus comes after the last residue.

        >>> Peptide(("+43.006-17.027", "C+57.021", "K", "-[-0.984]")).modifications
        ((0, '+43.006'), (0, '-17.027'), (1, '+57.021'), (3, '-0.984'))
        """
        front = [(0, mark) for mark in re.findall(MARK, self.n_term)]
        back = [(len(self) + 1, self.c_term[2:-1])] if self.c_term else []
        return (*front, *((i, t[1:]) for i, t in enumerate(self.residues, 1) if len(t) > 1), *back)

    def site(self, position: int) -> str:
        """The letter at a position as `modifications` counts them; ``n`` or ``c`` for an end."""
        return "n" if position == 0 else "c" if position > len(self) else self.residues[position - 1][0]

    @property
    def proforma(self) -> str:
        """The peptide in ProForma notation, known modifications by name and others by mass."""
        names = [""] * (len(self) + 2)
        for position, mark in self.modifications:
            row = known(mark, self.site(position))
            names[position] += f"[{row.name if row else mark}]"
        rest = "".join(t[0] + name for t, name in zip(self.residues, names[1:]))
        return (f"{names[0]}-" if names[0] else "") + rest + (f"-{names[-1]}" if names[-1] else "")

    @property
    def masses(self) -> NDArray[np.float64]:
        """The tokens' masses in Da, modifications of the ends included as the first and the last."""
        return np.array([mass_of(t) for t in self.tokens], dtype=np.float64)

    @property
    def mass(self) -> float:
        """The neutral monoisotopic mass in Da."""
        return float(sum(mass_of(t) or 0.0 for t in self.tokens)) + WATER

    def mz(self, charge: int) -> float:
        """The m/z of the whole peptide with so many protons.

        >>> round(Peptide(tuple("LAHYNKR")).mz(2), 5)
        451.25377
        """
        return self.mass / charge + PROTON
