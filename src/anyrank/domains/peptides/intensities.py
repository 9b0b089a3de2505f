"""Fragment intensities learned from annotated spectra, and how well a candidate's expected ones fit a spectrum's.

Which bonds break, and on which side the charge stays, follows from the residues around a bond: a right peptide explains
not only the places of the peaks but their heights. Prosit (Gessulat et al., 2019) and MS2PIP learn this from hundreds
of thousands of spectra; here boosted trees learn it from as many as there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.types import Candidate, Query
from ...judges.trees import lightgbm_module
from .matching import NARROW, Tolerance, match
from .peptide import Peptide
from .residues import LETTERS, mass_of
from .spectrum import Spectrum

Floats = NDArray[np.float64]

NAMES = ("intensity angle", "intensity correlation", "expected intensity seen", "intensity angle less best")
"""The columns of `Intensities.columns`."""
SETTINGS: Mapping[str, Any] = {
    "objective": "regression", "learning_rate": 0.08, "num_leaves": 15, "min_data_in_leaf": 40, "lambda_l2": 1.0,
    "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1, "num_threads": 1, "verbosity": -1,
    "deterministic": True, "force_row_wise": True,
}  # fmt: skip
"""Chosen in advance, not tuned."""
_CODE = {letter: i for i, letter in enumerate(sorted(LETTERS))}
_AROUND = (-1, 0, 1, 2)
"""Residues around a bond that are features: -1 and 0 before it, 1 and 2 after it, 0 and 1 next to it."""
_CATEGORIES = [0, 1, 2, 3, 4, 5]


@dataclass(frozen=True)
class Intensities:
    """The height of each b and y ion, as a share of the spectrum's highest matched one, by trees over the residues
    around the bond, its place, the charge and the basic residues on either side."""

    booster: Any = field(repr=False)

    @classmethod
    def fit(
        cls, spectra: Sequence[Spectrum], tolerance: Tolerance = NARROW, *, rounds: int = 120, seed: int = 0
    ) -> Intensities:
        """Learn from annotated spectra (others are left out). Raises InputError if none has a matched ion."""
        lightgbm = lightgbm_module()
        tables, targets = [], []
        for s in spectra:
            if s.peptide is None or len(s.peptide) < 2:
                continue
            heights = observed(s.prepared(), s.peptide, tolerance)
            if heights.max() > 0:
                tables.append(ions(s.peptide, s.charge))
                targets.append((heights / heights.max()).reshape(-1))
        if not tables:
            raise InputError("no annotated spectrum shows an ion of its peptide: intensities are learned from such")
        data = lightgbm.Dataset(
            np.concatenate(tables), np.concatenate(targets), categorical_feature=_CATEGORIES, params={"verbosity": -1}
        )
        return cls(lightgbm.train({**SETTINGS, "seed": seed}, data, rounds))

    def expected(self, peptide: Peptide, charge: int) -> Floats:
        """The expected height of each ion [2, n - 1], from 0: b ions from the first bond, y ions from the last."""
        heights = np.clip(self.booster.predict(ions(peptide, charge)), 0, None)
        return np.asarray(heights, dtype=np.float64).reshape(2, -1)

    def columns(self, query: Query, members: Sequence[Candidate], tolerance: Tolerance = NARROW) -> Floats:
        """The features [candidates, 4] of a spectrum's candidates, in the order of `NAMES`; 0 for a peptide of one
        residue."""
        clean = query.content.prepared()
        out = np.zeros((len(members), len(NAMES)))
        long = [i for i, c in enumerate(members) if len(c.content) > 1]
        if not long:
            return out
        tables = [ions(members[i].content, clean.charge) for i in long]
        parts = np.split(self.booster.predict(np.concatenate(tables)), np.cumsum([len(t) for t in tables])[:-1])
        for i, part in zip(long, parts):
            heights = observed(clean, members[i].content, tolerance).reshape(-1)
            out[i, :3] = agreement(np.clip(part, 0, None), heights)
        out[:, 3] = out[:, 0] - out[:, 0].max()
        return out


def observed(spectrum: Spectrum, peptide: Peptide, tolerance: Tolerance = NARROW) -> Floats:
    """The height of each b and y ion in a spectrum, summed over charges: [2, n - 1]; 0 where none was matched."""
    matched = match(spectrum, peptide, tolerance)
    if not matched.peak.size or not len(spectrum):
        return np.zeros((2, max(len(peptide) - 1, 0)))
    heights: Floats = np.where(matched.peak >= 0, spectrum.intensity[matched.peak], 0.0).sum(axis=0)
    return heights


def agreement(expected: Floats, heights: Floats) -> tuple[float, float, float]:
    """How well the heights of ions are those expected: 1 less the spectral angle (2 / pi arccos of the cosine), the
    correlation, and the share of the expected heights whose ion was seen.

    >>> agreement(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    (1.0, 1.0, 1.0)
    """
    norm = float(np.linalg.norm(expected) * np.linalg.norm(heights))
    cosine = min(round(float(expected @ heights) / norm, 9), 1.0) if norm else 0.0
    spread = float(expected.std() * heights.std())
    correlation = float(((expected - expected.mean()) * (heights - heights.mean())).mean()) / spread if spread else 0.0
    total = float(expected.sum())
    seen = float(expected[heights > 0].sum()) / total if total else 0.0
    return 1 - 2 * float(np.arccos(cosine)) / np.pi, round(correlation, 9), seen


def ions(peptide: Peptide, charge: int) -> Floats:
    """The features of every ion [2 (n - 1), features], b ions first: residues around the bond and at the ends (codes),
    whether it is a y ion, the bond's place from either end and as a share, the length, the charge, the basic residues
    in the ion and outside it, and the ion's mass."""
    residues = peptide.residues
    n = len(residues)
    codes = [_CODE.get(t[0], -1) for t in residues]
    basic = np.cumsum([t[0] in "KRH" for t in residues])
    masses = np.cumsum([mass_of(t) or 0.0 for t in residues])
    rows = []
    for is_y in (0, 1):
        for k in range(1, n):  # the ion's number of residues
            bond = n - k if is_y else k  # residues before the bond
            around = [codes[i] if 0 <= (i := bond - 1 + shift) < n else -1 for shift in _AROUND]
            before = int(basic[bond - 1])
            inside, outside = (int(basic[-1]) - before, before) if is_y else (before, int(basic[-1]) - before)
            mass = float(masses[-1] - masses[bond - 1]) if is_y else float(masses[bond - 1])
            place = [is_y, k, n - k, k / n, n, charge, inside, outside, mass, mass / float(masses[-1])]
            rows.append([*around, codes[0], codes[-1], *place])
    return np.array(rows, dtype=np.float64).reshape(-1, len(_AROUND) + 12)
