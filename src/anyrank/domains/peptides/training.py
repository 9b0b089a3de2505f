"""Training of the reranker: annotated spectra to a model's folder with its card, on the common loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.rerank import Judge
from ...core.types import Ranking
from ...models.axial import Axial, Shape
from ...models.parts.axial_attention import AxialLayer
from ...models.parts.ion_start import look_for_ions
from ...train.batches import Collate
from ...train.group import Group
from ...train.objective import Objective
from ...train.recipe import Check, Data, Export, Loss, Model, Optimiser, Recipe
from ...train.run import train as run
from ...train.setup import Setup, table
from ...train.validation import scores
from .accuracy import assess
from .corrupt import practice
from .groups import Practice, blanks, deviations, group_of, truths
from .judges import SpectrumMatch, reranker
from .neural import RankNovo
from .spectrum import Spectrum
from .split import held

SMALL = Shape(
    width=64, heads=4, ffn=128, layers=2, spectrum_layers=1, dropout=0.0, peaks=100, shortest=0.2, longest=3276.8,
    shared=True,
)  # fmt: skip
"""A shape that a processor trains in minutes on a thousand spectra; its 8 waves are each 4 times the one before."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a training goes: ``rounds`` over the spectra, ``batch`` of them a step, AdamW's highest ``rate`` and
    ``decay``, clipping, the share of steps with a rising rate (it falls as a cosine), and how many rounds without a
    gain in validation end it (0: none). RankNovo's are batch 256, rate 1e-4, decay 8e-5, clip 1.5, 5 rounds."""

    rounds: int = 10
    batch: int = 16
    rate: float = 3e-3
    decay: float = 8e-5
    clip: float = 1.5
    warmup: float = 0.1
    patience: int = 0
    seed: int = 0

    def recipe(self, kind: str, shape: Shape, losses: Sequence[Loss], about: str, out: str) -> Recipe:
        """The recipe of a model of peptides; validation counts how high the true peptide stands."""
        optimiser = Optimiser(
            rate=self.rate, decay=self.decay, warmup=self.warmup, schedule="cosine", epochs=self.rounds,
            batch=self.batch, clip=self.clip, bf16=False,
        )  # fmt: skip
        return Recipe(
            out=out, model=Model(kind=kind, shape=asdict(shape)), data=Data(about=about), losses=tuple(losses),
            optimiser=optimiser, check=Check(measure="RR", patience=self.patience), export=Export(int8=False),
            seed=self.seed,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """A training: the model's ``shape``; ``ions``: whether it starts by looking for ions (see `parts.ion_start`); the
    ``pace``; at most so many ``candidates`` a spectrum; the weights of the two losses (ours: the paper's are not
    published); ``simulated`` spectra added to each round; the share of peptides held out for validation."""

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
    """The model; on validation groups the share of exact peptides of it and of the hyperscore (empty without such
    groups); what was logged."""

    model: Axial
    exact: Mapping[str, float]
    log: Sequence[Mapping[str, float]]


def train(
    plan: Plan, spectra: Sequence[Spectrum], out: str | Path | None = None, *, known: Sequence[Ranking] = (),
    start: Axial | None = None, resume: bool = False, progress: bool = False,
) -> Trained:  # fmt: skip
    """The training of a plan on annotated spectra, with candidates made up (`corrupt.practice`); ``known`` rankings of
    annotated spectra, an engine's candidates, are learned beside these, or alone where no spectra are given. The model
    goes into the folder ``out``; ``start`` is another of the same shape to go on from (it stays as it is).

    Candidates made from the truth are told apart without the spectrum; those of `practice` aren't, which is why no
    others are made here. Raises InputError where there is nothing to learn from or ``out`` holds another training.
    """
    rest, valid = held(spectra, plan.valid, plan.pace.seed)
    if not rest and not plan.simulated and not known:
        raise InputError("none of the spectra is annotated: expected lines SEQ=PEPTIDE")
    model = _fresh(plan, start)
    taken = {s.peptide.key for s in valid if s.peptide}
    seen = [r for r in known if len(r) > 1 and (p := r.query.content.peptide) is not None and p.key not in taken]
    groups = [group_of(r, f"known {i}") for i, r in enumerate(seen)] + truths(rest) + blanks(plan.simulated)
    rankings = practice(valid, plan.candidates, plan.pace.seed)
    about = (
        f"{len(rest):,} annotated spectra with up to {plan.candidates} candidates made up anew in each round, "
        f"{len(seen):,} with an engine's, {plan.simulated:,} simulated ones a round"
    )
    losses = [Loss(name="smooth_l1", weight=plan.pmd_weight)] if plan.pmd_weight else []
    with TemporaryDirectory() if out is None else nullcontext(str(out)) as folder:
        recipe = plan.pace.recipe("axial", plan.shape, losses, about, folder)
        done = run(
            recipe, train=groups, setup=_setup(model, plan, recipe), draw=Practice(plan.candidates, plan.pace.seed),
            resume=resume, progress=progress, **validation(rankings),
        )  # fmt: skip
        exact = _exact(model, plan, rankings) if rankings else {}
        if out is not None:
            _add_to_card(Path(out), plan, exact, len(valid))
    return Trained(model, exact, done.log)


def _fresh(plan: Plan, start: Axial | None) -> Axial:
    """The model as it is before the training."""
    torch.manual_seed(plan.pace.seed)
    model = Axial(plan.shape)
    if start is not None:
        model.load_state_dict(start.state_dict())
    elif plan.ions:
        look_for_ions(plan.shape, model.encoder, cast(AxialLayer, model.layers[0]))
    return model


def validation(rankings: Sequence[Ranking]) -> dict[str, Any]:
    """Validation groups of rankings of annotated spectra, and judgements: the true peptide is relevant."""
    groups = [group_of(r, f"{i} {r.query.id}") for i, r in enumerate(rankings)]
    return {"valid": groups, "qrels": {g.id: {g.query.peptide.key: 1} for g in groups}}


def _setup(model: Axial, plan: Plan, recipe: Recipe) -> Setup:
    words = f"{plan.pmd_weight:g} smooth L1 of PMD + {plan.rmd_weight:g} squares of RMD (weights of our choice)"
    objective = Deviations(Objective(table(recipe)), plan.rmd_weight)
    return Setup(model, model, Targets(model), objective, partial(scores, model), words, size=alike)


def alike(group: Group) -> int:
    """The size of every group, so that batches are as they are shuffled: made-up and given spectra stay mixed."""
    return 0


@dataclass(frozen=True, slots=True)
class Targets:
    """Groups as `batches.Collate` makes them, with the residues' deviations ("rmd") beside."""

    model: Any

    def __call__(self, groups: Sequence[Group]) -> dict[str, Any]:
        batch = Collate(self.model)(groups)
        return batch | {"rmd": deviations(groups, batch["features"]["tokens"].shape)}


@dataclass(frozen=True, slots=True)
class Deviations:
    """The objective: losses of the predicted PMD, and ``weight`` times the mean square of the predicted RMD's error."""

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
    """The model itself: on several devices the loop wraps it."""
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
    """How the model starts, and what it measures in peptides, at the end of the folder's card."""
    start = "looks for ions" if plan.ions else "at random"
    measured = ", ".join(f"{name} {value:.4f}" for name, value in exact.items())
    text = f"Exact peptides on {valid} held-out spectra of other peptides with made-up candidates: {measured}."
    text = text if exact else "No peptides were held out."
    with open(folder / "README.md", "a", encoding="utf-8") as card:
        card.write(f"\n## Peptides\n\nRankNovo (arXiv 2505.17552), start: {start}. {text}\n")
