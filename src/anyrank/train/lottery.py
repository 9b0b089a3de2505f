"""Lottery-ticket sparse fine-tuning: a first training of all weights chooses those that change most; a second one, from
the start again, trains these alone (arXiv 2110.07560; for rerankers arXiv 2204.02292).

The first training's checkpoints are in OUT/first, the chosen weights in OUT/mask.safetensors: a killed training resumes
in the phase that it was in.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback, set_seed

from ..core.errors import InputError
from ..models.parts.adapter_folder import sparse_of
from ..models.parts.sparse_delta import Delta, apply, largest
from .adapters import Adapted, head_names, require
from .loop import is_first
from .recipe import Check, Recipe

log = logging.getLogger(__name__)

FIRST, MASK = "first", "mask.safetensors"


class Lottery(Adapted):
    """A model of which at last ``adapters.keep`` weights change. The weights of the transformer that may be chosen are
    all but those of layer norms (with ``adapters.norms`` these too) and of its head, which is trained in full."""

    def __init__(self, model: Any, recipe: Recipe) -> None:
        super().__init__(model, recipe)
        self.encoder = model.body.base_model
        head = head_names(model)
        prefix = "body." if self.encoder is model.body else f"body.{model.body.base_model_prefix}."
        frozen = {
            f"{n}.{p}"
            for n, m in self.encoder.named_modules()
            if isinstance(m, nn.LayerNorm) or type(m).__name__.endswith("Norm")
            for p, _ in m.named_parameters(recurse=False)
        }
        self.weights = {
            n: p
            for n, p in self.encoder.named_parameters()
            if prefix + n not in head and not n.startswith("pooler.") and (self.spec.norms or n not in frozen)
        }
        self.languages = [sparse_of(Path(self.spec.language))] if self.spec.language else []
        self.undo = apply(dict(self.encoder.named_parameters()), self.languages)
        model.requires_grad_(False)
        require(model, head)
        for p in self.weights.values():
            p.requires_grad_(True)
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.start = [p.detach().clone() for p in self.trained]
        self.before = {n: p.detach().clone() for n, p in self.weights.items()}
        self.masks: dict[str, Tensor] = {}
        if self.number > (total := sum(p.numel() for p in self.weights.values())):
            raise InputError(f"adapters.keep: {self.number:,} weights to train, of {total:,} that can be: give fewer")

    @property
    def number(self) -> int:
        """The number of weights of the second training."""
        total = sum(p.numel() for p in self.weights.values())
        return round(self.spec.keep * total) if self.spec.keep <= 1 else int(self.spec.keep)

    @property
    def callbacks(self) -> Sequence[TrainerCallback]:
        return (_Hold(self),)

    def penalty(self) -> Tensor | None:
        """The mean absolute change of the weights over all weights of the model, times ``l1``."""
        if not self.spec.l1:
            return None
        total = sum(p.numel() for p in self.model.parameters())
        moved = torch.stack([(p - s).abs().sum() for p, s in zip(self.trained, self.start)]).sum()
        term: Tensor = self.spec.l1 * moved / total
        return term

    def first_phase(self, train: Callable[[Recipe, bool], None], resume: bool) -> None:
        """Choose the weights by a training of all, by ``train`` (recipe, resume), or read those that were chosen; the
        model then is at its start again."""
        out = Path(self.recipe.out)
        if not (resume and (out / MASK).is_file()):
            log.info("phase 1 of 2: all weights are trained, to choose %s of them", f"{self.number:,}")
            steps = self.spec.first_steps or self.recipe.optimiser.steps
            optimiser = replace(self.recipe.optimiser, steps=steps)
            train(replace(self.recipe, out=str(out / FIRST), optimiser=optimiser, check=Check()), resume)
            self.choose()
            if is_first():
                self._save(out / MASK)
        else:
            self._load(out / MASK)
        self.reset()
        set_seed(self.recipe.seed)
        log.info("phase 2 of 2: %s weights are trained", f"{self.number:,}")
        self.hold()

    def choose(self) -> None:
        """Choose the weights that have changed most."""
        self.masks = largest({n: p.detach() - self.before[n] for n, p in self.weights.items()}, self.number)

    def reset(self) -> None:
        """Set all trained weights to those of the start."""
        with torch.no_grad():
            for p, start in zip(self.trained, self.start):
                p.copy_(start.to(p.device))

    def hold(self) -> None:
        """From now on gradients of weights that weren't chosen are 0, so that clipping doesn't count them."""
        for n, p in self.weights.items():
            mask = self.masks[n]
            p.register_hook(lambda grad, mask=mask: grad * mask.to(grad.device))

    def restore(self) -> None:
        """Set the weights that weren't chosen back to the start: weight decay moves them without a gradient."""
        with torch.no_grad():
            for n, mask in self.masks.items():
                p = self.weights[n]
                p.copy_(torch.where(mask.to(p.device), p, self.before[n].to(p.device)))

    def write(self, folder: Path) -> None:
        delta = Delta.between(self.before, self.weights)
        language = str(Path(self.spec.language).resolve()) if self.spec.language else ""
        self.folder(folder, delta.tensors(), language=language, changed=delta.size)

    def merge(self) -> bool:
        """The weights become what opening the adapter gives: the start's and the stored differences, added once."""
        delta = Delta.between(self.before, self.weights)
        with torch.no_grad():
            for n, p in self.weights.items():
                p.copy_(self.before[n].to(p.device))
        self.undo.revert()
        apply(dict(self.encoder.named_parameters()), [delta, *self.languages])
        return self.spec.merge

    def described(self) -> str:
        return f"sparse, {self.number:,} weights of the transformer trained, and its head"

    def _save(self, path: Path) -> None:
        from safetensors.torch import save_file

        rows = {n: torch.nonzero(m.reshape(-1)).reshape(-1).to(torch.int64) for n, m in self.masks.items()}
        save_file(rows, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)

    def _load(self, path: Path) -> None:
        from safetensors.torch import load_file

        rows = load_file(path)
        self.masks = {n: torch.zeros(p.shape, dtype=torch.bool) for n, p in self.weights.items()}
        for n, index in rows.items():
            self.masks[n].view(-1)[index] = True


class _Hold(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Keeps the weights that weren't chosen where they are."""

    def __init__(self, lottery: Lottery) -> None:
        self.lottery = lottery

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.lottery.restore()
