"""FirstToken: the probabilities of the labels as the next token order the documents, without generating."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.language import LogProbs, ScoresNext
from ..core.rerank import Group
from ..core.trace import Usage
from ..core.types import Judgement
from .capabilities import need, note_of, rendered
from .prompts import Rendered, Template


@dataclass(frozen=True)
class FirstToken:
    """A judge that scores each document by the log-probability of its label coming next (FIRST, arXiv 2406.15657;
    likelihood mode of setwise and pairwise prompting).

    An option is the label without the text that already begins the answer; a number keeps its closing bracket,
    so that "1]" and "12]" compare as wholes, however many tokens each takes. ``spaced`` also scores each option with
    a space before it, and takes the likelier form. A label outside the top that a server reports (-inf) is placed last
    and counted as ``not in the top``.
    """

    backend: ScoresNext
    template: Template
    spaced: bool = False

    def __post_init__(self) -> None:
        need(self.backend, ScoresNext, "FirstToken")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        requests = rendered(self.template, self.backend, groups)
        options = [self.options(len(r.names)) for r in requests]
        answers = self.backend.next_token_logprobs([r.prompt for r in requests], options)
        return [self._judge(request, answer) for request, answer in zip(requests, answers, strict=True)]

    def options(self, n: int) -> list[str]:
        """The texts whose probabilities are read, one a document (two with ``spaced``)."""
        labels, prefill = self.template.labels, self.template.assistant
        close = "" if labels.style == "letters" else labels.close
        marks = [labels.open + name + close for name in labels.names(n)]
        rest = [m.removeprefix(prefill) for m in marks]
        return rest + [" " + r for r in rest] if self.spaced else rest

    def _judge(self, request: Rendered, answer: LogProbs) -> Judgement:
        n = len(request.names)
        values = list(answer.values)
        if self.spaced and len(values) == 2 * n:
            values = [_likelier(a, b) for a, b in zip(values[:n], values[n:])]
        absent = sum(v == -math.inf for v in values)
        usage = answer.usage + Usage(truncated=request.truncated)
        if not any(map(math.isfinite, values)):  # no option is known, so no order
            values = [math.nan] * n
        usage += Usage(repairs={"not in the top": absent} if absent else {})
        return Judgement(values, usage.of_one_answer(), note_of(answer))


def _likelier(a: float, b: float) -> float:
    return a if math.isnan(b) or a > b else b
