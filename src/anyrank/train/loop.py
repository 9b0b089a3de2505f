"""The training loop: transformers' Trainer with our batches of groups, our objective and our validation.

Trainer brings the optimiser (fused AdamW), mixed precision, accumulation, clipping, schedules, checkpoints with the
state of every random generator, NEFTune, early stopping and TensorBoard.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, PreTrainedModel, Trainer, TrainerCallback, TrainingArguments
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.trainer_callback import PrinterCallback, TrainerState

from .batches import Batches
from .divergence import Watch
from .group import Group
from .negatives import DrawFn
from .recipe import Recipe
from .validation import Validation, ValidationSets

log = logging.getLogger(__name__)

WHOLE = "complete"
"""The empty file that marks a finished checkpoint."""
SHORT = 256
"""The longest text in tokens for which attention that stores all its weights costs little memory."""

Score = Callable[[Sequence[Group]], Sequence[Sequence[float]]]
"""Scores of every group's texts, by the model as it is now."""


class Loop(Trainer):  # type: ignore[misc,unused-ignore]
    """A training of ``model`` on groups, in the recipe's folder. ``draw`` selects the candidates of a group for an
    epoch, ``collate`` makes a batch of groups, ``objective`` a loss of (model, batch, epoch); ``validation`` measures
    the results of ``score``; batches join groups of similar ``size``. `run` trains and resumes."""

    def __init__(
        self,
        model: Any,
        recipe: Recipe,
        train: Sequence[Group],
        collate: Callable[[Sequence[Group]], dict[str, Any]],
        objective: Callable[[Any, Mapping[str, Any], float], Tensor],
        validation: Validation | ValidationSets | None = None,
        score: Score | None = None,
        progress: bool = False,
        draw: DrawFn | None = None,
        size: Callable[[Group], int] | None = None,
        parts: Sequence[tuple[int, float]] = (),
        order: Callable[[int], Sequence[int]] | None = None,
    ) -> None:
        self.objective: Callable[[Any, Mapping[str, Any], float], Tensor] = objective
        self.collate = collate
        self.draw = draw
        self.validation = validation
        self.score = score
        self.batches = Batches(train, recipe.optimiser.batch, recipe.seed, size, parts, order, processes() > 1)
        self.watch = Watch(recipe)
        callbacks: list[TrainerCallback] = [board(Path(recipe.out) / "logs"), _Whole(), self.watch]
        if validation and recipe.check.patience:
            callbacks.append(EarlyStoppingCallback(recipe.check.patience))
        arguments = settings(recipe, len(self.batches), validation, progress)
        valid = list(validation.groups) if validation else None
        super().__init__(model, arguments, collate, list(train), valid, callbacks=callbacks)
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False

    def get_train_dataloader(self) -> Any:
        groups: Any = self.train_dataset
        loader = DataLoader(groups, batch_sampler=self.batches, collate_fn=self.collated)
        return self.accelerator.prepare(loader)

    def collated(self, groups: Sequence[Group]) -> dict[str, Any]:
        """A batch of the current epoch."""
        return self.collate(groups if self.draw is None else [self.draw(g, self.batches.epoch) for g in groups])

    def compute_loss(self, model: Any, inputs: Mapping[str, Any], *_: Any, **__: Any) -> Tensor:
        loss = self.objective(model, inputs, float(self.state.epoch or 0.0))
        if model.training:
            self.watch.see(loss)
        return loss

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Write the weights of a checkpoint. A model of ours is no PreTrainedModel, whose own saving knows which of its
        tensors are one and the same (an output layer tied to the embeddings)."""
        model: Any = self.model
        if state_dict is None and not isinstance(model, PreTrainedModel):
            state_dict = apart(model.state_dict())
        super()._save(output_dir, state_dict)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        assert self.validation is not None
        assert self.score is not None
        if isinstance(self.validation, ValidationSets):
            each = self.validation.each(self.score)
            metrics = {f"eval_{self.validation.name}": self.validation.mean(each)}
            metrics |= {f"eval_{name}": value for name, value in each.items()}
        else:
            metrics = {f"eval_{self.validation.name}": self.validation(self.score)}
        self.log(dict(metrics))
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def restore(self) -> int | None:
        """Load the weights of the last good checkpoint: the best by validation, else the newest. Returns its step; None
        if there is none, and then the weights stay as they are."""
        last = last_checkpoint(Path(str(self.args.output_dir)))
        best = self.state.best_model_checkpoint
        path = Path(best) if best and (Path(best) / WHOLE).is_file() else last
        if path is None:
            return None
        self._load_from_checkpoint(str(path))
        return int(path.name.rpartition("-")[2])

    def run(self, resume: bool = False) -> None:
        """Train, from the last complete checkpoint if ``resume`` is set and there is one; afterwards the model has the
        weights of the best validation (without validation, the last ones)."""
        last = last_checkpoint(Path(str(self.args.output_dir))) if resume else None
        state = TrainerState.load_from_json(str(last / "trainer_state.json")) if last else None
        if state and state.stateful_callbacks["TrainerControl"]["args"]["should_training_stop"]:
            self.state = state  # the training had ended: Trainer would do one more step
            self._load_from_checkpoint(state.best_model_checkpoint or str(last))
        else:
            with plain_attention(self.model):
                self.train(resume_from_checkpoint=str(last) if last else None)
        assert self.model is not None
        self.watch.weights(self.model, self.state.global_step)
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        self.model.eval()


def apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by name; those that share memory as copies, since safetensors refuses them as they are.

    >>> both = torch.zeros(2)
    >>> len({tensor.data_ptr() for tensor in apart({"embeddings": both, "output": both}).values()})
    2
    """
    out: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in state.items():
        out[name] = value.clone() if value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    return out


