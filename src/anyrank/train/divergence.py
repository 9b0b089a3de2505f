"""Stops a training at the first loss, gradient or weight that isn't a finite number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from ..core.errors import AnyrankError
from .recipe import Recipe


class Diverged(AnyrankError):
    """A training that reached a loss, gradient or weight that isn't finite. ``step`` is the first such step, from 1;
    ``before_update`` is True if the weights are still those from before it."""

    def __init__(self, what: str, step: int, advice: str, before_update: bool = True) -> None:
        super().__init__(f"the training stopped at step {step}: {what}. {advice}")
        self.what, self.step, self.before_update = what, step, before_update

    def with_sentence(self, sentence: str) -> Diverged:
        """The same error with one more sentence."""
        advice = str(self).partition(f"{self.what}. ")[2]
        return Diverged(self.what, self.step, f"{advice}. {sentence}", self.before_update)


class Watch(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Checks the losses and gradients of every step before the optimiser uses them, and all weights before they are
    saved or measured. One number is read from the device a step. Raises Diverged."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.losses: list[Tensor] = []

    def see(self, loss: Tensor) -> None:
        """Remember the loss of a batch of this step."""
        self.losses.append(loss.detach())

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        losses, self.losses = self.losses, []
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        total = torch.stack(losses).sum()
        if bool((total + largest(grads).to(total)).isfinite()):
            return
        if not bool(total.isfinite()):
            value = next(float(x) for x in losses if not bool(x.isfinite()))
            raise Diverged(f"its loss is {value}", state.global_step + 1, advice(self.recipe))
        raise Diverged("a gradient is not a finite number", state.global_step + 1, advice(self.recipe))

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if control.should_save or control.should_evaluate or control.should_training_stop:
            self.weights(model, state.global_step)

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.weights(model, state.global_step)

    def weights(self, model: Any, step: int) -> None:
        """Raises Diverged if a weight isn't finite."""
        if not bool(largest(p.detach() for p in model.parameters()).isfinite()):
            name = next(n for n, p in model.named_parameters() if not bool(p.isfinite().all()))
            raise Diverged(f"the weights {name} are not finite numbers", step, advice(self.recipe), False)


def largest(tensors: Iterable[Tensor]) -> Tensor:
    """The largest absolute number of some tensors, NaN if one is NaN: a scalar on their device."""
    flat = [t.abs().max().float() for t in tensors if t.numel()]
    return torch.stack([f.to(flat[0].device) for f in flat]).amax() if flat else torch.zeros(())


def advice(recipe: Recipe) -> str:
    """What to change of a recipe that diverged."""
    o = recipe.optimiser
    changes = [f"lower optimiser.rate ({o.rate:g}; try {o.rate / 10:g})"]
    if not 0 < o.clip <= 1:
        changes.append(f"bound the gradients by optimiser.clip: 1 (it is {o.clip:g})")
    if o.bf16:
        changes.append("compute in float32 (optimiser.bf16: false)")
    if not o.warmup:
        changes.append("warm up (optimiser.warmup: 0.1)")
    return "To mend it: " + "; or ".join(changes)
