"""How far candidates are from a target by mass: PMD for the whole peptide, RMD for each residue (RankNovo)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .peptide import Peptide

UNIT = 51.4238
"""The mass difference in Da that weighs as much as one gap; RMD is told in this unit too."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def pmd(candidates: Sequence[Peptide], targets: Peptide | Sequence[Peptide]) -> Floats:
    """Peptide mass deviation of each candidate from its target (or from the one target): [n], 0 for equal masses.

    The Needleman-Wunsch distance over tokens: a gap costs 1, a pair |mass difference| / `UNIT`; not divided by length.
    All pairs at once, row by row.

    >>> p = [Peptide(tuple(s)) for s in ("EPPTIDEK", "PEPTIDK", "PEPTLDEK")]
    >>> pmd(p, Peptide(tuple("PEPTIDEK"))).round(6)
    array([1.244164, 1.      , 0.      ])
    """
    goals = [targets] * len(candidates) if isinstance(targets, Peptide) else list(targets)
    if len(goals) != len(candidates):
        raise InputError(f"{len(candidates)} candidates for {len(goals)} targets")
    if not goals:
        return np.zeros(0)
    return _apart(*_padded(candidates), *_padded(goals))


def pmds(peptides: Sequence[Peptide]) -> Floats:
    """The peptide mass deviations of all from all: [n, n], symmetric, the diagonal 0.

    >>> pmds([Peptide(tuple(s)) for s in ("PEPTIDEK", "EPPTIDEK", "PEPTIDK")]).round(3)
    array([[0.   , 1.244, 1.   ],
           [1.244, 0.   , 2.244],
           [1.   , 2.244, 0.   ]])
    """
    n = len(peptides)
    out = np.zeros((n, n))
    if n > 1:
        masses, long = _padded(peptides)
        i, j = np.triu_indices(n, 1)
        out[i, j] = out[j, i] = _apart(masses[i], long[i], masses[j], long[j])
    return out


def _apart(a: Floats, long_a: Ints, b: Floats, long_b: Ints) -> Floats:
    """The distances of rows of masses, of which so many count."""
    n, places = len(a), np.arange(b.shape[1] + 1, dtype=np.float64)
    row = np.tile(places, (n, 1))
    out = np.where(long_a == 0, row[np.arange(n), long_b], 0.0)
    for i in range(a.shape[1]):
        best = np.empty_like(row)
        best[:, 0] = i + 1
        np.minimum(row[:, :-1] + np.abs(a[:, i, None] - b) / UNIT, row[:, 1:] + 1, out=best[:, 1:])
        row = np.minimum.accumulate(best - places, axis=1) + places  # gaps along the row
        done = long_a == i + 1
        out[done] = row[done, long_b[done]]
    return np.maximum(out, 0.0)


def rmd(candidate: Peptide, target: Peptide) -> Floats:
    """Residue mass deviation: for every token of the candidate, the mass of the candidate up to and with it less the
    target's nearest prefix mass, over `UNIT`; signed, [tokens].

    >>> rmd(Peptide(tuple("EPPTIDEK")), Peptide(tuple("PEPTIDEK"))).round(6)
    array([0.622082, 0.      , 0.      , 0.      , 0.      , 0.      ,
           0.      , 0.      ])
    """
    prefix, goals = np.cumsum(candidate.masses), np.cumsum(target.masses)
    apart = prefix[:, None] - goals
    nearest = apart[np.arange(len(prefix)), np.abs(apart).argmin(axis=1)]
    return np.where(np.abs(nearest) < 1e-9, 0.0, nearest) / UNIT


def _padded(peptides: Sequence[Peptide]) -> tuple[Floats, Ints]:
    sizes = np.array([len(p.tokens) for p in peptides])
    out = np.zeros((len(peptides), sizes.max()))
    for row, p in zip(out, peptides):
        row[: len(p.tokens)] = p.masses
    return out, sizes
