"""Settings of reinforcement learning in a recipe (``rl:``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .ranges import check_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinforce:
    """GRPO of a language model by rewards on its own answers (see ``grpo``; it needs the extra ``rl``).

    ``task``   what the model is asked, and by which rewards it is judged (see ``rewards``)
        best      the most relevant of a group's texts: 1 if the answer is its label (Rank-R1); one prompt a group
        relevant  is a text relevant, 1 or 0: form and truth (ProRank's first stage); one prompt for each text labelled
                  above 0, and for ``negatives`` others drawn for each of these (0: all)
        order     all of a group's texts in order: form and ranks of the relevant (MM-R5); one prompt a group
    ``thinking`` asks for thoughts before the answer ("best" and "order"). For each prompt ``samples`` answers of at
    most ``tokens`` tokens are drawn at ``temperature``. ``clip`` bounds the ratio of probabilities to 1 +- clip,
    ``beta`` weighs the KL divergence from the start, ``iterations`` is the number of steps on the same samples, and
    ``loss`` is trl's way to take the mean over tokens ("grpo": of each answer, then over answers). ``words`` bounds
    each text in the prompt.

    ``lora`` is an adapter's rank (0 trains all weights), ``alpha`` its scale (0: twice the rank), on the ``targets``
    "attention" (queries and values) or "all-linear". ``checkpointing`` recomputes activations, to save memory.
    """

    task: Literal["none", "best", "relevant", "order"] = "none"
    thinking: bool = True
    samples: int = 8
    temperature: float = 1.0
    tokens: int = 2048
    negatives: int = 1
    clip: float = 0.2
    beta: float = 0.0
    iterations: int = 1
    loss: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = "grpo"
    words: int = 300
    lora: int = 0
    alpha: int = 0
    dropout: float = 0.0
    targets: Literal["attention", "all-linear"] = "all-linear"
    dtype: Literal["float32", "bfloat16"] = "float32"
    checkpointing: bool = False

    def __post_init__(self) -> None:
        check_settings(self)
