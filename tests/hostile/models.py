"""Language models and judges that misbehave, as a table. Each offers every verb and counts what it was asked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anyrank.core.language import Completion, LogProbs, TokenWeights
from anyrank.core.trace import UNREACHABLE, Usage
from anyrank.core.types import Judgement
from anyrank.testing.llm import flat

Fault = Callable[[int, str, int], Any]
"""(number of the prompt, verb, number of values) -> a text, a list of values, an exception to raise, or an answer."""


@dataclass
class Misbehaving:
    """A model and judge whose answer to prompt i is ``fault(i, verb, n)``. ``prompts``: those it was asked;
    ``reported``: the calls in the usages that it gave back."""

    fault: Fault
    usage: Any = field(default_factory=lambda: Usage(calls=1, prompt_tokens=7, completion_tokens=3))
    drops: bool = False  # gives one answer too few
    prompts: int = 0
    reported: int = 0

    def _answers(self, verb: str, sizes: list[int], make: Callable[[Any, int, Any], Any]) -> list[Any]:
        answers = []
        for n in sizes:
            said = self.fault(self.prompts, verb, n)
            self.prompts += 1
            if isinstance(said, BaseException):
                raise said
            answers.append(make(said, n, self.usage) if isinstance(said, str | list | tuple) else said)
        answers = answers[:-1] if self.drops else answers
        usages = [a[1] if isinstance(a, tuple) else getattr(a, "usage", None) for a in answers]
        self.reported += sum(usage.calls for usage in usages if isinstance(usage, Usage))
        return answers

    def generate(self, prompts, *, max_tokens, stop=(), temperature=0.0, seed=0):
        return self._answers("generate", [0] * len(prompts), lambda said, n, usage: Completion(_text(said), usage))

    def generate_fused(self, groups, *, max_tokens):
        return self._answers("generate", [0] * len(groups), lambda said, n, usage: Completion(_text(said), usage))

    def next_token_logprobs(self, prompts, options):
        return self._answers("values", [len(o) for o in options], _logprobs)

    next_token_logits = next_token_logprobs

    def loglikelihood(self, prompts, continuations):
        return self._answers("values", [1] * len(prompts), _logprobs)

    def attention_fused(self, groups):
        return self._answers("values", [len(g) for g in groups], _logprobs)

    def attention(self, prompts, marks):
        spans = [tuple(m.span() for m in re.finditer(r"\S+", flat(p))) for p in prompts]
        answers = self._answers("values", [len(s) for s in spans], lambda said, n, usage: (said, usage))
        return [
            TokenWeights(s, tuple(_values(*a[:1], len(s))), a[1], flat(p)) if isinstance(a, tuple) else a
            for s, a, p in zip(spans, answers, prompts)
        ]

    def __call__(self, groups):
        return self._answers(
            "values", [len(m) for _, m in groups], lambda said, n, usage: Judgement(_values(said, n), usage)
        )


def _text(said: Any) -> str:
    return said if isinstance(said, str) else " ".join(map(str, said))


def _values(said: Any, n: int) -> list[Any]:
    return list(said) if isinstance(said, list | tuple) else [math.nan] * n


def _logprobs(said: Any, n: int, usage: Any) -> LogProbs:
    return LogProbs(tuple(_values(said, n)), usage)


def both(text: str, values: Callable[[int], list[Any]]) -> Fault:
    """The text where one is generated, the values of n options elsewhere."""
    return lambda i, verb, n: text if verb == "generate" else values(n)


ORDER = "[3] > [1] > [2]"
ERROR = Completion("", Usage(calls=1), "error", "HTTP 403: not this one")
DEAD = Usage(calls=1, repairs={UNREACHABLE: 1})


def _refused(i: int, verb: str, n: int) -> Any:
    return ERROR if verb == "generate" else LogProbs((math.nan,) * n, Usage(calls=1), (), "HTTP 403: not this one")


def _dead(i: int, verb: str, n: int) -> Any:
    if verb == "generate":
        return Completion("", DEAD, "error", "ConnectionRefusedError: refused")
    return LogProbs((math.nan,) * n, DEAD, (), "ConnectionRefusedError: refused")


FALLBACK, ANY = frozenset({"fallback"}), frozenset({"ok", "repaired", "partial", "fallback"})


@dataclass(frozen=True)
class Row:
    """A misbehaviour: the model that shows it, the statuses that a ranking may have after it, and whether the calls in
    the trace are those that the model reported (not where its answers could not be read or it raised)."""

    make: Callable[[], Misbehaving]
    statuses: frozenset[str] = ANY
    counted: bool = True


MODELS: dict[str, Row] = {
    "can't be reached": Row(lambda: Misbehaving(_dead), FALLBACK, counted=False),
    "raises": Row(lambda: Misbehaving(lambda i, verb, n: RuntimeError("fell over")), FALLBACK, counted=False),
    "raises a lost connection": Row(lambda: Misbehaving(lambda i, verb, n: ConnectionError("reset")), FALLBACK, False),
    "refuses every prompt": Row(lambda: Misbehaving(_refused), FALLBACK, counted=False),
    "says nothing": Row(lambda: Misbehaving(both("", lambda n: [math.nan] * n)), FALLBACK),
    "says something else": Row(lambda: Misbehaving(both("I can't help with that.", lambda n: [])), FALLBACK, False),
    "names labels that aren't there": Row(
        lambda: Misbehaving(both("[99] > [0] > [ZZ]", lambda n: [-1.0] * (n + 3))), ANY, counted=False
    ),
    "repeats itself": Row(lambda: Misbehaving(both(" > ".join(["[1]", "[A]"] * 60), lambda n: [-1.0] * n))),
    "says the same of all": Row(lambda: Misbehaving(both("[1] [A] Passage A", lambda n: [-1.0] * n))),
    "gives infinite and huge numbers": Row(
        lambda: Misbehaving(both(ORDER, lambda n: [(math.inf, -1e308, 1e308)[i % 3] for i in range(n)]))
    ),
    "gives integers beyond any float": Row(lambda: Misbehaving(both("1" * 5000, lambda n: [10**400] * n)), ANY, False),
    "gives words for numbers": Row(lambda: Misbehaving(both("\0\ud800 [1", lambda n: ["high"] * n)), ANY, False),
    "says nothing of its cost": Row(lambda: Misbehaving(both(ORDER, lambda n: [-1.0] * n), None), FALLBACK, False),
    "counts below nothing": Row(
        lambda: Misbehaving(both(ORDER, lambda n: [-1.0] * n), Usage(calls=-5, prompt_tokens=-1)), FALLBACK, False
    ),
    "gives one answer too few": Row(lambda: Misbehaving(both(ORDER, lambda n: [-1.0] * n), drops=True), ANY, False),
    "fails every other time": Row(
        lambda: Misbehaving(
            lambda i, verb, n: (
                _refused(i, verb, n) if i % 2 else both("[2] > [1] > [B]", lambda n: [-2.0] * n)(i, verb, n)
            )
        ),
        ANY,
        counted=False,
    ),
}
