"""Prompts as a tokenizer's ids: chat templates, options in their context, cuts to fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..core.errors import InputError
from ..core.language import Prompt, Turn
from .hf_plan import common

Overflow = Literal["error", "left", "middle"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A prompt as ids. ``options`` are the ids that spell each option after ``ids``; ``start`` are the ids an
    encoder-decoder's answer begins with; ``cut`` says that the prompt lost tokens to fit."""

    ids: tuple[int, ...]
    options: tuple[tuple[int, ...], ...] = ()
    start: tuple[int, ...] = ()
    cut: bool = False


def render(tokenizer: Any, prompt: Prompt) -> tuple[str, str, bool]:
    """The prompt's text, the beginning of the assistant's answer, and whether the text holds its special tokens.

    A conversation goes through the tokenizer's chat template; a tokenizer without one gets the turns' contents, joined
    by blank lines. A template that knows no system turn gets it as the beginning of the first user turn.
    """
    if isinstance(prompt, str):
        return prompt, "", False
    turns, beginning = list(prompt), ""
    if turns and turns[-1].role == "assistant":
        beginning = turns.pop().content
    if not getattr(tokenizer, "chat_template", None):
        return "\n\n".join(t.content for t in turns), beginning, False
    if not turns:
        raise InputError("a conversation needs a turn before the assistant's")
    return _templated(tokenizer, turns), beginning, True


def _templated(tokenizer: Any, turns: Sequence[Turn]) -> str:
    from jinja2.exceptions import TemplateError

    messages = [{"role": t.role, "content": t.content} for t in turns]
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    except TemplateError as error:
        if turns[0].role != "system" or len(turns) < 2 or turns[1].role != "user":
            raise InputError(f"the model's chat template refuses the conversation: {error}") from error
        return _templated(tokenizer, [Turn("user", f"{turns[0].content}\n\n{turns[1].content}"), *turns[2:]])


def encode(tokenizer: Any, texts: Sequence[str], special: bool) -> list[list[int]]:
    """Ids of each text; ``special`` adds those that the tokenizer puts before a text, never those it puts after."""
    if not texts:
        return []
    rows = tokenizer(list(texts), add_special_tokens=special, return_attention_mask=False)["input_ids"]
    end = tokenizer.eos_token_id
    if special and end is not None and tokenizer("a")["input_ids"][-1] == end:
        rows = [r[:-1] for r in rows]
    return [list(map(int, r)) for r in rows]


def continued(tokenizer: Any, text: str, special: bool, options: Sequence[str], first: int | None) -> Tokens:
    """Ids of ``text`` and of each option after it, as the tokenizer spells them together.

    Where it merges an option with the text's last characters, every option of the text is counted from the last token
    that all spellings share, so that they stay comparable with each other. ``first`` begins an empty text.
    """
    base, *full = encode(tokenizer, [text, *(text + o for o in options)], special)
    c = min([len(base), *(common(base, f) for f in full)])
    if c == 0:
        if first is None:
            raise InputError(f"nothing comes before the options of prompt {text[:40]!r}: give it a beginning")
        base, full, c = [first, *base], [[first, *f] for f in full], 1
    return Tokens(tuple(base[:c]) if full else tuple(base), tuple(tuple(f[c:]) for f in full))


def fitted(ids: Sequence[int], room: int | None, overflow: Overflow, what: str) -> list[int]:
    """Places of the tokens that are kept where at most ``room`` fit.

    Raises InputError where they don't fit and ``overflow`` is "error".

    >>> fitted([5, 6, 7, 8, 9], 3, "middle", "prompt")
    [0, 3, 4]
    """
    n = len(ids)
    if room is None or n <= room:
        return list(range(n))
    if overflow == "error" or room < 1:
        raise InputError(f"a {what} of {n} tokens, where {max(room, 0)} fit: shorten it, or choose overflow='middle'")
    head = room // 2 if overflow == "middle" else 0
    return [*range(head), *range(n - room + head, n)]
