"""What a signal needs of its backend, checked when the signal is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from ..core.errors import InputError
from ..core.language import Completion, LogProbs, Prompt


@runtime_checkable
class GivesLogits(Protocol):
    """The raw logit of each option's token at the next position (each option one token; ``values`` are logits, not
    log-probabilities). RankT5 reads these: a log-probability differs from it by a term of its own for every prompt."""

    def next_token_logits(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]: ...


@runtime_checkable
class FusesSources(Protocol):
    """Fusion in decoder: an answer to several sources, each encoded alone; and the attention that an answer pays to
    each source (``values``, one a source)."""

    def generate_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int) -> list[Completion]: ...

    def attention_fused(self, groups: Sequence[Sequence[str]]) -> list[LogProbs]: ...


def unknown(said: LogProbs) -> str:
    """Why nothing, or not all, is known of some options; empty where all is.

    >>> unknown(LogProbs((float("-inf"), float("-inf"))))
    'none of what was asked about is among the likeliest next tokens'
    """
    absent = bool(said.values) and all(v == -math.inf for v in said.values)
    return said.error or ("none of what was asked about is among the likeliest next tokens" if absent else "")


def offers(backend: Any, verb: type) -> bool:
    """Whether a backend, and everything it wraps, has the verb of a protocol."""
    inner = getattr(backend, "wraps", None)
    return isinstance(backend, verb) and (inner is None or offers(inner, verb))


def need(backend: Any, verb: type, who: str) -> None:
    """Raise InputError where a backend lacks the verb that ``who`` needs."""
    if not offers(backend, verb):
        names = [n for n in vars(verb) if not n.startswith("_")]
        raise InputError(f"{who} needs a backend with {', '.join(names)}(): {type(backend).__name__} has none")
