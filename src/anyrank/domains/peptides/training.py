"""Training of the reranker: annotated spectra to a model's folder with its card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.rerank import Judge
from ...core.types import Ranking
from ...models.axial import Axial, Shape
from ...models.parts.axial_attention import AxialLayer
from ...models.parts.starts import look_for_ions
from .accuracy import assess
from .corrupt import practice
from .examples import Example, Rounds, joined, loss
from .fit import Batch, Pace, fit
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
class Plan:
    """A training: the model's ``shape``; ``ions``: whether it starts by looking for ions (see `parts.starts`); the
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
    if out is not None:
        _claim(Path(out), plan, len(spectra), resume)
    torch.manual_seed(plan.pace.seed)
    model = Axial(plan.shape)
    if start is not None:
        model.load_state_dict(start.state_dict())
    elif plan.ions:
        look_for_ions(plan.shape, model.encoder, cast(AxialLayer, model.layers[0]))
    taken = {s.peptide.key for s in valid if s.peptide}
    seen = [r for r in known if len(r) > 1 and (p := r.query.content.peptide) is not None and p.key not in taken]
    rounds = Rounds(rest, plan.pace.rounds, plan.candidates, plan.pace.seed, plan.simulated, seen)
    groups = practice(valid, plan.candidates, plan.pace.seed)
    log = fit(
        model, rounds, [Example.of(r) for r in groups], partial(joined, shape=plan.shape), _Loss(plan), plan.pace,
        rounds.size, None if out is None else Path(out) / "checkpoints", resume, progress,
    )  # fmt: skip
    exact = {}
    if groups:
        judges: dict[str, Judge] = {
            "model": RankNovo(model, by="pmd" if plan.pmd_weight else "rmd"),
            "hyperscore": SpectrumMatch(),
        }
        exact = {name: _exact(reranker(judge, name).batch(groups)) for name, judge in judges.items()}
    done = Trained(model, exact, log)
    if out is not None:
        model.save(out)
        (Path(out) / "README.md").write_text(_card(plan, done, len(rest), len(valid), len(seen)), encoding="utf-8")
    return done


@dataclass(frozen=True, slots=True)
class _Loss:
    plan: Plan

    def __call__(self, model: Any, batch: Batch) -> Tensor:
        inputs = {k: v for k, v in batch.items() if k not in ("pmd", "rmd")}
        return loss(model(**inputs), batch, self.plan.pmd_weight, self.plan.rmd_weight)


def _exact(ranked: Sequence[Ranking]) -> float:
    return sum(assess(r[0].content, r.query.content.peptide).exact for r in ranked) / len(ranked)


def _claim(folder: Path, plan: Plan, spectra: int, resume: bool) -> None:
    """Write down what is trained, so that only the same training goes on in its folder."""
    file = folder / "training.json"
    mine = json.loads(json.dumps({"plan": asdict(plan), "spectra": spectra}))
    if file.is_file():
        if not resume:
            raise InputError(f"{folder} holds a training: resume it, or choose another folder")
        if json.loads(file.read_text(encoding="utf-8")) != mine:
            raise InputError(f"{folder} holds another training than this one: choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(mine, indent=2) + "\n", encoding="utf-8")


def _card(plan: Plan, done: Trained, spectra: int, valid: int, known: int) -> str:
    from ...train.card import commit, release

    size = sum(p.numel() for p in done.model.parameters())
    p = plan.pace
    lines = [
        "# Reranker of peptide candidates", "",
        f"A RankNovo model (arXiv 2505.17552) of {size:,} parameters: {plan.shape}", "", "## Training", "",
        f"- {spectra:,} annotated spectra with up to {plan.candidates} candidates made up anew in each round, "
        f"{known:,} with an engine's, {plan.simulated:,} simulated ones a round",
        f"- Loss: {plan.pmd_weight:g} smooth L1 of PMD + {plan.rmd_weight:g} squares of RMD (weights of our choice)",
        f"- Start: {'looks for ions' if plan.ions else 'at random'}; {p}",
        f"- Code: anyrank {release()}, commit {commit()}; torch {torch.__version__}", "", "## Measured", "",
    ]  # fmt: skip
    if done.exact:
        said = ", ".join(f"{name} {value:.4f}" for name, value in done.exact.items())
        lines.append(f"Exact peptides on {valid} held-out spectra of other peptides with made-up candidates: {said}.")
        lines.append("The best round was chosen by the loss on these.")
    else:
        lines.append("Not measured: no peptides were held out.")
    return "\n".join([*lines, ""])
