"""LoRA adapters on transformers bodies (arXiv 2106.09685): put on before training, merged before saving."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal


def adapted(
    body: Any,
    rank: int,
    alpha: int = 0,
    dropout: float = 0.0,
    targets: Literal["attention", "all-linear"] = "all-linear",
    task: str | None = "CAUSAL_LM",
) -> Any:
    """The body under a fresh adapter of a rank, its scale ``alpha`` twice the rank by default; the body as it is for
    rank 0. ``task`` is peft's name of what the body is for, None for a body without a head."""
    if not rank:
        return body
    from peft import LoraConfig, get_peft_model

    options: dict[str, Any] = {"r": rank, "lora_alpha": alpha or 2 * rank, "lora_dropout": dropout, "task_type": task}
    if targets == "all-linear":
        options["target_modules"] = "all-linear"
    with without_renamed():
        return get_peft_model(body, LoraConfig(**options))


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
