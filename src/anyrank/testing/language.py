"""The contract suite of language-model backends: two backends of one model give the same answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..core.language import Generates, LogProbs, Prompt, ScoresNext, ScoresText, Turn

PROMPTS: tuple[Prompt, ...] = (
    "The capital of France is",
    "Query: rivers of Europe\nPassage: The Rhine flows from the Alps to the North Sea.\nRelevant (yes or no):",
    "Count: 1, 2, 3,",
)
OPTIONS: tuple[tuple[str, ...], ...] = (
    (" Paris", " London", " the", " New York"),
    (" yes", " no"),
    (" 4", " 5", " 10"),
)
CONTINUATIONS = (" Paris, the city of light", " yes", " 4, 5, 6")
TALK: tuple[Prompt, ...] = (
    (Turn("user", "Name the capital of France."),),
    (Turn("system", "Be short."), Turn("user", "Say yes.")),
)


@runtime_checkable
class Renders(Protocol):
    """A backend that can render the text that its model reads for a prompt."""

    def render(self, prompt: Prompt) -> str: ...


@dataclass(frozen=True, slots=True)
class Agreement:
    """The result of a comparison: the largest difference of a log-probability a token (None: not both offer it), and
    how many greedy texts were equal."""

    options: float | None = None
    texts: float | None = None
    equal: int = 0
    generated: int = 0


def check_backend(
    a: Any,
    b: Any,
    tolerance: float = 1e-3,
    prompts: Sequence[Prompt] = PROMPTS,
    options: Sequence[Sequence[str]] = OPTIONS,
    continuations: Sequence[str] = CONTINUATIONS,
    talk: Sequence[Prompt] = TALK,
    max_tokens: int = 12,
) -> Agreement:
    """Each backend keeps its own contract (answers in order, the same alone as in a batch, counted), and both agree on
    every verb that both offer: log-probabilities of options and continuations within ``tolerance`` a token (if
    finite: -inf is what a server says of tokens beyond those it reports); greedy texts equal, or such that ``a`` gives
    b's text a likelihood within ``tolerance`` a token of its own text's."""
    options_gap: float | None = None
    texts_gap: float | None = None
    equal, all_prompts = 0, [*prompts, *talk]
    if isinstance(a, ScoresNext) and isinstance(b, ScoresNext):
        for prompt, mine, theirs in zip(prompts, _options(a, prompts, options), _options(b, prompts, options)):
            gap = _gap(mine.values, theirs.values, mine.tokens or (1,) * len(mine.values))
            assert gap <= tolerance, f"options of {prompt!r}: {mine.values} against {theirs.values}: {gap:.3g} a token"
            options_gap = max(options_gap or 0.0, gap)
    if isinstance(a, ScoresText) and isinstance(b, ScoresText):
        likely = (x.loglikelihood(prompts, continuations) for x in (a, b))
        for prompt, mine, theirs in zip(prompts, *likely):
            assert mine.tokens == theirs.tokens, f"{prompt!r}: {mine.tokens} against {theirs.tokens} tokens"
            gap = _gap(mine.values, theirs.values, mine.tokens)
            assert gap <= tolerance, f"continuation of {prompt!r}: {mine.values} against {theirs.values}"
            texts_gap = max(texts_gap or 0.0, gap)
    if isinstance(a, Generates) and isinstance(b, Generates):
        for prompt, one, two in zip(
            all_prompts, _texts(a, all_prompts, max_tokens), _texts(b, all_prompts, max_tokens)
        ):
            equal += one == two
            assert one == two or _near(a, prompt, one, two, tolerance), f"{prompt!r}: {one!r} against {two!r}"
    return Agreement(options_gap, texts_gap, equal, len(all_prompts))


def _options(backend: Any, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
    answers: list[LogProbs] = backend.next_token_logprobs(prompts, options)
    assert len(answers) == len(prompts), f"{len(answers)} answers for {len(prompts)} prompts"
    assert backend.next_token_logprobs([], []) == [], "no prompts must give no answers"
    for i, (texts, answer) in enumerate(zip(options, answers)):
        assert len(answer.values) == len(texts), f"{len(answer.values)} values for {len(texts)} options"
        assert all(v <= 1e-6 for v in answer.values), f"a log-probability is above 0 or unknown: {answer.values}"
        assert answer.usage.calls + answer.usage.cached >= 1, "usage counts no call"
        (alone,) = backend.next_token_logprobs([prompts[i]], [texts])
        gap = _gap(alone.values, answer.values, (1,) * len(texts))
        assert gap <= 0.25, f"prompt {i}: {alone.values} alone, {answer.values} in a batch"
    return answers


def _texts(backend: Any, prompts: Sequence[Prompt], max_tokens: int) -> list[str]:
    completions = backend.generate(prompts, max_tokens=max_tokens)
    assert len(completions) == len(prompts), f"{len(completions)} completions for {len(prompts)} prompts"
    assert backend.generate([], max_tokens=1) == [], "no prompts must give no completions"
    for completion in completions:
        assert completion.finish != "error", f"an error in place of a text: {completion.error}"
        count = completion.usage.completion_tokens
        assert count <= max_tokens, f"{count} tokens, {max_tokens} allowed"
    return [c.text for c in completions]


def _gap(a: Sequence[float], b: Sequence[float], tokens: Sequence[int]) -> float:
    """The largest difference a token among the pairs that both know; -inf on one side only says "outside the top"."""
    assert not any(map(math.isnan, (*a, *b))), f"unknown log-probabilities: {list(a)} against {list(b)}"
    pairs = [(x, y, n) for x, y, n in zip(a, b, tokens) if math.isfinite(x) and math.isfinite(y)]
    return max((abs(x - y) / max(n, 1) for x, y, n in pairs), default=0.0)


def _near(backend: Any, prompt: Prompt, mine: str, theirs: str, tolerance: float) -> bool:
    """Whether two greedy texts part at a near tie: the first words after what they share are about as likely."""
    if not isinstance(backend, ScoresText):
        return False
    same = next((i for i, (x, y) in enumerate(zip(mine, theirs)) if x != y), min(len(mine), len(theirs)))
    if same == min(len(mine), len(theirs)):
        return True  # one text continues after the other ended
    same = max(mine.rfind(" ", 0, same + 1), 0)
    text = backend.render(prompt) if isinstance(backend, Renders) else prompt
    ends = [t[same:].split(" ", 2) for t in (mine, theirs)]
    words = [" ".join(e[:2]) if not e[0] else e[0] for e in ends]
    if not isinstance(text, str) or not all(words):
        return True  # its own rendering is unknown, so there is nothing to compare
    x, y = backend.loglikelihood([text + mine[:same]] * 2, words)
    return bool(x.values[0] - y.values[0] <= tolerance * (x.tokens[0] + y.tokens[0]))
