"""Preferred: the probability that the first of two documents is the better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.language import ScoresNext
from ..core.rerank import Group
from ..core.trace import Usage
from ..core.types import Judgement
from .capabilities import need, note_of, rendered
from .pointwise import odds, sigmoid
from .prompts import Template


@dataclass(frozen=True)
class Preferred:
    """A judge of pairs: p, the probability of ``yes`` against ``no`` to "is the first one better"; the pair scores
    (p, 1 - p) (duoT5, arXiv 2101.05667)."""

    backend: ScoresNext
    template: Template
    yes: str = "true"
    no: str = "false"

    def __post_init__(self) -> None:
        need(self.backend, ScoresNext, "Preferred")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        requests = rendered(self.template, self.backend, groups)
        options = [(self.yes, self.no)] * len(requests)
        answers = self.backend.next_token_logprobs([request.prompt for request in requests], options)
        judgements = []
        for request, answer in zip(requests, answers, strict=True):
            p = sigmoid(odds(answer.values))
            usage = answer.usage + Usage(truncated=request.truncated)
            judgements.append(Judgement([p, 1.0 - p], usage.of_one_answer(), note_of(answer)))
        return judgements
