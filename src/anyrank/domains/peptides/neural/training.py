"""Training of the reranker (RankNovo) on annotated spectra, by the loop of `anyrank.train`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from torch import Tensor

from ....core.errors import InputError
from ....core.rerank import Judge
from ....core.types import Ranking
from ....io.files import atomic
from ....models.axial import Axial, Shape
from ....models.parts.axial_attention import AxialLayer
from ....models.parts.ion_start import look_for_ions
from ....train.batches import Collate
from ....train.group import Group
from ....train.objective import Objective
from ....train.recipe import Check, Data, Export, Loss, Model, Optimiser, Recipe
from ....train.run import train as run
from ....train.setup import Setup, table
from ....train.validation import scores
from ..accuracy import assess
from ..corrupt import practice
from ..judges import SpectrumMatch, reranker
from ..spectrum import Spectrum
from ..split import fingerprints, split_by_peptide
from .groups import Practice, deviations, group_of, placeholders, trainable, true_groups
from .ranknovo import TRAINED_ON, RankNovo

SMALL = Shape(
    width=64,
    heads=4,
    ffn=128,
    layers=2,
    spectrum_layers=1,
    dropout=0.0,
    peaks=100,
    shortest=0.2,
    longest=3276.8,
    shared=True,
)
"""A shape that a CPU trains in minutes on a thousand spectra; its 8 wavelengths are each 4 times the one before."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The hyperparameters of a training: ``rounds`` (epochs) over the spectra, ``batch`` spectra a step, AdamW's
    highest learning ``rate`` and weight ``decay``, gradient ``clip``, the share ``warmup`` of steps with a rising rate
    (then it falls as a cosine), and the ``patience``: after so many rounds without a gain in validation it stops (0:
    never). RankNovo's are batch 256, rate 1e-4, decay 8e-5, clip 1.5, 5 rounds."""

    rounds: int = 10
    batch: int = 16
    rate: float = 3e-3
    decay: float = 8e-5
    clip: float = 1.5
    warmup: float = 0.1
    patience: int = 0
    seed: int = 0

    def recipe(self, kind: str, shape: Shape, losses: Sequence[Loss], about: str, out: str) -> Recipe:
        """The recipe of a peptide model; validation measures the reciprocal rank of the true peptide."""
        optimiser = Optimiser(
            rate=self.rate,
            decay=self.decay,
            warmup=self.warmup,
            schedule="cosine",
            epochs=self.rounds,
            batch=self.batch,
            clip=self.clip,
            bf16=False,
        )
        return Recipe(
            out=out,
            model=Model(kind=kind, shape=asdict(shape)),
            data=Data(about=about),
            losses=tuple(losses),
            optimiser=optimiser,
            check=Check(measure="RR", patience=self.patience),
            export=Export(int8=False),
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of a training: the model's ``shape``; ``ions``: whether it starts by looking for ions (see
    `parts.ion_start`); the ``pace``; the most ``candidates`` a spectrum; the weights of the two losses (our choice: the
    paper's are not published); the number of newly ``simulated`` spectra in each round; and the share ``valid`` of
    peptides held out for validation."""

    shape: Shape = SMALL
    ions: bool = True
    pace: Pace = field(default_factory=Pace)
    candidates: int = 6
    pmd_weight: float = 1.0
    rmd_weight: float = 1.0
    simulated: int = 0
    valid: float = 0.1


@dataclass(frozen=True, slots=True)
class Trained:
    """The trained model; the share of validation spectra whose first peptide is exact, by the model and by the
    hyperscore (empty without validation spectra); and the loop's log."""

    model: Axial
    exact: Mapping[str, float]
    log: Sequence[Mapping[str, float]]


def train(
    plan: Plan,
    spectra: Sequence[Spectrum],
    out: str | Path | None = None,
    *,
    known: Sequence[Ranking] = (),
    start: Axial | None = None,
    resume: bool = False,
    progress: bool = False,
) -> Trained:
    """Train a reranker on annotated spectra with made-up candidates (`corrupt.practice`).

    ``known``: rankings of annotated spectra with an engine's candidates, learned beside these, or alone if no spectra
    are given. ``out``: the folder to save the model in. ``start``: a model of the same shape to start from, which is
    copied. ``resume`` goes on from the last checkpoint in ``out``. Raises InputError if there is no spectrum to learn
    from or ``out`` holds another training.
    """
    rest, valid = split_by_peptide(trainable(spectra), plan.valid, plan.pace.seed)
    if not rest and not plan.simulated and not known:
        raise InputError("none of the spectra is annotated: expected lines SEQ=PEPTIDE")
    model = _fresh(plan, start)
    held_out = {s.peptide.backbone for s in valid if s.peptide}
    usable = [
        r for r in known if len(r) > 1 and (p := r.query.content.peptide) is not None and p.backbone not in held_out
    ]
    groups = [group_of(r, f"known {i}") for i, r in enumerate(usable)]
    groups += true_groups(rest) + placeholders(plan.simulated)
    rankings = practice(valid, plan.candidates, plan.pace.seed)
    about = (
        f"{len(rest):,} annotated spectra with up to {plan.candidates} candidates made up anew in each round, "
        f"{len(usable):,} with an engine's, {plan.simulated:,} simulated ones a round"
    )
    losses = [Loss(name="smooth_l1", weight=plan.pmd_weight)] if plan.pmd_weight else []
    with TemporaryDirectory() if out is None else nullcontext(str(out)) as folder:
        recipe = plan.pace.recipe("axial", plan.shape, losses, about, folder)
        result = run(
            recipe,
            train=groups,
            setup=_setup(model, plan, recipe),
            draw=Practice(plan.candidates, plan.pace.seed),
            resume=resume,
            progress=progress,
            **validation(rankings),
        )
        exact = _exact(model, plan, rankings) if rankings else {}
        if out is not None:
            _add_to_card(Path(out), plan, exact, len(valid))
            # those that chose the best round count as seen too
            seen = [s.peptide for s in (*rest, *valid) if s.peptide] + [r.query.content.peptide for r in usable]
            with atomic(Path(out) / TRAINED_ON) as f:
                json.dump(fingerprints(seen), f)
    return Trained(model, exact, result.log)


def _fresh(plan: Plan, start: Axial | None) -> Axial:
    """The model before the training: a copy of ``start``, or one with new weights."""
    torch.manual_seed(plan.pace.seed)
    model = Axial(plan.shape)
    if start is not None:
        model.load_state_dict(start.state_dict())
    elif plan.ions:
        look_for_ions(plan.shape, model.encoder, cast(AxialLayer, model.layers[0]))
    return model


def validation(rankings: Sequence[Ranking]) -> dict[str, Any]:
    """The loop's arguments for validation: groups of rankings of annotated spectra, and qrels in which the true peptide
    is relevant."""
    groups = [group_of(r, f"{i} {r.query.id}") for i, r in enumerate(rankings)]
    return {"valid": groups, "qrels": {g.id: {g.query.peptide.key: 1} for g in groups}}


def _setup(model: Axial, plan: Plan, recipe: Recipe) -> Setup:
    """The batches, objective and scores that the training loop uses."""
    words = f"{plan.pmd_weight:g} smooth L1 of PMD + {plan.rmd_weight:g} squares of RMD (weights of our choice)"
    objective = Deviations(Objective(table(recipe)), plan.rmd_weight)
    return Setup(model, model, Targets(model), objective, partial(scores, model), words, size=same_size)


def same_size(group: Group) -> int:
    """The same size for every group, so that the loop doesn't sort batches by size: simulated and real spectra stay
    mixed."""
    return 0


@dataclass(frozen=True, slots=True)
class Targets:
    """Batches of `batches.Collate`, with the residues' deviations as "rmd": float [groups, candidates, 1 + longest]."""

    model: Any

    def __call__(self, groups: Sequence[Group]) -> dict[str, Any]:
        batch = Collate(self.model)(groups)
        return batch | {"rmd": deviations(groups, batch["features"]["tokens"].shape)}


@dataclass(frozen=True, slots=True)
class Deviations:
    """The objective: ``losses`` of the predicted PMD, plus ``weight`` times the mean squared error of the predicted
    RMD."""

    losses: Objective
    weight: float = 1.0

    def __call__(self, model: Any, batch: Mapping[str, Any], epoch: float) -> Tensor:
        inputs = {name: value for name, value in batch["features"].items() if name != "mask"}
        pmd, rmd = _unwrapped(model).predict(**inputs)
        labels, mask = batch["labels"], batch["features"]["mask"]
        total = pmd.new_zeros(())
        if self.losses.losses:
            total = total + self.losses.of((-pmd).masked_fill(~mask, 0.0), labels, mask, batch["groups"], epoch)
        real = ~batch["rmd"].isnan()
        if self.weight:
            total = total + self.weight * torch.nn.functional.mse_loss(rmd[real], batch["rmd"][real])
        return cast(Tensor, total)


def _unwrapped(model: Any) -> Any:
    """The model itself, which the loop wraps on several devices."""
    return model.module if isinstance(model, torch.nn.DataParallel) else model


def _exact(model: Axial, plan: Plan, rankings: Sequence[Ranking]) -> dict[str, float]:
    """The share of spectra whose first peptide is the true one."""
    judges: dict[str, Judge] = {
        "model": RankNovo(model, by="pmd" if plan.pmd_weight else "rmd"),
        "hyperscore": SpectrumMatch(),
    }
    shares = {}
    for name, judge in judges.items():
        ranked = reranker(judge, name).batch(rankings)
        shares[name] = sum(assess(r[0].content, r.query.content.peptide).exact for r in ranked) / len(ranked)
    return shares


def _add_to_card(folder: Path, plan: Plan, exact: Mapping[str, float], valid: int) -> None:
    """Add the model's start and its measurement in peptides to the folder's card."""
    start = "looks for ions" if plan.ions else "at random"
    measured = ", ".join(f"{name} {value:.4f}" for name, value in exact.items())
    text = f"Exact peptides on {valid} held-out spectra of other peptides with made-up candidates: {measured}."
    text = text if exact else "No peptides were held out."
    with open(folder / "README.md", "a", encoding="utf-8") as card:
        card.write(f"\n## Peptides\n\nRankNovo (arXiv 2505.17552), start: {start}. {text}\n")
