"""BRIO's joint training: the order of candidates, and still writing the reference (arXiv 2203.16804).

The order alone needs nothing from here: a model of kind ``likelihood`` and the loss ``brio`` in any recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...models.likelihood import IGNORED, Likelihood
from ...models.parts.ragged import filled, gathered
from ...train.batches import Collate
from ...train.losses.language import language_loss
from ...train.losses.listwise import brio
from ...train.setup import Setup
from ...train.validation import scores


@dataclass(frozen=True, slots=True)
class Joint:
    """rank_weight * brio + mle_weight * the label-smoothed loss of writing each group's best candidate (the reference,
    where it stands among the candidates with the highest label)."""

    rank_weight: float = 10.0
    mle_weight: float = 0.1
    smoothing: float = 0.1
    margin: float = 0.001

    def __call__(self, model: Any, batch: Mapping[str, Any], epoch: float) -> Tensor:
        """The loss of a batch as `train.batches.Collate` makes it."""
        module = getattr(model, "module", model)  # a launcher wraps models
        features, labels = batch["features"], batch["labels"]
        mask = features["mask"]
        best = torch.zeros_like(mask).scatter(1, labels.masked_fill(~mask, -torch.inf).argmax(1, keepdim=True), True)
        is_best = best[mask]  # a row a candidate, in the order of the groups
        parts, written, tokens = [], labels.new_zeros(()), 0
        for chunk in features["chunks"]:
            logits = module.logits(chunk)
            parts.append(module.scored(logits, chunk["labels"]))
            targets = chunk["labels"].masked_fill(~is_best[chunk["rows"]][:, None], IGNORED)
            count = int((targets != IGNORED).sum())
            written = written + count * language_loss(logits, targets, smoothing=self.smoothing)
            tokens += count
        values = filled(gathered(parts, [chunk["rows"] for chunk in features["chunks"]]), mask)
        rank = brio(values, labels, mask, margin=self.margin)
        total: Tensor = self.rank_weight * rank + self.mle_weight * written / max(tokens, 1)
        return total


def setup(model: Likelihood, objective: Joint | None = None, seed: int = 0) -> Setup:
    """The joint training of a model, for ``train(recipe, train=groups, setup=setup(model))``."""
    joint = objective or Joint()
    score = partial(scores, model, bf16=False)
    words = f"{joint.rank_weight:g} brio + {joint.mle_weight:g} of writing the best candidate"
    return Setup(model, model, Collate(model, seed), joint, score, words)
