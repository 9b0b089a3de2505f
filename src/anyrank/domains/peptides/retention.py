"""Retention times learned from annotated spectra, and how far a candidate's expected time is from the measured one.

A peptide's time in reversed-phase chromatography is mostly a sum over its residues, with more weight for those at the
ends: a ridge regression finds the sums in one run's own annotated spectra, so that times need no calibration between
instruments. Candidates with the same residues in another order differ by the ends alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.types import Candidate, Query
from .peptide import Peptide
from .residues import LETTERS
from .spectrum import Spectrum

Floats = NDArray[np.float64]

NAMES = ("retention error", "abs retention error", "abs retention error less best")
"""The columns of `Retention.columns`, in units of the usual error."""
LEAST = 30
"""The fewest annotated spectra with a time to learn from."""
_LETTERS = sorted(LETTERS)


@dataclass(frozen=True)
class Retention:
    """The retention time in seconds: ``weights`` of `descriptors`; ``error`` is the usual (median) error, measured by
    leaving each fifth of the spectra out."""

    weights: tuple[float, ...]
    error: float

    @classmethod
    def fit(cls, spectra: Sequence[Spectrum], ridge: float = 3.0) -> Retention:
        """Learn from annotated spectra with a time (others are left out). Raises InputError on fewer than `LEAST`."""
        known = [s for s in spectra if s.peptide is not None and s.rt is not None]
        if len(known) < LEAST:
            raise InputError(
                f"{len(known)} annotated spectra have a retention time: their times are learned from at least {LEAST}"
            )
        x = np.stack([descriptors(s.peptide) for s in known if s.peptide is not None])
        y = np.array([s.rt for s in known], dtype=np.float64)
        fold = np.arange(len(y)) % 5
        errors = np.concatenate(
            [np.abs(x[fold == k] @ _solve(x[fold != k], y[fold != k], ridge) - y[fold == k]) for k in range(5)]
        )
        return cls(tuple(_solve(x, y, ridge).tolist()), max(float(np.median(errors)), 1e-3))

    def expected(self, peptide: Peptide) -> float:
        """The expected time in seconds."""
        return float(descriptors(peptide) @ np.array(self.weights))

    def columns(self, query: Query, members: Sequence[Candidate]) -> Floats:
        """The features [candidates, 3] of a spectrum's candidates, in the order of `NAMES`; NaN for a spectrum
        without a time."""
        time = query.content.rt
        if time is None:
            return np.full((len(members), len(NAMES)), np.nan)
        off = np.array([(time - self.expected(c.content)) / self.error for c in members])
        return np.column_stack([off, np.abs(off), np.abs(off) - np.abs(off).min(initial=np.inf)])


def descriptors(peptide: Peptide) -> Floats:
    """The numbers of each residue, of those among the first three and the last two, of modifications, the length and
    its logarithm, and a constant."""
    letters = peptide.bare
    counts = [[part.count(letter) for letter in _LETTERS] for part in (letters, letters[:3], letters[-2:])]
    rest = [len(peptide.modifications), len(letters), np.log(len(letters)), 1.0]
    return np.array([*counts[0], *counts[1], *counts[2], *rest], dtype=np.float64)


def _solve(x: Floats, y: Floats, ridge: float) -> Floats:
    """Ridge regression; the constant, the last column, is not held down."""
    penalty = np.diag([ridge] * (x.shape[1] - 1) + [1e-6])
    return np.asarray(np.linalg.solve(x.T @ x + penalty, x.T @ y))
