"""Reads completions and token counts from a server's answer, and appends text to a prompt's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...core.language import Completion, Prompt, Turn
from ...core.trace import Usage
from ..http import NoAnswer


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


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer to one request: its first ``choice``, what it says of its ``usage``, and what bounds that: the
    bytes ``sent`` as prompt and as a whole request, its images, and the new tokens it ``allowed`` (None: any number).
    ``notes`` say how the request was changed for this server, ``refused`` how often it was refused before."""

    choice: Mapping[str, Any]
    usage: Any
    sent: int
    whole: int
    images: int
    allowed: int | None
    notes: tuple[str, ...] = ()
    refused: int = 0


def completion(reply: Reply, stop: Sequence[str]) -> Completion:
    """The generated text, without what follows a text of ``stop``. Raises NoAnswer if the answer has no form of a
    text."""
    choice = reply.choice
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else choice.get("text", 0)
    text, thought = _text_of(content)
    text = one_thinking_tag(text)
    if isinstance(message, dict):
        thought += "".join("".join(_text_of(message.get(name), strict=False)) for name in _REASONING)
    usage, counted = usage_of(reply, text + thought)
    note = "; ".join((*([f"sent {', '.join(reply.notes)}: the server refuses it"] if reply.notes else []), *counted))
    reason = choice.get("finish_reason")
    if reason == "content_filter":
        return Completion("", usage, "error", "the server's filter withheld the answer", note=note)
    reasoned = bool(thought.strip()) or "<think>" in text or _reasoning_tokens(reply.usage) > 0
    end = min((text.find(s) for s in stop if s in text), default=len(text))
    finish: Literal["length", "stop"] = "length" if reason in ("length", "max_tokens") else "stop"
    problem = "" if text[:end].strip() else _empty(message, finish, reasoned, usage, reply)
    # No text needs more characters than this for the tokens that were asked for.
    longest = LARGEST_TEXT if reply.allowed is None else min(64 * reply.allowed + 4096, LARGEST_TEXT)
    return Completion(text[: min(end, longest)], usage, finish, problem, reasoned, note)


_THINKING = (
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
"""Texts between which models other than those of <think> and </think> think before they answer."""


def one_thinking_tag(text: str) -> str:
    """A text that begins with thoughts, with these between <think> and </think> whatever the model's own tags.

    >>> one_thinking_tag("[THINK]so[/THINK]fine"), one_thinking_tag("fine [THINK]")
    ('<think>so</think>fine', 'fine [THINK]')
    """
    for opening, closing in _THINKING:
        if text.lstrip().startswith(opening):
            return text.replace(opening, "<think>", 1).replace(closing, "</think>", 1)
    return text


def _text_of(content: Any, strict: bool = True) -> tuple[str, str]:
    """The text of a message and the reasoning in it, of content that is a text, nothing, or a list of parts. Raises
    NoAnswer on anything else, or with ``strict=False`` takes it as nothing."""
    if content is None or isinstance(content, str):
        return content or "", ""
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        texts: list[str] = []
        thoughts: list[str] = []
        for part in content:
            kind = str(part.get("type", "text"))
            value = next((part[n] for n in ("text", "thinking", "reasoning", "content", "summary") if part.get(n)), "")
            whole = "".join(_text_of(value, strict=False)) if not isinstance(value, str) else value
            (texts if kind in ("text", "output_text") else thoughts).append(whole)
        return "".join(texts), "".join(thoughts)
    if strict:
        raise NoAnswer("an answer without text")
    return "", ""


def _reasoning_tokens(usage: Any) -> int:
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    count = details.get("reasoning_tokens") if isinstance(details, dict) else 0
    return count if type(count) is int else 0


def _empty(message: Any, finish: str, reasoned: bool, usage: Usage, reply: Reply) -> str:
    """Why an answer holds no text."""
    if isinstance(message, dict) and message.get("refusal"):
        return "an empty answer: the model refuses"
    if isinstance(message, dict) and message.get("tool_calls"):
        return "an empty answer: the model calls a tool"
    parts = ["an empty answer"]
    if finish == "length":
        stated = reply.usage.get("completion_tokens") if isinstance(reply.usage, dict) else None
        count = stated if type(stated) is int and stated == usage.completion_tokens else reply.allowed
        parts.append(f"cut at {count} tokens" if count else "cut at the most tokens")
    if reasoned:
        parts.append("the model wrote only its reasoning")
    return ", ".join(parts)


_REASONING = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "reasoning_details")
"""Fields of a message in which servers give what a model thought before its answer."""
LARGEST_TEXT = 1 << 20
"""The most characters of an answer."""
ROOM = 4096
"""Tokens that a chat template or a server's own instructions may add to a prompt."""
IMAGE = 1 << 17
"""The most tokens that an image may be read as."""
_COUNTS = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
"""The names of the counts, and other servers' names."""
UNBOUNDED = 1 << 20
"""The most new tokens of a request that stated no number."""


def usage_of(reply: Reply, written: str) -> tuple[Usage, list[str]]:
    """One call (and those that were refused) and its tokens, and notes on them. A count that the server doesn't state,
    or that can't be (below a token in 64 bytes, or above what was sent or allowed, as a token is at least a byte), is
    estimated as a token in 4 bytes and noted; one that can't be counts as the repair "token count" too."""
    counts = reply.usage if isinstance(reply.usage, dict) else {}
    answer = len(written.encode("utf-8", "replace"))
    new = UNBOUNDED if reply.allowed is None else reply.allowed
    stated = [counts.get(name, counts.get(other)) for name, other in _COUNTS]
    prompt, first = counted(stated[0], reply.sent, reply.whole + ROOM + IMAGE * reply.images, 500 * reply.images)
    completed, second = counted(stated[1], answer, answer + new + ROOM)
    problems = [problem for problem in (first, second) if problem]
    repairs = {"token count": n} if (n := problems.count("implausible")) else {}
    reason = "the server's counts can't be" if repairs else "the server states none"
    notes = [f"token counts are estimated: {reason}"] if problems else []
    return Usage(calls=1 + reply.refused, prompt_tokens=prompt, completion_tokens=completed, repairs=repairs), notes


def counted(stated: Any, text: int, most: int, more: int = 0) -> tuple[int, str]:
    """A number of tokens of a text of so many bytes, and what was wrong with the stated one: "", "absent" or
    "implausible". ``more`` is added to an estimate.

    >>> counted(12, 50, 100), counted(10**30, 50, 100), counted(None, 50, 100)
    ((12, ''), (13, 'implausible'), (13, 'absent'))
    """
    least = -(-text // 64)
    if type(stated) is int and least <= stated <= most:
        return stated, ""
    return -(-text // 4) + more, "absent" if stated is None else "implausible"
