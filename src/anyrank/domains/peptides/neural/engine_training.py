"""Training of the base engine: to predict every residue of annotated and simulated spectra from its true prefix."""

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

from ....core.errors import InputError
from ....models.axial import Shape
from ....models.next_residue import NextResidue
from ....models.parts.axial_attention import AxialLayer
from ....models.parts.ion_start import look_for_ions
from ....train.batches import Collate
from ....train.objective import Objective
from ....train.run import train as run
from ....train.setup import Setup
from ....train.validation import scores
from ..corrupt import practice
from ..residues import MASSES
from ..spectrum import Spectrum
from ..split import split_by_peptide
from .base_engine import CHOICES, BaseEngine
from .groups import Simulated, placeholders, trainable, true_groups
from .training import SMALL, Pace, same_size, validation


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """The settings of a training: the model's ``shape``; ``ions``: whether it starts by looking for ions (see
    `parts.ion_start`); the ``pace``; the number of newly ``simulated`` spectra in each round; and the share ``valid``
    of peptides held out for validation."""

    shape: Shape = field(default_factory=lambda: replace(SMALL, layers=1))
    ions: bool = True
    pace: Pace = field(default_factory=Pace)
    simulated: int = 0
    valid: float = 0.1


def train_engine(
    plan: EnginePlan, spectra: Sequence[Spectrum], out: str | Path | None = None, progress: bool = False
) -> BaseEngine:
    """Train an engine and save it in the folder ``out``. Raises InputError if there is no spectrum to learn from."""
    rest, valid = split_by_peptide(trainable(spectra), plan.valid, plan.pace.seed)
    if not rest and not plan.simulated:
        raise InputError("none of the spectra is annotated: expected lines SEQ=PEPTIDE, or simulated spectra")
    torch.manual_seed(plan.pace.seed)
    model = NextResidue([MASSES[t] for t in CHOICES], plan.shape)
    if plan.ions:
        look_for_ions(plan.shape, model.encoder, cast(AxialLayer, model.layers[0]))
    objective = Objective(((1.0, likelihood),))
    words = "minus the mean log-probability of the true peptide's residues"
    setup = Setup(model, model, Collate(model), objective, partial(scores, model), words, size=same_size)
    about = f"{len(rest):,} annotated spectra, {plan.simulated:,} simulated ones a round"
    with TemporaryDirectory() if out is None else nullcontext(str(out)) as folder:
        recipe = plan.pace.recipe("next_residue", plan.shape, (), about, folder)
        run(
            recipe,
            train=true_groups(rest) + placeholders(plan.simulated),
            setup=setup,
            draw=Simulated(plan.pace.seed),
            progress=progress,
            **validation(practice(valid, seed=plan.pace.seed)),
        )
    return BaseEngine(model.cpu())


def likelihood(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """The loss: minus the mean score of the true peptides; scores are log-probabilities."""
    return -scores[mask].mean()
