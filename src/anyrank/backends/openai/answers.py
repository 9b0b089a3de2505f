"""Reads completions and token counts from a server's answer, and appends text to a prompt's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...core.language import Completion, Prompt, Turn
from ...core.trace import Usage
from .http import NoAnswer


def longer(prompt: Prompt, text: str) -> Prompt:
    """The prompt with ``text`` as the beginning of its answer."""
    if isinstance(prompt, str) or not text:
        return prompt + text if isinstance(prompt, str) else prompt
    if prompt and prompt[-1].role == "assistant":
        return (*prompt[:-1], replace(prompt[-1], content=prompt[-1].text + text))
    return (*prompt, Turn("assistant", text))


def completion(reply: Mapping[str, Any], stop: Sequence[str]) -> Completion:
    """The generated text, without what follows a text of ``stop``. Raises NoAnswer if there is none."""
    choice = reply["choice"]
    text = choice["message"].get("content") if isinstance(choice.get("message"), dict) else choice.get("text", 0)
    if not isinstance(text, str | None):
        raise NoAnswer("an answer without text")
    reason = choice.get("finish_reason")
    if reason == "content_filter":
        return Completion("", usage_of(reply), "error", "the server's filter withheld the answer")
    text = text or ""
    end = min((text.find(s) for s in stop if s in text), default=len(text))
    return Completion(text[:end], usage_of(reply), "length" if reason == "length" else "stop")


def usage_of(reply: Mapping[str, Any]) -> Usage:
    """One call, and the tokens that the server counted."""
    usage = reply.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    prompt, new = (counts.get(n) for n in ("prompt_tokens", "completion_tokens"))
    return Usage(
        calls=1,
        prompt_tokens=prompt if isinstance(prompt, int) else 0,
        completion_tokens=new if isinstance(new, int) else 0,
    )
