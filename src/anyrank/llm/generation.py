"""Generated: the model writes the order (or the best one) out, and the answer is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.language import Completion, Generates
from ..core.rerank import Group
from ..core.trace import Usage
from ..core.types import Judgement
from .capabilities import need
from .parsing import Reading, read_best, read_order
from .prompts import Rendered, Template

THINKING = 2048


@dataclass(frozen=True)
class Generated:
    """A judge that reads a generated order, or a generated choice of the best, by what its template asks for.

    An order of n documents scores them n to 1; a choice scores 1 to 0. Documents that an order leaves out follow in
    the present order. An answer without any label scores nothing (NaN), so that the group keeps its order.
    ``max_tokens`` 0 is enough for the asked-for answer, and 2,048 where the model thinks first.
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
        asked = [self.template.render(query, members) for query, members in groups]
        said = self.backend.generate(
            [a.prompt for a in asked],
            max_tokens=self.max_tokens or max(room(self.template, len(a.names)) for a in asked),
            stop=("</answer>",) if self.template.tagged else (),
            temperature=self.temperature,
            seed=self.seed,
        )
        return [judged(self.template, a, s) for a, s in zip(asked, said, strict=True)]


def room(template: Template, n: int) -> int:
    """Tokens for an answer about n documents: a label, its brackets and the separator take about six."""
    return THINKING if template.tagged else 16 + (6 * n if template.answer == "order" else 0)


def judged(template: Template, asked: Rendered, said: Completion) -> Judgement:
    """The judgement of one group by what the model wrote about it."""
    n, t = len(asked.names), template
    usage = said.usage + Usage(truncated=asked.truncated)
    if said.finish == "error":
        return Judgement([math.nan] * n, usage + Usage(repairs={"no answer": 1}), said.error)
    read = read_order if t.answer == "order" else read_best
    text = said.text if "<think>" in said.text else t.assistant + said.text
    reading = read(text, n, t.labels, tagged=t.tagged, valid=t.valid, extract=t.extract)
    repairs = dict(reading.repairs)
    if repairs and said.finish == "length":
        repairs["cut at max_tokens"] = 1
    return Judgement(scores(reading, n, t.answer == "order"), usage + Usage(repairs=repairs))


def scores(reading: Reading, n: int, ranked: bool = True) -> list[float]:
    """Scores of n documents from a reading: n, n-1, … for an order (what it lacks last, in the present order), 1 and 0
    for a choice, NaN where nothing was read.

    >>> scores(Reading((2,)), 3), scores(Reading((2,)), 3, ranked=False)
    ([2.0, 1.0, 3.0], [0.0, 0.0, 1.0])
    """
    if not reading.order:
        return [math.nan] * n
    if not ranked:
        return [float(i == reading.order[0]) for i in range(n)]
    places = [*reading.order, *sorted(set(range(n)) - set(reading.order))]
    out = [0.0] * n
    for rank, i in enumerate(places):
        out[i] = float(n - rank)
    return out
