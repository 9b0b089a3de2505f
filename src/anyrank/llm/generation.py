"""Generated: the model writes the order (or the best one), and its answer is parsed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.language import Completion, Generates
from ..core.rerank import Group
from ..core.trace import Usage
from ..core.types import Judgement
from .capabilities import need, rendered
from .parsing import Reading, read_best, read_order
from .prompts import Rendered, Template

THINKING = 2048
"""New tokens for a model that thinks before it answers."""


@dataclass(frozen=True)
class Generated:
    """A judge that parses a generated order, or a generated choice of the best, as its template asks for.

    An order of n documents scores them n to 1; a choice scores 1 to 0. Documents that an order leaves out follow in
    the present order. An answer without any label scores nothing (NaN), so that the group keeps its order.
    ``max_tokens=0`` means enough for the answer's form, or 2,048 for a model that thinks first.
    """

    backend: Generates
    template: Template
    max_tokens: int = 0
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        need(self.backend, Generates, "Generated")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        requests = rendered(self.template, self.backend, groups)
        answers = self.backend.generate(
            [request.prompt for request in requests],
            max_tokens=self.max_tokens or max(tokens_for(self.template, len(r.names)) for r in requests),
            stop=("</answer>",) if self.template.tagged else (),
            temperature=self.temperature,
            seed=self.seed,
        )
        return [judgement_of(self.template, r, answer) for r, answer in zip(requests, answers, strict=True)]


def tokens_for(template: Template, n: int) -> int:
    """New tokens for an answer about n documents: a label, its brackets and the separator take about six."""
    return THINKING if template.tagged else 16 + (6 * n if template.answer == "order" else 0)


def judgement_of(template: Template, request: Rendered, answer: Completion) -> Judgement:
    """The judgement of one group from the model's answer."""
    n, ranked = len(request.names), template.answer == "order"
    usage = answer.usage + Usage(truncated=request.truncated)
    if answer.finish == "error":
        return Judgement([math.nan] * n, usage + Usage(repairs={"no answer": 1}), answer.error)
    # The prefilled beginning is part of the answer, unless the model began again by thinking.
    text = answer.text if "<think>" in answer.text else template.assistant + answer.text
    read = read_order if ranked else read_best
    reading = read(text, n, template.labels, tagged=template.tagged, valid=template.valid, extract=template.extract)
    repairs = dict(reading.repairs)
    if repairs and answer.finish == "length":
        repairs["cut at max_tokens"] = 1
    note = answer.error
    if not reading.order and answer.finish == "length":
        cut = f"no answer within {answer.usage.completion_tokens or 'its'} tokens: give more room by max_tokens"
        note = f"{note}; {cut}" if note else cut
    return Judgement(scores(reading, n, ranked), (usage + Usage(repairs=repairs)).of_one_answer(), note)


def scores(reading: Reading, n: int, ranked: bool = True) -> list[float]:
    """Scores of n documents from a reading: n, n-1, … for an order (what it lacks last, in the present order), 1 and 0
    for a choice, NaN if nothing was read.

    >>> scores(Reading((2,)), 3), scores(Reading((2,)), 3, ranked=False)
    ([2.0, 1.0, 3.0], [0.0, 0.0, 1.0])
    """
    if not reading.order:
        return [math.nan] * n
    if not ranked:
        return [float(i == reading.order[0]) for i in range(n)]
    order = [*reading.order, *sorted(set(range(n)) - set(reading.order))]
    values = [0.0] * n
    for rank, i in enumerate(order):
        values[i] = float(n - rank)
    return values
