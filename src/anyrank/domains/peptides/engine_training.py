"""Training of the base engine: every residue of annotated and simulated spectra, from the true prefix before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ...core.errors import InputError
from ...models.axial import Shape
from ...models.next_residue import NextResidue
from ...models.parts.axial_attention import AxialLayer
from ...models.parts.starts import look_for_ions
from .base_engine import CHOICES, FRONT, BaseEngine, choices
from .fit import Batch, Pace, fit
from .residues import MASSES
from .simulate import simulated
from .spectrum import Spectrum
from .split import held
from .tensors import spectra_tensors
from .training import SMALL


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """A training: the model's ``shape``, ``ions`` (see `parts.starts`), ``pace``, newly ``simulated`` spectra in each
    round, and the share of peptides held out for validation."""

    shape: Shape = field(default_factory=lambda: replace(SMALL, layers=1))
    ions: bool = True
    pace: Pace = field(default_factory=Pace)
    simulated: int = 0
    valid: float = 0.1


def train_engine(
    plan: EnginePlan, spectra: Sequence[Spectrum], out: str | Path | None = None, progress: bool = False
) -> BaseEngine:
    """The engine of a plan, saved in the folder ``out``. Raises InputError where there is nothing to learn from."""
    rest, valid = held(spectra, plan.valid, plan.pace.seed)
    if not rest and not plan.simulated:
        raise InputError("none of the spectra is annotated: expected lines SEQ=PEPTIDE")
    torch.manual_seed(plan.pace.seed)
    model = NextResidue([MASSES[t] for t in CHOICES], plan.shape)
    if plan.ions:
        look_for_ions(plan.shape, model.encoder, cast(AxialLayer, model.layers[0]))
    data = _Rounds(rest, plan.pace.rounds, plan.simulated, plan.pace.seed)
    fit(model, data, valid, partial(_joined, shape=plan.shape), _loss, plan.pace, data.size, progress=progress)
    if out is not None:
        model.save(out)
    return BaseEngine(model.cpu())


@dataclass(frozen=True)
class _Rounds(Dataset[Spectrum]):  # type: ignore[misc,unused-ignore]
    spectra: Sequence[Spectrum]
    rounds: int
    extra: int
    seed: int

    @property
    def size(self) -> int:
        return len(self.spectra) + self.extra

    def __len__(self) -> int:
        return self.rounds * self.size

    def __getitem__(self, at: int) -> Spectrum:
        if at >= len(self):
            raise IndexError(at)
        place = at % self.size
        if place < len(self.spectra):
            return self.spectra[place]
        return simulated(1, Random(f"{self.seed}:{at}").getrandbits(32))[0]


def _joined(spectra: Sequence[Spectrum], shape: Shape) -> dict[str, Tensor]:
    """Spectra, the true prefixes before every residue, and which residue follows (-100 where none does)."""
    written = [choices(s.peptide) for s in spectra if s.peptide]
    size = (len(written), max(map(len, written)))
    last, follows = torch.full(size, len(CHOICES)), torch.full(size, -100)
    prefix = torch.zeros(size, dtype=torch.float64)
    weigh = torch.tensor([MASSES[t] for t in CHOICES], dtype=torch.float64)
    for i, w in enumerate(written):
        follows[i, : len(w)] = torch.tensor(w)
        last[i, 1 : len(w)] = torch.tensor(w[:-1], dtype=torch.long)
        prefix[i, 1 : len(w)] = weigh[w[:-1]].cumsum(0)
    return spectra_tensors(spectra, shape) | {"last": last, "prefix": prefix, "follows": follows}


def _loss(model: Any, batch: Batch) -> Tensor:
    logits = model(**{k: v for k, v in batch.items() if k != "follows"})
    inside = (batch["last"] != len(CHOICES))[..., None] & torch.from_numpy(FRONT).to(logits.device)
    logits = logits.masked_fill(inside, -1e9)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["follows"].flatten(), ignore_index=-100)
