"""A small de novo engine: a beam search with `models.next_residue`, within the mass of the precursor."""

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
FRONT = np.array([t in N_TERM for t in CHOICES])
"""Whether each choice is an N-terminal modification, which only a peptide's first token may be."""
_STEP, _FULL = 0.02, 400.0
"""The table of masses that residues can sum to: the width of its bins and its end in Da; above, every mass is one."""


@dataclass(frozen=True)
class BaseEngine:
    """An engine: called with spectra, it proposes the best ``top`` peptides of each, best first.

    The score is the mean log-probability of a peptide's tokens. The search keeps ``beam`` prefixes of up to ``longest``
    tokens; a peptide's mass is within ``ppm`` of the precursor's, with ``isotope`` also of a precursor that is the
    first isotope peak. Prefixes that no residues can complete to such a mass are dropped.
    """

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
        """Load the engine from a folder that `NextResidue.save` wrote, on a GPU if there is one. Raises ModelError."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(NextResidue.from_folder(folder).to(device), beam, top, device=device)

    def __call__(self, spectra: Sequence[Spectrum]) -> list[Psm]:
        batches = (spectra[start : start + self.batch] for start in range(0, len(spectra), self.batch))
        return [psm for batch in batches for psm in self._search(batch)]

    def _search(self, spectra: Sequence[Spectrum]) -> Iterator[Psm]:
        """The beam search of several spectra in step: each round makes all prefixes of all of them one token longer."""
        self.model.eval()
        inputs = {k: v.to(self.device) for k, v in spectra_tensors(spectra, self.model.shape.peaks).items()}
        masses = np.array([MASSES[t] for t in CHOICES])
        beams: list[list[_Prefix]] = [[_Prefix()] for _ in spectra]
        complete: list[list[_Prefix]] = [[] for _ in spectra]
        with torch.inference_mode():
            memory, padding = self.model.encoder(inputs["mz"], inputs["intensity"], inputs["mass"])
            for _ in range(self.longest):
                if not any(beams):
                    break
                logprobs = self._next(memory, padding, inputs, beams)
                for i, s in enumerate(spectra):
                    beams[i], new = self._extend(beams[i], logprobs[i], masses, s)
                    complete[i] += new
        for s, prefixes in zip(spectra, complete):
            for p in sorted(prefixes, key=lambda p: -p.score / len(p.choices))[: self.top]:
                peptide = Peptide(tuple(CHOICES[c] for c in p.choices))
                yield Psm(s.name, peptide, p.score / len(p.choices), s.precursor_mz)

    def _next(
        self, memory: Tensor, padding: Tensor, inputs: dict[str, Tensor], beams: Sequence[Sequence[_Prefix]]
    ) -> NDArray[np.float32]:
        """Log-probabilities of the next token [spectra, prefixes, choices], padded to the widest beam."""
        width = max(map(len, beams))
        last = torch.full((len(beams), width), len(CHOICES))  # beyond the choices: no token yet
        prefix = torch.zeros(len(beams), width, dtype=torch.float64)
        for i, beam in enumerate(beams):
            for j, p in enumerate(beam):
                last[i, j] = p.choices[-1] if p.choices else len(CHOICES)
                prefix[i, j] = p.mass
        logits: Tensor = self.model.following(
            memory, padding, inputs["mass"], inputs["charge"], last.to(self.device), prefix.to(self.device)
        )
        # An N-terminal modification after the first token is impossible.
        not_first = (last != len(CHOICES))[..., None] & torch.from_numpy(FRONT)
        logprobs: NDArray[np.float32] = logits.cpu().masked_fill(not_first, -torch.inf).log_softmax(-1).numpy()
        return logprobs

    def _extend(
        self, beam: Sequence[_Prefix], logprobs: NDArray[np.float32], token_masses: NDArray[np.float64], s: Spectrum
    ) -> tuple[list[_Prefix], list[_Prefix]]:
        """The best prefixes one token longer, and those that are whole peptides: of the precursor's mass."""
        if not beam:
            return [], []
        # All prefixes with all choices: [prefixes, choices].
        masses = np.array([p.mass for p in beam])[:, None] + token_masses
        scores = np.array([p.score for p in beam])[:, None] + logprobs[: len(beam)]
        tolerance = s.mass * self.ppm * 1e-6
        complete, extensible = np.zeros(masses.shape, dtype=bool), np.zeros(masses.shape, dtype=bool)
        for isotope in range(1 + self.isotope):
            missing = s.mass - WATER - isotope * ISOTOPE - masses
            complete |= (np.abs(missing) <= tolerance) & ~FRONT
            extensible |= completable(missing, tolerance)

        def extended(prefix: int, choice: int) -> _Prefix:
            score, mass = float(scores[prefix, choice]), float(masses[prefix, choice])
            return _Prefix((*beam[prefix].choices, choice), score, mass)

        peptides = [extended(int(j), int(c)) for j, c in np.argwhere(complete & np.isfinite(scores))]
        open_scores = np.where(extensible, scores, -np.inf)
        best = np.argsort(-open_scores, axis=None, kind="stable")[: self.beam]
        return [extended(*divmod(int(b), len(CHOICES))) for b in best if np.isfinite(open_scores.flat[b])], peptides


@dataclass(frozen=True, slots=True)
class _Prefix:
    """The beginning of a peptide: its tokens as positions in `CHOICES`, their summed log-probability and mass in Da."""

    choices: tuple[int, ...] = ()
    score: float = 0.0
    mass: float = 0.0


def completable(missing: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    """Whether one or more residues can sum to each ``missing`` mass in Da, within ``tolerance`` and the table's bins.

    >>> completable(np.array([56.0, 57.02, 57.5, 114.04, 1000.0]), 0.01)
    array([False,  True, False,  True,  True])
    """
    table = _sums()
    slack = int(tolerance / _STEP) + 2  # one bin for rounding on either side, at least
    bins = np.round(missing / _STEP).astype(np.int64)
    inside = (bins >= 0) & (bins < len(table) - slack)
    possible = np.zeros(missing.shape, dtype=bool)
    for shift in range(-slack, slack + 1):
        possible |= table[np.clip(bins + shift, 0, len(table) - 1)]
    return np.where(inside, possible, missing > 0)


@cache
def _sums() -> NDArray[np.bool_]:
    """Whether a sum of residues falls into each bin of mass up to `_FULL`; sums of masses, not of bins, so that
    rounding doesn't add up."""
    reached = np.zeros(int(_FULL / _STEP) + 1, dtype=bool)
    sums, masses = np.zeros(1), np.array(sorted({RESIDUES[t] for t in CHOICES if t in RESIDUES}))
    while len(sums):  # sums of one residue more each time
        sums = np.unique((sums[:, None] + masses).round(4))
        sums = sums[sums < _FULL]
        reached[np.round(sums / _STEP).astype(np.int64)] = True
    return reached
