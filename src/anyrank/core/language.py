"""The verbs of language models. A backend offers the verbs it can; a signal says which it needs.

Every verb takes a batch and answers in order, one answer a prompt. A prompt is either plain text, given to the model as
it is, or a conversation, to which the backend applies the model's own chat template; a conversation whose last turn
is the assistant's is continued from there (so its answer can be made to begin with a prefix such as "[").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from .content import Image, Part
from .errors import InputError
from .trace import Usage


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation: a text, or parts of which some are images (for a backend that `ReadsImages`)."""

    role: Literal["system", "user", "assistant"]
    content: str | tuple[Part, ...]

    @property
    def text(self) -> str:
        """The turn's text, for backends that read texts alone. Raises InputError if it holds an image.

        >>> Turn("user", "Which is best?").text
        'Which is best?'
        """
        if isinstance(self.content, str):
            return self.content
        if image := next((part for part in self.content if isinstance(part, Image)), None):
            shown = f"{len(image.source)} bytes" if isinstance(image.source, bytes) else str(image.source)
            raise InputError(f"the prompt holds an image ({shown}), and this model reads texts alone")
        return "".join(part for part in self.content if isinstance(part, str))


Prompt = str | tuple[Turn, ...]


def messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """A conversation in the form of OpenAI's chat completions; images become ``image_url`` parts, with their own URL or
    their bytes as a data: URL.

    >>> messages([Turn("system", "Be short."), Turn("user", ("What is it?", Image("https://example.org/cat.png")))])
    ... # doctest: +NORMALIZE_WHITESPACE
    [{'role': 'system', 'content': 'Be short.'},
     {'role': 'user', 'content': [{'type': 'text', 'text': 'What is it?'},
                                  {'type': 'image_url', 'image_url': {'url': 'https://example.org/cat.png'}}]}]
    """
    return [
        {"role": t.role, "content": t.content if isinstance(t.content, str) else [*map(_content_part, t.content)]}
        for t in turns
    ]


def _content_part(part: Part) -> dict[str, Any]:
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": part.as_url()}}
    return {"type": "text", "text": part}


def images_in(prompt: Prompt) -> tuple[Image, ...]:
    """The images of a prompt, in order."""
    turns = () if isinstance(prompt, str) else prompt
    return tuple(p for t in turns if not isinstance(t.content, str) for p in t.content if isinstance(p, Image))


@runtime_checkable
class ReadsImages(Protocol):
    """A backend that says whether its prompts may hold images. One without this attribute reads texts alone."""

    @property
    def reads_images(self) -> bool: ...


def can_read_images(backend: Any) -> bool:
    """Whether a backend's prompts may hold images."""
    return isinstance(backend, ReadsImages) and backend.reads_images


@runtime_checkable
class FixesRoom(Protocol):
    """A backend that may give all answers the same room. ``answer_room``: their new tokens at most, whatever
    ``max_tokens`` asks for; 0 if ``max_tokens`` counts."""

    @property
    def answer_room(self) -> int: ...


def fixed_room(backend: Any) -> int:
    """The room that a backend gives to all answers; 0 if it gives what is asked for."""
    return backend.answer_room if isinstance(backend, FixesRoom) else 0


@dataclass(frozen=True, slots=True)
class Completion:
    """A generated text. ``finish``: "stop" (the model ended), "length" (cut at max_tokens), "error" (there is no
    answer; ``text`` is empty and ``error`` says why). ``reasoned``: the model thought before or in place of the text.
    ``note``: in words, how the request or its cost differs from what was asked for."""

    text: str
    usage: Usage = field(default_factory=lambda: Usage(calls=1))
    finish: Literal["stop", "length", "error"] = "stop"
    error: str = ""
    reasoned: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class LogProbs:
    """Natural log-probabilities, one an option (``next_token_logprobs``) or one, the sum over its tokens
    (``loglikelihood``). NaN: not known; -inf: the model gives it no probability (or it is outside the top it reports).
    ``tokens`` counts the tokens each value is a sum over; ``error`` says why values are not known, ``note`` how the
    request or its cost differs from what was asked for."""

    values: tuple[float, ...]
    usage: Usage = field(default_factory=lambda: Usage(calls=1))
    tokens: tuple[int, ...] = ()
    error: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class TokenWeights:
    """A weight for every token of a prompt's rendered text, with its character span [start, end) there. ``text`` is
    that rendered text: the prompt as the model saw it, chat template and all. ``error`` says why there are none."""

    spans: tuple[tuple[int, int], ...]
    weights: tuple[float, ...]
    usage: Usage = field(default_factory=lambda: Usage(calls=1))
    text: str = ""
    error: str = ""


@runtime_checkable
class Generates(Protocol):
    """``max_tokens`` new tokens at most, ended early by any text of ``stop`` (which is not returned). Temperature 0 is
    greedy; above it, ``seed`` fixes the draw if the model's server allows it."""

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Completion]: ...


@runtime_checkable
class ScoresNext(Protocol):
    """Log-probability that the text of each option comes next. An option of several tokens counts whole: the sum of
    its tokens' log-probabilities, each given those before it."""

    def next_token_logprobs(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]: ...


@runtime_checkable
class ScoresText(Protocol):
    """Log-likelihood of a continuation given its prompt."""

    def loglikelihood(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[LogProbs]: ...


@runtime_checkable
class Attends(Protocol):
    """Attention that the tokens after ``mark`` pay to every token of the prompt: softmax over the whole context, mean
    over those tokens, sum over heads and layers. ``mark`` is a text; the tokens after its last occurrence in the
    rendered prompt attend (the whole prompt is given)."""

    def attention(self, prompts: Sequence[Prompt], marks: Sequence[str]) -> list[TokenWeights]: ...


@runtime_checkable
class Embeds(Protocol):
    """Hidden state of the last token at a layer (-1 the last): an array [n, dim] and what it cost."""

    def hidden_states(self, prompts: Sequence[Prompt], *, layer: int = -1) -> tuple[Any, Usage]: ...


@dataclass(frozen=True, slots=True)
class NextStates:
    """The last layer at the positions of a prompt's next tokens: ``states`` float32 [positions, dim], ``logits``
    float32 [positions, vocabulary], and the text of the likeliest token at each position."""

    states: Any
    logits: Any
    tokens: tuple[str, ...]


@runtime_checkable
class GivesNextStates(Protocol):
    """A language model whose last layer and vocabulary can be read, for vectors made of them."""

    def next_states(
        self, prompts: Sequence[Prompt], read: Callable[[int, NextStates], None], *, max_tokens: int = 1, stop: str = ""
    ) -> Usage:
        """Gives ``read`` each prompt's number and its next states. With ``max_tokens`` above 1 the likeliest token is
        appended and the next position read too, until that many were read or a token's text holds ``stop``; the
        position of that token is left out, unless it is the first."""

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of texts, each tokenised alone, without special tokens."""

    def token_text(self, ids: Sequence[int]) -> str:
        """The text of some ids, special tokens left out."""