@contextmanager
def plain_attention(model: Any) -> Iterator[None]:
    """On a CPU, unfused attention for short texts: the backward pass of the fused kernel takes half as long again
    (MiniLM-L6 at 128 tokens, bfloat16, no dropout: 1.39 s a batch against 1.00)."""
    body = getattr(model, "body", None)
    if torch.cuda.is_available() or getattr(model, "max_length", SHORT + 1) > SHORT or body is None:
        yield
        return
    before = body.config._attn_implementation
    body.set_attn_implementation("eager")
    try:
        yield
    finally:
        body.set_attn_implementation(before)


def steps_of(recipe: Recipe, batches: int) -> int:
    """The number of steps of a training whose epochs have so many batches; each process of a launcher (torchrun,
    accelerate) reads its share of them. An epoch's last step takes what is left, however few."""
    o = recipe.optimiser
    return o.steps or o.epochs * math.ceil(math.ceil(batches / processes()) / o.accumulate)


def epochs_of(recipe: Recipe, steps: int, batches: int) -> float:
    """The passes over the data in so many steps, of epochs of so many batches."""
    own, accumulate = math.ceil(batches / processes()), recipe.optimiser.accumulate
    whole, rest = divmod(steps, math.ceil(own / accumulate))
    return whole + rest * accumulate / own


def settings(
    recipe: Recipe, batches: int, validation: Validation | ValidationSets | None, progress: bool
) -> TrainingArguments:
    """Trainer's own arguments for a recipe."""
    o, check = recipe.optimiser, recipe.check
    steps = steps_of(recipe, batches)
    when = "steps" if check.every else "epoch"
    more: dict[str, Any] = {}
    if recipe.model.kind == "language":
        options = {
            "neftune_noise_alpha": recipe.language.neftune,
            "gradient_checkpointing": recipe.language.checkpointing,
        }
        more = {name: value for name, value in options.items() if value}
    if validation is not None:
        more |= {
            "load_best_model_at_end": True,
            "metric_for_best_model": f"eval_{validation.name}",
            "greater_is_better": True,
            "eval_strategy": when,
            "eval_steps": check.every or None,
        }
    arguments = TrainingArguments(
        output_dir=str(Path(recipe.out) / "checkpoints"),
        seed=recipe.seed,
        data_seed=recipe.seed,
        learning_rate=o.rate,
        weight_decay=o.decay,
        warmup_steps=round(o.warmup * steps),
        lr_scheduler_type=o.schedule,
        max_steps=steps,
        per_device_train_batch_size=o.batch,
        gradient_accumulation_steps=o.accumulate,
        max_grad_norm=o.clip,
        bf16=o.bf16,
        use_cpu=not torch.cuda.is_available(),
        optim="adamw_torch_fused",
        save_strategy=when,
        save_steps=check.every or 500,
        save_total_limit=2,
        logging_steps=max(1, min(50, steps // 20)),
        report_to=[],
        disable_tqdm=not progress,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        restore_callback_states_from_checkpoint=True,
        logging_nan_inf_filter=False,
        **more,
    )
    if arguments.n_gpu > 1:
        # torch's DataParallel would cut our batches of chunks in the wrong places.
        log.warning(
            "%d GPUs are visible and one is used: for all of them start the training by "
            "'torchrun --nproc-per-node %d -m anyrank train RECIPE'",
            arguments.n_gpu,
            arguments.n_gpu,
        )
        arguments._n_gpu = 1
    return arguments


def processes() -> int:
    """The number of processes that a launcher (torchrun, accelerate) has started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the first process of a launcher, or there is no launcher."""
    return os.environ.get("RANK", "0") == "0"


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint, None if there is none; incomplete ones are removed (by the first process)."""
    paths = {int(p.name.rpartition("-")[2]): p for p in folder.glob("checkpoint-*")}
    for step, path in list(paths.items()):
        if not (path / WHOLE).is_file():
            paths.pop(step)
            if is_first():
                log.warning("%s is incomplete (the training was killed as it was written): it is removed", path)
                shutil.rmtree(path)
    return paths[max(paths)] if paths else None


class _Whole(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Marks a checkpoint as complete, and logs."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        text = ", ".join(f"{k.removeprefix('eval_')} {v:.4g}" for k, v in (logs or {}).items() if k != "epoch")
        if state.is_world_process_zero:
            log.info("step %d of %d: %s", state.global_step, state.max_steps, text)


def board(folder: Path) -> TrainerCallback:
    """What writes a training's log for TensorBoard."""
    from torch.utils.tensorboard import SummaryWriter

    callback: Any = TensorBoardCallback
    made: TrainerCallback = callback(SummaryWriter(str(folder)))
    return made
