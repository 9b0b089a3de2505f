"""The loop: transformers' Trainer, told how batches of groups are made, what is lost and how a model is judged.

Trainer brings the optimiser (fused AdamW), mixed precision, accumulation, clipping, schedules, checkpoints with every
generator's state, early stopping and TensorBoard. Ours are the order of the batches, the losses, the weights of a
curriculum and validation by our measures.
"""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.integrations import TensorBoardCallback
from transformers.trainer_callback import PrinterCallback

from .batches import Batches, Collate
from .group import Group
from .losses import in_batch, per_group
from .recipe import Recipe
from .validation import Validation, scores

log = logging.getLogger(__name__)

LossFn = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(scores [B, n], labels [B, n], mask [B, n]) -> scalar."""
Weigh = Callable[[Sequence[Group], float], Sequence[float]]
"""A weight for each group of a batch, by the epoch (with its fraction)."""
WHOLE = "complete"


@dataclass(frozen=True, slots=True)
class Objective:
    """Losses with their weights, summed; under a curriculum times the mean of the batch's weights, or with
    ``by_group`` each group's loss times its own weight."""

    losses: tuple[tuple[float, LossFn], ...]
    weigh: Weigh | None = None
    by_group: bool = False

    def __call__(self, scores: Tensor, labels: Tensor, mask: Tensor, groups: Sequence[Group], epoch: float) -> Tensor:
        if self.weigh is None:
            return self.total(scores, labels, mask)
        weights = torch.tensor(list(self.weigh(groups, epoch)), dtype=scores.dtype, device=scores.device)
        if not self.by_group:
            return self.total(scores, labels, mask) * weights.mean()
        return (per_group(self.total, scores, labels, mask) * weights).mean()

    def total(self, scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        parts = [weight * loss(scores, labels, mask) for weight, loss in self.losses]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum()


class Loop(Trainer):  # type: ignore[misc,unused-ignore]
    """A training of a model of `anyrank.models` on groups, in ``folder``; `run` trains and resumes."""

    def __init__(
        self, model: Any, recipe: Recipe, train: Sequence[Group], objective: Objective,
        validation: Validation | None = None, folder: Path | None = None, progress: bool = False,
    ) -> None:  # fmt: skip
        self.objective = objective
        self.validation = validation
        self.folder = Path(recipe.out) if folder is None else folder
        self.batches = Batches(train, recipe.optimiser.batch, recipe.seed)
        callbacks: list[TrainerCallback] = [TensorBoardCallback(_writer(self.folder / "logs")), _Whole()]
        if validation and recipe.check.patience:
            callbacks.append(EarlyStoppingCallback(recipe.check.patience))
        arguments = settings(recipe, self.folder, len(self.batches), validation, progress)
        judged = list(validation.groups) if validation else None
        super().__init__(model, arguments, Collate(model), list(train), judged, callbacks=callbacks)
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False

    def get_train_dataloader(self) -> Any:
        loader = DataLoader(self.train_dataset, batch_sampler=self.batches, collate_fn=self.data_collator)
        return self.accelerator.prepare(loader)

    def compute_loss(self, model: Any, inputs: Mapping[str, Any], *_: Any, **__: Any) -> Tensor:
        found = model(**inputs["features"])
        labels, mask = inputs["labels"], inputs["features"]["mask"]
        if found.shape[1] != mask.shape[1]:
            labels, mask = in_batch(labels, mask)
        return self.objective(found, labels, mask, inputs["groups"], float(self.state.epoch or 0.0))

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        assert self.validation is not None
        value = self.validation(lambda groups: scores(self.model, groups, self.args.bf16))
        found = {f"eval_{self.validation.measure}": value}
        self.log(dict(found))
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    def run(self, resume: bool = False) -> None:
        """Train, from the last whole checkpoint where ``resume`` is set and there is one; afterwards the model is the
        best one validated (without validation, the last)."""
        last = last_checkpoint(Path(str(self.args.output_dir))) if resume else None
        self.train(resume_from_checkpoint=str(last) if last else None)
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        self.model.eval()


def settings(
    recipe: Recipe, folder: Path, batches: int, validation: Validation | None, progress: bool
) -> TrainingArguments:
    """Trainer's own arguments for a recipe."""
    o, check = recipe.optimiser, recipe.check
    steps = o.steps or o.epochs * math.ceil(batches / o.accumulate)
    when = "steps" if check.every else "epoch"
    best: dict[str, Any] = {}
    if validation is not None:
        best = {"load_best_model_at_end": True, "metric_for_best_model": f"eval_{validation.measure}",
                "greater_is_better": True, "eval_strategy": when, "eval_steps": check.every or None}  # fmt: skip
    return TrainingArguments(
        output_dir=str(folder / "checkpoints"), seed=recipe.seed, data_seed=recipe.seed, learning_rate=o.rate,
        weight_decay=o.decay, warmup_steps=round(o.warmup * steps), lr_scheduler_type=o.schedule, max_steps=steps,
        per_device_train_batch_size=o.batch, gradient_accumulation_steps=o.accumulate, max_grad_norm=o.clip,
        bf16=o.bf16, use_cpu=not torch.cuda.is_available(), optim="adamw_torch_fused", save_strategy=when,
        save_steps=check.every or 500, save_total_limit=2, logging_steps=max(1, min(50, steps // 20)), report_to=[],
        disable_tqdm=not progress, remove_unused_columns=False, dataloader_pin_memory=False, **best,
    )  # fmt: skip


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; unfinished ones are removed."""
    found = {int(p.name.rpartition("-")[2]): p for p in folder.glob("checkpoint-*")}
    for step, path in list(found.items()):
        if not (path / WHOLE).is_file():
            log.warning("%s was not written to its end: it is removed", path)
            shutil.rmtree(found.pop(step))
    return found[max(found)] if found else None


class _Whole(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Marks a checkpoint as written to its end, and logs."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        said = ", ".join(f"{k.removeprefix('eval_')} {v:.4g}" for k, v in (logs or {}).items() if k != "epoch")
        log.info("step %d of %d: %s", state.global_step, state.max_steps, said)


def _writer(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
