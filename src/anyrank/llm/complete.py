"""Completions of a batch of prompts, one each, also from a backend that fails on some of them."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import AnyrankError
from ..core.language import Completion, Generates, Prompt
from ..core.trace import Usage


def complete(
    backend: Generates, prompts: Sequence[Prompt], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
) -> list[Completion]:
    """One completion a prompt; if the backend raises, each prompt is tried alone, and a prompt that fails then has a
    completion with the error. Errors of ours (a missing package or model) are raised."""
    if not prompts:
        return []
    try:
        answers = list(backend.generate(prompts, max_tokens=max_tokens, temperature=temperature, seed=seed))
        if len(answers) == len(prompts):
            return answers
        error = f"{len(answers)} answers to {len(prompts)} prompts"
    except AnyrankError:
        raise
    except Exception as raised:  # noqa: BLE001 - whatever a client library raises
        error = f"{type(raised).__name__}: {raised}"
    if len(prompts) == 1:
        return [Completion("", Usage(calls=1), "error", error)]
    return [
        answer
        for prompt in prompts
        for answer in complete(backend, [prompt], max_tokens=max_tokens, temperature=temperature, seed=seed)
    ]
