"""Examples for the reranker's training: spectra with candidates and how far each is from the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ...core.types import Ranking
from ...models.axial import Shape
from .corrupt import practice
from .distance import pmd, rmd
from .peptide import Peptide
from .simulate import simulated
from .spectrum import Spectrum
from .tensors import candidate_tensors, spectra_tensors


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A spectrum, its candidates, and of each the distance from the truth (PMD) and its residues' deviations (RMD)."""

    spectrum: Spectrum
    candidates: tuple[Peptide, ...]
    pmd: tuple[float, ...]
    rmd: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, ranking: Ranking) -> Example:
        """The example of a ranking whose query is an annotated spectrum."""
        truth = ranking.query.content.peptide
        peptides = tuple(c.content for c in ranking)
        away = tuple(pmd(peptides, truth).tolist())
        return cls(ranking.query.content, peptides, away, tuple(rmd(p, truth) for p in peptides))


@dataclass(frozen=True)
class Rounds(Dataset[Example]):  # type: ignore[misc,unused-ignore]
    """``rounds`` over annotated spectra, each time with new candidates of `corrupt.practice`: 2 to ``most`` of them, in
    one of five groups without the truth. ``known`` rankings (an engine's candidates) come as they are, in each round;
    so do ``extra`` newly simulated spectra."""

    spectra: Sequence[Spectrum]
    rounds: int
    most: int = 6
    seed: int = 0
    extra: int = 0
    known: Sequence[Ranking] = ()

    @property
    def size(self) -> int:
        """Examples in a round."""
        return len(self.spectra) + self.extra + len(self.known)

    def __len__(self) -> int:
        return self.rounds * self.size

    def __getitem__(self, at: int) -> Example:
        turn, place = divmod(at, self.size)
        if turn >= self.rounds:
            raise IndexError(at)
        if place < len(self.known):
            return Example.of(self.known[place])
        place -= len(self.known)
        random = Random(f"{self.seed}:{at}")
        if place < len(self.spectra):
            spectrum = self.spectra[place]
        else:
            (spectrum,) = simulated(1, random.getrandbits(32))
        n = random.randint(min(2, self.most), self.most)
        truth = random.random() < 0.8
        seed = random.getrandbits(32)
        (made,) = practice([spectrum], n, seed, truth)
        return Example.of(made if len(made) else practice([spectrum], n, seed)[0])


def joined(examples: Sequence[Example], shape: Shape) -> dict[str, Tensor]:
    """A batch: what `Axial.forward` takes, ``pmd`` [B, rows] and ``rmd`` [B, rows, columns] with NaN where there is
    nothing to predict."""
    inputs = spectra_tensors([e.spectrum for e in examples], shape) | candidate_tensors(
        [e.candidates for e in examples]
    )
    size = inputs["tokens"].shape
    whole, local = torch.full(size[:2], torch.nan), torch.full(size, torch.nan)
    for b, e in enumerate(examples):
        whole[b, : len(e.pmd)] = torch.tensor(e.pmd)
        for row, away in zip(local[b], e.rmd):
            row[1 : 1 + len(away)] = torch.from_numpy(away)
    return inputs | {"pmd": whole, "rmd": local}


def loss(
    predicted: tuple[Tensor, Tensor], batch: Mapping[str, Tensor], whole: float = 1.0, local: float = 1.0
) -> Tensor:
    """``whole`` x the mean smooth L1 of PMD + ``local`` x the mean square of RMD, over what there is. The paper's
    weights are not published: these are ours."""
    total = predicted[0].new_zeros(())
    for weight, said, true, measure in (
        (whole, predicted[0], batch["pmd"], torch.nn.functional.smooth_l1_loss),
        (local, predicted[1], batch["rmd"], torch.nn.functional.mse_loss),
    ):
        there = ~true.isnan()
        if weight:
            total = total + weight * measure(said[there], true[there])
    return total
