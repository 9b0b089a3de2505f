"""Candidates as the rows of RankNovo's alignment: token numbers and prefix masses, for a model of whole sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

MARKS: dict[str, str] = {
    "C+57.021": "0", "M+15.995": "1", "N+0.984": "2", "Q+0.984": "3", "+42.011": "4", "+43.006-17.027": "5",
    "+43.006": "6", "-17.027": "7",
}  # fmt: skip
"""The one-character marks of modified residues and of N-terminal modifications."""

_PLAIN = (*["<cls>", "<pad>", "<eos>", "<unk>"], *"GASPVTLINDQKEMHFRYW", *"01234567", ".", "-")
VOCABULARY: tuple[str, ...] = (*_PLAIN, *(f"<null_{i}>" for i in range(1, -len(_PLAIN) % 8 + 1)), "<mask>")
"""The tokens in the order of RankNovo's numbers: the list is padded to a multiple of 8, then comes ``<mask>``."""

_NUMBER = {t: i for i, t in enumerate(VOCABULARY)}
CLS, PAD, GAP = _NUMBER["<cls>"], _NUMBER["<pad>"], _NUMBER["-"]


class Peptide(Protocol):
    """A candidate as a model reads it: its tokens, their masses in Da, and the same with L for I."""

    @property
    def tokens(self) -> tuple[str, ...]: ...
    @property
    def masses(self) -> NDArray[np.float64]: ...
    @property
    def canonical(self) -> Self: ...


def rows(peptides: Sequence[Peptide]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Token numbers and prefix masses in Da, each [peptides, 1 + longest]: every row begins with ``<cls>`` (mass 0) and
    is padded with ``-``, which weighs nothing: its prefix mass is the whole peptide's.

    I is read as L: their masses are equal, so only the habits of the source that writes I could be learnt from it.
    """
    wide = 1 + max((len(p.tokens) for p in peptides), default=0)
    numbers, masses = np.full((len(peptides), wide), GAP), np.zeros((len(peptides), wide))
    for row, mass, p in zip(numbers, masses, peptides):
        row[0] = CLS
        row[1 : 1 + len(p.tokens)] = [_NUMBER[MARKS.get(t, t)] for t in p.canonical.tokens]
        mass[1 : 1 + len(p.tokens)] = p.masses
    return numbers, np.cumsum(masses, axis=1)
