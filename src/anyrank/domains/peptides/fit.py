"""The loop of both trainings: transformers' Trainer over examples made on the fly, validated by a loss."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

log = logging.getLogger(__name__)

Batch = dict[str, Any]
Loss = Callable[[Any, Batch], Tensor]


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


class Fit(Trainer):  # type: ignore[misc,unused-ignore]
    """A training of ``model`` on ``train``, whose items ``collate`` joins and ``loss`` judges. ``valid`` examples are
    judged after every round, and the best model is kept; checkpoints go into ``folder``."""

    def __init__(
        self, model: Any, train: Dataset[Any], valid: Sequence[Any], collate: Callable[[Sequence[Any]], Batch],
        loss: Loss, pace: Pace, round_size: int, folder: str, progress: bool,
    ) -> None:  # fmt: skip
        self.judged = loss
        steps = -(-len(train) // pace.batch)  # type: ignore[arg-type,unused-ignore]
        every = max(1, round_size // pace.batch)
        more: dict[str, Any] = {"save_strategy": "no"}
        if valid:
            more = {"eval_strategy": "steps", "eval_steps": every, "save_strategy": "steps", "save_steps": every,
                    "load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": False,
                    "save_total_limit": 2}  # fmt: skip
        settings = TrainingArguments(
            output_dir=folder, seed=pace.seed, data_seed=pace.seed, learning_rate=pace.rate, weight_decay=pace.decay,
            warmup_steps=round(pace.warmup * steps), lr_scheduler_type="cosine", max_steps=steps,
            per_device_train_batch_size=pace.batch, per_device_eval_batch_size=32, max_grad_norm=pace.clip,
            use_cpu=not torch.cuda.is_available(), optim="adamw_torch_fused", logging_steps=every, report_to=[],
            disable_tqdm=not progress, remove_unused_columns=False, dataloader_pin_memory=False, **more,
        )  # fmt: skip
        callbacks: list[TrainerCallback] = [_Said()]
        if valid and pace.patience:
            callbacks.append(EarlyStoppingCallback(pace.patience))
        super().__init__(model, settings, collate, train, list(valid) or None, callbacks=callbacks)
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False

    def compute_loss(self, model: Any, inputs: Batch, *_: Any, **__: Any) -> Tensor:
        return self.judged(model, inputs)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        model: Any = self.model
        model.eval()
        total = count = 0.0
        with torch.inference_mode():
            for batch in self.get_eval_dataloader():
                size = len(batch["mass"])
                total, count = total + float(self.judged(model, batch)) * size, count + size
        model.train()
        found = {"eval_loss": total / count}
        self.log(dict(found))
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found


def fit(
    model: Any, train: Dataset[Any], valid: Sequence[Any], collate: Callable[[Sequence[Any]], Batch], loss: Loss,
    pace: Pace, round_size: int, checkpoints: Path | None = None, resume: bool = False, progress: bool = False,
) -> list[Mapping[str, float]]:  # fmt: skip
    """Train in place; what was logged, round by round. ``resume`` goes on from the last checkpoint, where there is
    one."""
    set_seed(pace.seed)
    with tempfile.TemporaryDirectory() as spare:
        folder = str(checkpoints or spare)
        loop = Fit(model, train, valid, collate, loss, pace, round_size, folder, progress)
        last: Callable[[str], str | None] = get_last_checkpoint
        found = last(folder) if resume and Path(folder).is_dir() else None
        loop.train(resume_from_checkpoint=found)
        model.eval()
        return [dict(line) for line in loop.state.log_history]


class _Said(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Logs what Trainer reports."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        said = ", ".join(f"{k} {v:.4g}" for k, v in (logs or {}).items() if isinstance(v, float) and k != "epoch")
        log.info("step %d of %d: %s", state.global_step, state.max_steps, said)
