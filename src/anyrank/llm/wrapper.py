"""Wrapper: a base class for backends around another backend, with the methods of the one it wraps."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.language import Completion, LogProbs, Prompt, TokenWeights, can_read_images, fixed_room
from ..core.trace import Usage

Answer = Completion | LogProbs | TokenWeights
Item = tuple[Any, ...]
"""A prompt, and the other arguments of verbs that take more (options, continuation, mark)."""


class Wrapper(ABC):
    """Passes every method that answers prompt by prompt to the one method `ask`. ``wraps`` is the wrapped backend."""

    wraps: Any

    @abstractmethod
    def ask(self, verb: str, items: Sequence[Item], settings: Mapping[str, Any]) -> list[Any]:
        """One answer per item, in order. ``verb`` is the name of the backend's method."""

    @property
    def reads_images(self) -> bool:
        """True if the wrapped backend reads images."""
        return can_read_images(self.wraps)

    @property
    def answer_room(self) -> int:
        """The room that the wrapped backend gives to all answers; 0 if it gives what is asked for."""
        return fixed_room(self.wraps)

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Completion]:
        settings = {"max_tokens": max_tokens, "stop": tuple(stop), "temperature": temperature, "seed": seed}
        return self.ask("generate", [(p,) for p in prompts], settings)

    def next_token_logprobs(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        return self.ask("next_token_logprobs", list(zip(prompts, map(tuple, options), strict=True)), {})

    def next_token_logits(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        return self.ask("next_token_logits", list(zip(prompts, map(tuple, options), strict=True)), {})

    def loglikelihood(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[LogProbs]:
        return self.ask("loglikelihood", list(zip(prompts, continuations, strict=True)), {})

    def generate_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int) -> list[Completion]:
        return self.ask("generate_fused", [(tuple(g),) for g in groups], {"max_tokens": max_tokens})

    def attention_fused(self, groups: Sequence[Sequence[str]]) -> list[LogProbs]:
        return self.ask("attention_fused", [(tuple(g),) for g in groups], {})

    def attention(self, prompts: Sequence[Prompt], marks: Sequence[str]) -> list[TokenWeights]:
        return self.ask("attention", list(zip(prompts, marks, strict=True)), {})


def call(backend: Any, verb: str, items: Sequence[Item], settings: Mapping[str, Any]) -> list[Any]:
    """The answers of a backend to some items. Raises ValueError if their number is wrong."""
    if not items:
        return []
    answers = list(getattr(backend, verb)(*map(list, zip(*items)), **settings))
    if len(answers) != len(items):
        raise ValueError(f"{type(backend).__name__}.{verb} gave {len(answers)} answers to {len(items)} prompts")
    return answers


def unanswered(verb: str, item: Item, why: str) -> Answer:
    """The answer to a prompt that was not run, at no cost."""
    if verb.startswith("generate"):
        return Completion("", Usage(), "error", why)
    if verb == "attention":
        return TokenWeights((), (), Usage(), "", why)
    count = 1 if verb == "loglikelihood" else len(item[0] if verb == "attention_fused" else item[1])
    return LogProbs((float("nan"),) * count, Usage(), (), why)


def failed(answer: Answer) -> bool:
    """True if an answer is an error without any value."""
    if isinstance(answer, Completion):
        return answer.finish == "error"
    values = answer.weights if isinstance(answer, TokenWeights) else [v for v in answer.values if not math.isnan(v)]
    return bool(answer.error) and not values
