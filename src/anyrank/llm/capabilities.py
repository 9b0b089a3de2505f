"""Checks of a backend's capabilities, made when a judge is built and when its prompts are rendered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from ..core.content import images_of
from ..core.errors import InputError, quoted
from ..core.language import Completion, LogProbs, Prompt, can_read_images
from ..core.rerank import Group
from .prompts import Rendered, Template


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


def unknown(answer: LogProbs) -> str:
    """The reason why the log-probabilities of some options are unknown; empty if all are known.

    >>> unknown(LogProbs((float("-inf"), float("-inf"))))
    'none of the options is among the likeliest next tokens'
    """
    absent = bool(answer.values) and all(v == -math.inf for v in answer.values)
    return answer.error or ("none of the options is among the likeliest next tokens" if absent else "")


def note_of(answer: LogProbs) -> str:
    """What a trace says of an answer: why options are unknown, and how its request or cost differs."""
    return "; ".join(filter(None, (unknown(answer), answer.note)))


def offers(backend: Any, verb: type) -> bool:
    """True if a backend, and every backend it wraps, has the method of a protocol."""
    inner = getattr(backend, "wraps", None)
    return isinstance(backend, verb) and (inner is None or offers(inner, verb))


def need(backend: Any, verb: type, who: str) -> None:
    """Raise InputError if a backend lacks the method that ``who`` needs."""
    if not offers(backend, verb):
        names = [n for n in vars(verb) if not n.startswith("_")]
        raise InputError(f"{who} needs a backend with {', '.join(names)}(): {type(backend).__name__} has none")


def rendered(template: Template, backend: Any, groups: Sequence[Group]) -> list[Rendered]:
    """One prompt per group. Raises InputError, which names the candidate and the backend, for an image that the backend
    can't read, and as `Template.render` does."""
    if not can_read_images(backend):
        for query, members in groups:
            contents = (
                (f"query {quoted(query.id)}", query.content),
                *((f"candidate {quoted(c.id)}", c.content) for c in members),
            )
            if owner := next((owner for owner, content in contents if images_of(content)), ""):
                raise InputError(
                    f"{owner} holds an image, and {_innermost(backend)} reads text only: use a model that reads "
                    "images (a vision-language model by transformers, or served as openai:MODEL@URL), or leave the "
                    "images out"
                )
    return [template.render(query, members) for query, members in groups]


def _innermost(backend: Any) -> str:
    """The class of the innermost wrapped backend, which is the model's own."""
    while (inner := getattr(backend, "wraps", None)) is not None:
        backend = inner
    return type(backend).__name__
