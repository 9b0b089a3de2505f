"""Adapters of peft on transformers bodies: put in before training, merged before saving. For models with an option
``lora`` and for trainings with ``adapters`` alike."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from ...core.errors import InputError, MissingExtra

CLASSES = {
    "lora": "LoraConfig",
    "dora": "LoraConfig",
    "adalora": "AdaLoraConfig",
    "loha": "LoHaConfig",
    "lokr": "LoKrConfig",
    "vera": "VeraConfig",
    "oft": "OFTConfig",
    "boft": "BOFTConfig",
    "ia3": "IA3Config",
    "ln": "LNTuningConfig",
}
"""peft's configuration of each method."""


def with_peft(body: Any, method: str, settings: Mapping[str, Any], task: str | None = None) -> Any:
    """The body under a fresh adapter of a method, by the ``settings`` of peft's configuration. ``task`` is peft's name
    of what the body is for, None for a body without a head. Raises InputError if the settings don't fit, MissingExtra
    without peft."""
    try:
        import peft
    except ImportError as error:
        raise MissingExtra("peft", "train") from error

    kind = getattr(peft, CLASSES[method])
    if unknown := [name for name in settings if name not in inspect.signature(kind).parameters]:
        raise InputError(f"adapters.options: peft's {kind.__name__} has no {unknown[0]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return peft.get_peft_model(body, kind(task_type=task, **settings))
        except (ValueError, TypeError, RuntimeError, AssertionError) as error:
            raise InputError(f"adapters: {method} can't be made so: {' '.join(str(error).split())[:400]}") from error


def lora_settings(rank: int, alpha: float = 0, dropout: float = 0.0) -> dict[str, Any]:
    """peft's settings of LoRA (arXiv 2106.09685); the scale ``alpha`` is twice the rank by default.

    >>> lora_settings(8)
    {'r': 8, 'lora_alpha': 16, 'lora_dropout': 0.0}
    """
    return {"r": rank, "lora_alpha": alpha or 2 * rank, "lora_dropout": dropout}


def adapted(
    body: Any,
    rank: int,
    alpha: float = 0,
    dropout: float = 0.0,
    targets: Literal["attention", "all-linear"] = "all-linear",
    task: str | None = "CAUSAL_LM",
) -> Any:
    """The body under a fresh LoRA adapter of a rank; the body as it is for rank 0."""
    if not rank:
        return body
    settings = lora_settings(rank, alpha, dropout)
    if targets == "all-linear":  # else those that peft knows of the architecture
        settings["target_modules"] = "all-linear"
    return with_peft(body, "lora", settings, task)


@contextmanager
def without_renamed() -> Iterator[None]:
    """Without the warnings that peft 0.21 and trl 1.16 cause, which ask transformers 5.23 for a property by the name
    that it has deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*gradient_checkpointing.* is deprecated", FutureWarning)
        yield


def merged(body: Any) -> Any:
    """A body for saving: of one with an adapter a copy into which it is merged, so that training may go on."""
    from peft import PeftModel

    if not isinstance(body, PeftModel):
        return body
    whole: Any = copy.deepcopy(body)
    return whole.merge_and_unload()
