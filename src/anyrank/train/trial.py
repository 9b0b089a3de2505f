"""A loss before the first step: what would stop a training there stops it before anything is written."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..core.errors import AnyrankError, InputError, short
from .group import Group
from .loop import plain_attention, processes
from .negatives import DrawFn
from .recipe import Recipe
from .setup import Setup
from .validation import moved


def try_loss(setup: Setup, recipe: Recipe, groups: Sequence[Group], draw: DrawFn | None = None) -> None:
    """Compute the loss of the two groups of the shortest texts, and forget it: weights, running means and random
    numbers stay as they are. Raises InputError if the model can't compute it: a start of another make, or options of
    another type."""
    some = sorted(groups, key=setup.size)[:2]
    module = setup.module
    if torch.cuda.is_available() and processes() == 1:
        module.to("cuda")  # where it is trained: a large model would take minutes elsewhere
    device = next(module.parameters()).device
    was_training, buffers = module.training, {name: b.clone() for name, b in module.named_buffers()}
    module.train()
    try:
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.optimiser.bf16)
        with torch.random.fork_rng([device] if device.type == "cuda" else []), autocast, plain_attention(module):
            batch = setup.collate([g if draw is None else draw(g, 0) for g in some])
            setup.objective(module, moved(batch, device), 0.0)
    except (AnyrankError, MemoryError, torch.OutOfMemoryError):
        raise
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
        m = recipe.model
        made = f"a model of kind {m.kind} {f'from {m.start}' if m.start else 'of this shape'}"
        with_options = f" with the options {dict(m.options)}" if m.options else ""
        reason = short(str(error).strip().split("\n")[0] or type(error).__name__, 300)
        raise InputError(f"model: {made}{with_options} can't compute a loss: {reason}") from error
    finally:
        present = dict(module.named_buffers())
        for name, before in buffers.items():  # running means of a normalisation
            present[name].copy_(before)
        module.zero_grad(set_to_none=True)
        module.train(was_training)
