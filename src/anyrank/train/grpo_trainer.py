"""trl's GRPOTrainer with the settings of a recipe, our checkpoints and our log. Imported where the extra ``rl`` is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers.trainer_callback import PrinterCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from ..models.parts.peft_adapters import without_renamed
from .loop import _Whole, board, last_checkpoint
from .recipe import Recipe
from .reward_tasks import Task, reward_functions
from .rewards import Target


def settings(recipe: Recipe, prompts: int, progress: bool) -> Any:
    """trl's own settings for a recipe: ``optimiser.batch`` counts prompts, each with all of its samples."""
    o, spec = recipe.optimiser, recipe.rl
    length: dict[str, Any] = {"max_steps": o.steps} if o.steps else {"num_train_epochs": o.epochs}
    steps = o.steps or max(1, o.epochs * prompts // (o.batch * o.accumulate))
    every = recipe.check.every
    names = {f.name for f in fields(GRPOConfig)}
    newer = "activation_checkpointing"  # transformers' name from 5.23 on; trl's default is True
    length[newer if newer in names else "gradient_checkpointing"] = spec.checkpointing
    return GRPOConfig(
        output_dir=str(Path(recipe.out) / "checkpoints"),
        seed=recipe.seed,
        data_seed=recipe.seed,
        learning_rate=o.rate,
        weight_decay=o.decay,
        warmup_steps=round(o.warmup * steps),
        lr_scheduler_type=o.schedule,
        per_device_train_batch_size=o.batch * spec.samples,
        gradient_accumulation_steps=o.accumulate,
        max_grad_norm=o.clip,
        num_generations=spec.samples,
        max_completion_length=spec.tokens,
        temperature=spec.temperature,
        epsilon=spec.clip,
        beta=spec.beta,
        num_iterations=spec.iterations,
        loss_type=spec.loss,
        bf16=o.bf16,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="steps",
        save_steps=every or max(1, steps // 10),
        save_total_limit=2,
        logging_steps=1,
        report_to=[],
        disable_tqdm=not progress,
        dataloader_pin_memory=False,
        **length,
    )


class Trainer(GRPOTrainer):  # type: ignore[misc,unused-ignore]
    """A GRPO training in the recipe's folder; `go` trains and resumes."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        recipe: Recipe,
        task: Task,
        texts: Sequence[str],
        targets: Sequence[Target],
        progress: bool = False,
    ) -> None:
        os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
        rows: Any = Dataset.from_dict({"prompt": list(texts), "row": list(range(len(texts)))})
        functions: Any = reward_functions(task, targets)
        made = settings(recipe, len(texts), progress)
        calls = [board(Path(recipe.out) / "logs"), _Whole()]
        with without_renamed():
            super().__init__(model, functions, made, train_dataset=rows, processing_class=tokenizer, callbacks=calls)
        self.remove_callback(PrinterCallback)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None: the training writes its own card."""

    def go(self, resume: bool) -> None:
        """Train, from the last complete checkpoint if ``resume`` is set and there is one."""
        last = last_checkpoint(Path(str(self.args.output_dir))) if resume else None
        with without_renamed():
            self.train(resume_from_checkpoint=str(last) if last else None)
