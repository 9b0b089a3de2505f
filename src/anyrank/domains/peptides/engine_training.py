"""Training of the base engine: every residue of annotated and simulated spectra, from the true prefix before it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import torch
from torch import Tensor

from ...core.errors import InputError
from ...models.axial import Shape
from ...models.next_residue import NextResidue
from ...models.parts.axial_attention import AxialLayer
from ...models.parts.ion_start import look_for_ions
from ...train.batches import Collate
from ...train.objective import Objective
from ...train.run import train as run
from ...train.setup import Setup
from ...train.validation import scores
from .base_engine import CHOICES, BaseEngine
from .corrupt import practice
from .groups import Simulated, blanks, truths
from .residues import MASSES
from .spectrum import Spectrum
from .split import held
from .training import SMALL, Pace, alike, validation


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """A training: the model's ``shape``, ``ions`` (see `parts.ion_start`), ``pace``, newly ``simulated`` spectra
    in each round, and the share of peptides held out for validation."""

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
    objective = Objective(((1.0, likelihood),))
    words = "minus the mean log-probability of the true peptide's residues"
    setup = Setup(model, model, Collate(model), objective, partial(scores, model), words, size=alike)
    about = f"{len(rest):,} annotated spectra, {plan.simulated:,} simulated ones a round"
    with TemporaryDirectory() if out is None else nullcontext(str(out)) as folder:
        recipe = plan.pace.recipe("next_residue", plan.shape, (), about, folder)
        run(
            recipe, train=truths(rest) + blanks(plan.simulated), setup=setup, draw=Simulated(plan.pace.seed),
            progress=progress, **validation(practice(valid, seed=plan.pace.seed)),
        )  # fmt: skip
    return BaseEngine(model.cpu())


def likelihood(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Minus the mean score of the true peptides, where scores are log-probabilities."""
    return -scores[mask].mean()
