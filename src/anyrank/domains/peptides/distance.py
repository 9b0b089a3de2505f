"""Mass distances of candidates from a target peptide: PMD for the whole peptide, RMD for each residue (RankNovo)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .peptide import Peptide

UNIT = 51.4238
"""The mass difference in Da that costs as much as one gap; the unit of RMD too."""

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
    references = [targets] * len(candidates) if isinstance(targets, Peptide) else list(targets)
    if len(references) != len(candidates):
        raise InputError(
            f"{len(candidates)} candidates for {len(references)} targets: expected one target, or as many as candidates"
        )
    if not references:
        return np.zeros(0)
    return _distances(*_padded(candidates), *_padded(references))


def pmds(peptides: Sequence[Peptide]) -> Floats:
    """The peptide mass deviations between all pairs: [n, n], symmetric, the diagonal 0.

    >>> pmds([Peptide(tuple(s)) for s in ("PEPTIDEK", "EPPTIDEK", "PEPTIDK")]).round(3)
    array([[0.   , 1.244, 1.   ],
           [1.244, 0.   , 2.244],
           [1.   , 2.244, 0.   ]])
    """
    n = len(peptides)
    out = np.zeros((n, n))
    if n > 1:
        masses, lengths = _padded(peptides)
        i, j = np.triu_indices(n, 1)
        out[i, j] = out[j, i] = _distances(masses[i], lengths[i], masses[j], lengths[j])
    return out


def _distances(a: Floats, lengths_a: Ints, b: Floats, lengths_b: Ints) -> Floats:
    """The alignment distances between the rows of ``a`` [n, longest] and of ``b``: padded masses, with their lengths.

    The usual dynamic programme, for all n pairs at once, row by row: ``row[:, j]`` is the distance of the first i
    tokens of ``a`` from the first j of ``b``.
    """
    n, columns = len(a), np.arange(b.shape[1] + 1, dtype=np.float64)
    row = np.tile(columns, (n, 1))  # i = 0: nothing but gaps
    out = np.where(lengths_a == 0, row[np.arange(n), lengths_b], 0.0)
    for i in range(a.shape[1]):
        best = np.empty_like(row)
        best[:, 0] = i + 1
        # a pair of tokens, or a gap in b
        np.minimum(row[:, :-1] + np.abs(a[:, i, None] - b) / UNIT, row[:, 1:] + 1, out=best[:, 1:])
        # Gaps in a: min over k <= j of best[k] + (j - k), which is a running minimum once j is taken off.
        row = np.minimum.accumulate(best - columns, axis=1) + columns
        # The rows are padded, so a pair's distance is read when its own last token was aligned.
        ends = lengths_a == i + 1
        out[ends] = row[ends, lengths_b[ends]]
    return np.maximum(out, 0.0)  # the running minimum can round to just below 0


def rmd(candidate: Peptide, target: Peptide) -> Floats:
    """Residue mass deviation: for every token of the candidate, the mass of the candidate up to and with it less the
    target's nearest prefix mass, over `UNIT`; signed, [tokens].

    >>> rmd(Peptide(tuple("EPPTIDEK")), Peptide(tuple("PEPTIDEK"))).round(6)
    array([0.622082, 0.      , 0.      , 0.      , 0.      , 0.      ,
           0.      , 0.      ])
    """
    prefixes, target_prefixes = np.cumsum(candidate.masses), np.cumsum(target.masses)
    differences = prefixes[:, None] - target_prefixes  # [tokens of the candidate, tokens of the target]
    nearest = differences[np.arange(len(prefixes)), np.abs(differences).argmin(axis=1)]
    return np.where(np.abs(nearest) < 1e-9, 0.0, nearest) / UNIT


def _padded(peptides: Sequence[Peptide]) -> tuple[Floats, Ints]:
    """The tokens' masses as rows of equal length, and how many of each row count."""
    sizes = np.array([len(p.tokens) for p in peptides])
    out = np.zeros((len(peptides), sizes.max()))
    for row, p in zip(out, peptides):
        row[: len(p.tokens)] = p.masses
    return out, sizes
