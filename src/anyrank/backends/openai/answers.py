"""Reads completions and token counts from a server's answer, and appends text to a prompt's answer."""

from __future__ import annotations

import re
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


def folded(prompt: Prompt) -> Prompt | None:
    """The conversation with its system turn as the beginning of the first user turn, for models that know no system
    turn; None if it doesn't begin with these two.

    >>> folded((Turn("system", "Be short."), Turn("user", "Why?")))
    (Turn(role='user', content='Be short.\\n\\nWhy?'),)
    """
    if isinstance(prompt, str) or [t.role for t in prompt[:2]] != ["system", "user"]:
        return None
    system, user = prompt[0].text, prompt[1].content
    content = f"{system}\n\n{user}" if isinstance(user, str) else (f"{system}\n\n", *user)
    return (replace(prompt[1], content=content), *prompt[2:])


_REFUSAL = re.compile(r"HTTP (400|422|500)\b")
_NO_SYSTEM = re.compile(
    r"system.{0,30}\b(role|turn|message|prompt|instruction)|roles? must alternate|developer instruction", re.IGNORECASE
)


def refuses_system(error: str) -> bool:
    """Whether a server's error says that its model knows no system turn.

    >>> refuses_system("HTTP 400: System role not supported"), refuses_system("HTTP 400: too long")
    (True, False)
    """
    return bool(_REFUSAL.search(error) and _NO_SYSTEM.search(error))


def fewer(error: str, top: int) -> int:
    """How many next tokens to ask for after a server refused to report ``top`` of them: the largest smaller number that
    its error names, else 5, then 1; 0 if the error is of something else, or nothing smaller is left.

    >>> fewer("HTTP 400: Requested sample logprobs of 20, which is greater than max allowed: 8", 20)
    8
    >>> fewer("HTTP 400: top_logprobs is too large", 20), fewer("HTTP 400: too long by 7", 20)
    (5, 0)
    """
    if not _REFUSAL.search(error) or "logprobs" not in error:
        return 0
    named = [n for n in map(int, re.findall(r"(?<![\w.-])\d{1,4}(?![\w-]|\.\d)", error)) if 0 < n < top]
    return max(named, default=5 if top > 5 else int(top > 1))


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
    message = choice.get("message")
    reasoned = isinstance(message, dict) and (message.get("reasoning_content") or message.get("reasoning"))
    problem = "the model wrote only its reasoning" if reasoned and not text.strip() else ""
    return Completion(text[:end], usage_of(reply), "length" if reason == "length" else "stop", problem)


ROOM = 4096
"""Tokens that a chat template or a server's own instructions may add to a prompt."""
IMAGE = 1 << 17
"""The most tokens that an image may be read as."""


def usage_of(reply: Mapping[str, Any]) -> Usage:
    """One call, and the tokens that the server counted: never below 0, nor above what was sent or could be answered
    (a token is at least a byte). A count that is mended is noted as the repair "token count"."""
    usage = reply.get("usage")
    counts, most = usage if isinstance(usage, dict) else {}, reply.get("most", {})
    bounded, mended = {}, 0
    for name in ("prompt_tokens", "completion_tokens"):
        count = counts.get(name)
        stated = count if isinstance(count, int) and not isinstance(count, bool) else 0
        bounded[name] = min(max(stated, 0), most.get(name, stated))
        mended += bounded[name] != stated
    return Usage(calls=1, **bounded, repairs={"token count": mended} if mended else {})
