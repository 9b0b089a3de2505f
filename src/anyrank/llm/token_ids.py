"""Prompts as token ids: chat templates, answer options in their context, truncation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.errors import InputError
from ..core.language import Prompt, Turn

Overflow = Literal["error", "left", "middle"]
Template = Callable[[list[dict[str, str]]], str]
Encode = Callable[[Sequence[str]], list[list[int]]]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A prompt as ids. ``options`` are the ids that spell each option after ``ids``; ``start`` are the ids an
    encoder-decoder's answer begins with; ``cut`` says that the prompt lost tokens to fit."""

    ids: tuple[int, ...]
    options: tuple[tuple[int, ...], ...] = ()
    start: tuple[int, ...] = ()
    cut: bool = False


def render(template: Template | None, prompt: Prompt) -> tuple[str, str, bool]:
    """The prompt's text, the beginning of the assistant's answer, and whether the text went through ``template``.

    A conversation for a model without a chat template becomes its turns' texts, joined by blank lines. A template
    that knows no system turn gets it as the beginning of the first user turn. Raises InputError for a prompt that holds
    an image.
    """
    if isinstance(prompt, str):
        return prompt, "", False
    turns, beginning = list(prompt), ""
    if turns and turns[-1].role == "assistant":
        beginning = turns.pop().text
    if template is None:
        return "\n\n".join(t.text for t in turns), beginning, False
    if not turns:
        raise InputError("a conversation needs a turn before the assistant's")
    return _templated(template, turns), beginning, True


def _templated(template: Template, turns: Sequence[Turn]) -> str:
    from jinja2.exceptions import TemplateError

    texts = [{"role": t.role, "content": t.text} for t in turns]
    try:
        return template(texts)
    except (TemplateError, ValueError) as error:
        if turns[0].role != "system" or len(turns) < 2 or turns[1].role != "user":
            raise InputError(f"the model's chat template refuses the conversation: {error}") from error
        return _templated(template, [Turn("user", f"{turns[0].text}\n\n{turns[1].text}"), *turns[2:]])


def continued(encode: Encode, text: str, options: Sequence[str], first: int | None) -> Tokens:
    """Ids of ``text`` and of each option after it, as the tokenizer spells them together.

    If it merges an option with the text's last characters, every option of the text is counted from the last token
    that all spellings share, so that they stay comparable with each other. ``first`` begins an empty text.
    """
    base, *full = encode([text, *(text + o for o in options)])
    c = min([len(base), *(common(base, f) for f in full)])
    if c == 0:
        if first is None:
            raise InputError(f"the prompt {text[:40]!r} has no token before the options: give it some text")
        base, full, c = [first, *base], [[first, *f] for f in full], 1
    return Tokens(tuple(base[:c]) if full else tuple(base), tuple(tuple(f[c:]) for f in full))


@dataclass(frozen=True, slots=True)
class OptionRow:
    """A row of ids whose last ``keep`` outputs give the probabilities of some ``options`` (by index) of a prompt."""

    row: tuple[int, ...]
    keep: int
    owner: int
    options: tuple[int, ...]


def option_rows(prompts: Sequence[Tokens]) -> list[OptionRow]:
    """The rows that must be run to know every option. Options that begin alike share a row: a row is a prompt and all
    but the last token of an option that no other option continues.

    >>> [a.row for a in option_rows([Tokens((7,), ((1,), (1, 2), (1, 3), (4,)))])]
    [(7, 1)]
    """
    out = []
    for owner, t in enumerate(prompts):
        heads = {o[:-1] for o in t.options if o}
        # a head that another one continues needs no row: the longer row passes through it
        for leaf in sorted(h for h in heads if not any(h == g[: len(h)] and h != g for g in heads)):
            mine = tuple(k for k, o in enumerate(t.options) if o and o[:-1] == leaf[: len(o) - 1])
            out.append(OptionRow((*(t.start or t.ids), *leaf), len(leaf) + 1, owner, mine))
    return out


def fitted(ids: Sequence[int], room: int | None, overflow: Overflow, what: str) -> list[int]:
    """Indices of the tokens that remain if at most ``room`` fit.

    Raises InputError if they don't fit and ``overflow`` is "error".

    >>> fitted([5, 6, 7, 8, 9], 3, "middle", "prompt")
    [0, 3, 4]
    """
    n = len(ids)
    if room is None or n <= room:
        return list(range(n))
    if overflow == "error" or room < 1:
        raise InputError(f"a {what} of {n} tokens, but only {max(room, 0)} fit: shorten it, or set overflow='middle'")
    head = room // 2 if overflow == "middle" else 0
    return [*range(head), *range(n - room + head, n)]


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common prefix.

    >>> common([1, 2, 3], [1, 2, 4, 5])
    2
    """
    n = min(len(a), len(b))
    return next((i for i in range(n) if a[i] != b[i]), n)
