"""A small de novo engine of our own: `models.next_residue` in a beam search that keeps to the precursor's mass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.errors import InputError
from ....models.next_residue import NextResidue
from ....models.parts.spectra import spectra_tensors
from ..peptide import Peptide
from ..psm import Psm
from ..residues import ISOTOPE, MASSES, N_TERM, RESIDUES, WATER
from ..spectrum import Spectrum

CHOICES: tuple[str, ...] = tuple(t for t in (*RESIDUES, *N_TERM) if t not in ("I", "N+0.984", "Q+0.984"))
"""The tokens that the engine writes: L for I, D and E for the deamidated residues of the same mass."""
_PLACE = {t: i for i, t in enumerate(CHOICES)} | {
    "I": CHOICES.index("L"), "N+0.984": CHOICES.index("D"), "Q+0.984": CHOICES.index("E")
}  # fmt: skip
FRONT = np.array([t in N_TERM for t in CHOICES])
_STEP, _FULL = 0.02, 400.0
"""The bins in Da of the table of masses that residues can sum to; above, all can."""


@dataclass(frozen=True)
class BaseEngine:
    """Peptides of spectra: `__call__` gives the best ``top`` of each as `Psm`s, by the mean log-probability of their
    residues, best first. ``beam`` prefixes are kept; a peptide's mass is within ``ppm`` of the precursor's, or of that
    of the next isotope where ``isotope`` is set; prefixes that no residues can complete are dropped."""

    model: NextResidue = field(repr=False)
    beam: int = 10
    top: int = 6
    ppm: float = 20.0
    isotope: bool = True
    batch: int = 16
    longest: int = 40
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("beam", "top", "ppm", "batch", "longest"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name}={getattr(self, name)}: must be more than 0")

    @classmethod
    def load(cls, folder: str | Path, beam: int = 10, top: int = 6) -> BaseEngine:
        """The engine of a folder that `NextResidue.save` wrote, on a GPU where there is one. Raises ModelError."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(NextResidue.from_folder(folder).to(device), beam, top, device=device)

    def __call__(self, spectra: Sequence[Spectrum]) -> list[Psm]:
        return [p for at in range(0, len(spectra), self.batch) for p in self._search(spectra[at : at + self.batch])]

    def _search(self, spectra: Sequence[Spectrum]) -> Iterator[Psm]:
        self.model.eval()
        inputs = {k: v.to(self.device) for k, v in spectra_tensors(spectra, self.model.shape.peaks).items()}
        weigh = np.array([MASSES[t] for t in CHOICES])
        beams: list[list[_Prefix]] = [[_Prefix()] for _ in spectra]
        done: list[list[_Prefix]] = [[] for _ in spectra]
        with torch.inference_mode():
            memory, nothing = self.model.encoder(inputs["mz"], inputs["intensity"], inputs["mass"])
            for _ in range(self.longest):
                if not any(beams):
                    break
                chances = self._next(memory, nothing, inputs, beams)
                for i, s in enumerate(spectra):
                    beams[i] = self._grown(beams[i], chances[i], weigh, s, done[i])
        for s, found in zip(spectra, done):
            best = sorted(found, key=lambda p: -p.score / len(p.choices))[: self.top]
            for p in best:
                peptide = Peptide(tuple(CHOICES[c] for c in p.choices))
                yield Psm(s.name, peptide, p.score / len(p.choices), s.precursor_mz)

    def _next(
        self, memory: Tensor, nothing: Tensor, inputs: dict[str, Tensor], beams: Sequence[Sequence[_Prefix]]
    ) -> NDArray[np.float32]:
        """Log-probabilities [spectra, prefixes, choices]."""
        wide = max(map(len, beams))
        last = torch.full((len(beams), wide), len(CHOICES))
        prefix = torch.zeros(len(beams), wide, dtype=torch.float64)
        for i, beam in enumerate(beams):
            for j, p in enumerate(beam):
                last[i, j] = p.choices[-1] if p.choices else len(CHOICES)
                prefix[i, j] = p.mass
        logits: Tensor = self.model.following(
            memory, nothing, inputs["mass"], inputs["charge"], last.to(self.device), prefix.to(self.device)
        )
        inside = (last != len(CHOICES))[..., None] & torch.from_numpy(FRONT)
        found: NDArray[np.float32] = logits.cpu().masked_fill(inside, -torch.inf).log_softmax(-1).numpy()
        return found

    def _grown(
        self, beam: Sequence[_Prefix], chances: NDArray[np.float32], weigh: NDArray[np.float64], s: Spectrum,
        done: list[_Prefix],
    ) -> list[_Prefix]:  # fmt: skip
        """The best prefixes one residue longer; those that are whole peptides go to ``done``."""
        if not beam:
            return []
        masses = np.array([p.mass for p in beam])[:, None] + weigh
        scores = np.array([p.score for p in beam])[:, None] + chances[: len(beam)]
        near = s.mass * self.ppm * 1e-6
        whole, open_ = np.zeros(masses.shape, dtype=bool), np.zeros(masses.shape, dtype=bool)
        for isotope in range(1 + self.isotope):
            left = s.mass - WATER - isotope * ISOTOPE - masses
            whole |= (np.abs(left) <= near) & ~FRONT
            open_ |= completable(left, near)
        for j, c in np.argwhere(whole & np.isfinite(scores)):
            done.append(beam[j].longer(int(c), float(scores[j, c]), float(masses[j, c])))
        scores = np.where(open_, scores, -np.inf)
        best = np.argsort(-scores, axis=None, kind="stable")[: self.beam]
        places = [divmod(int(b), len(weigh)) for b in best if np.isfinite(scores.flat[b])]
        return [beam[j].longer(c, float(scores[j, c]), float(masses[j, c])) for j, c in places]


@dataclass(frozen=True, slots=True)
class _Prefix:
    choices: tuple[int, ...] = ()
    score: float = 0.0
    mass: float = 0.0

    def longer(self, choice: int, score: float, mass: float) -> _Prefix:
        return _Prefix((*self.choices, choice), score, mass)


def completable(left: NDArray[np.float64], near: float) -> NDArray[np.bool_]:
    """Whether residues, one or more, can weigh what is left, in Da, give or take ``near`` and the table's bins.

    >>> completable(np.array([56.0, 57.02, 57.5, 114.04, 1000.0]), 0.01)
    array([False,  True, False,  True,  True])
    """
    table = _sums()
    slack = int(near / _STEP) + 2
    bins = np.round(left / _STEP).astype(np.int64)
    inside = (bins >= 0) & (bins < len(table) - slack)
    found = np.zeros(left.shape, dtype=bool)
    for by in range(-slack, slack + 1):
        found |= table[np.clip(bins + by, 0, len(table) - 1)]
    return np.where(inside, found, left > 0)


@cache
def _sums() -> NDArray[np.bool_]:
    """Which bins of mass up to `_FULL` a sum of residues falls into; exact sums, not sums of bins."""
    reached = np.zeros(int(_FULL / _STEP) + 1, dtype=bool)
    sums, steps = np.zeros(1), np.array(sorted({RESIDUES[t] for t in CHOICES if t in RESIDUES}))
    while len(sums):
        sums = np.unique((sums[:, None] + steps).round(4))
        sums = sums[sums < _FULL]
        reached[np.round(sums / _STEP).astype(np.int64)] = True
    return reached


def choices(peptide: Peptide) -> list[int]:
    """A peptide as the engine would write it."""
    return [_PLACE[t] for t in peptide.tokens]
