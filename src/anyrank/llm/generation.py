"""Generated: the model writes the order (or the best one), and its answer is parsed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..core.language import Completion, Generates, Prompt, fixed_room
from ..core.rerank import Group
from ..core.trace import Usage
from ..core.types import Judgement
from .capabilities import need, rendered
from .parsing import Reading, read_best, read_order
from .prompts import Rendered, Template

THINKING = 2048
"""New tokens for a model that thinks before it answers, if the prompt asks it to."""
ROOMS = (8192, 2048)
"""New tokens for a model that was seen to think without being asked: the first number that its server takes."""


@dataclass(frozen=True)
class Generated:
    """A judge that parses a generated order, or a generated choice of the best, as its template asks for.

    An order of n documents scores them n to 1; a choice scores 1 to 0. Documents that an order leaves out follow in
    the present order. An answer without any label scores nothing (NaN), so that the group keeps its order.
    ``max_tokens=0`` means enough for the answer's form, or 2,048 if the prompt asks for thoughts first. A model whose
    answer is cut while it still thinks is asked again with more room (8,192), and gets that room from then on; both
    answers are paid for.
    """

    backend: Generates
    template: Template
    max_tokens: int = 0
    temperature: float = 0.0
    seed: int = 0
    _learned: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    """ "room": the new tokens that a model which was seen to think gets."""

    def __post_init__(self) -> None:
        need(self.backend, Generates, "Generated")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        requests = rendered(self.template, self.backend, groups)
        prompts = [request.prompt for request in requests]
        room = self.max_tokens or max(tokens_for(self.template, len(r.names)) for r in requests)
        answers, earlier = self._answers(prompts, room)
        return [
            judgement_of(self.template, r, answer, cost)
            for r, answer, cost in zip(requests, answers, earlier, strict=True)
        ]

    def _answers(self, prompts: Sequence[Prompt], room: int) -> tuple[list[Completion], list[Usage]]:
        """The model's answers, and what earlier ones to the same prompts cost: those cut while it was thinking are
        asked for again with more room, of which a server may refuse more than its model has."""
        fixed = self.max_tokens or fixed_room(self.backend)
        larger = [] if fixed else [r for r in ROOMS if room < r <= self._learned.get("room", ROOMS[0])]
        if "room" in self._learned and larger:
            room, *larger = larger
        answers = self._generate(prompts, room)
        earlier = [Usage()] * len(answers)
        again = [i for i, a in enumerate(answers) if _cut_while_thinking(a)]
        if "room" in self._learned:
            again = [i for i, a in enumerate(answers) if _refused_room(a)]
        for more in larger:
            if not again:
                break
            refused = []
            for i, answer in zip(again, self._generate([prompts[i] for i in again], more), strict=True):
                if _refused_room(answer):
                    refused.append(i)
                    earlier[i] += answer.usage
                    answers[i] = replace(answers[i], note=f"with room for {more} tokens: {answer.error}")
                else:
                    self._learned["room"] = more
                    earlier[i] += answers[i].usage
                    answers[i] = answer
            again = refused
        return answers, earlier

    def _generate(self, prompts: Sequence[Prompt], room: int) -> list[Completion]:
        return list(
            self.backend.generate(
                prompts,
                max_tokens=room,
                stop=("</answer>",) if self.template.tagged else (),
                temperature=self.temperature,
                seed=self.seed,
            )
        )


def _cut_while_thinking(answer: Completion) -> bool:
    """Whether an answer ended for want of room before the model was done thinking."""
    thinking = answer.reasoned or "<think>" in answer.text
    done = "</think>" in answer.text or (answer.text.strip() and "<think>" not in answer.text)
    return answer.finish == "length" and thinking and not done


def _refused_room(answer: Completion) -> bool:
    """Whether a request failed as servers refuse more room than their model has."""
    return answer.finish == "error" and "HTTP 4" in answer.error and "token" in answer.error


def tokens_for(template: Template, n: int) -> int:
    """New tokens for an answer about n documents: a label, its brackets and the separator take about six."""
    return THINKING if template.tagged else 16 + (6 * n if template.answer == "order" else 0)


def judgement_of(template: Template, request: Rendered, answer: Completion, earlier: Usage | None = None) -> Judgement:
    """The judgement of one group from the model's answer; ``earlier`` is what answers before it cost."""
    n, ranked = len(request.names), template.answer == "order"
    usage = answer.usage + (earlier or Usage()) + Usage(truncated=request.truncated)
    more_room = _more_room(answer)
    if answer.finish == "error" or not answer.text.strip():
        why = answer.error or "an empty answer"
        note = _joined(f"{why}: {more_room}" if more_room else why, answer.note)
        return Judgement([math.nan] * n, usage + Usage(repairs={"no answer": 1}), note)
    # The prefilled beginning is part of the answer, unless the model began again by thinking.
    text = answer.text if "<think>" in answer.text else template.assistant + answer.text
    read = read_order if ranked else read_best
    reading = read(text, n, template.labels, tagged=template.tagged, valid=template.valid, extract=template.extract)
    repairs = dict(reading.repairs)
    if repairs and answer.finish == "length":
        repairs["cut at max_tokens"] = 1
    note = answer.error
    if not reading.order and more_room:
        thinking = ", the model was still thinking" if _cut_while_thinking(answer) else ""
        note = _joined(note, f"an answer without a label, cut{_at(answer)}{thinking}: {more_room}")
    usage = (usage + Usage(repairs=repairs)).of_one_answer()
    return Judgement(scores(reading, n, ranked), usage, _joined(note, answer.note))


def _more_room(answer: Completion) -> str:
    """How to give more room to an answer that was cut; empty for others."""
    if answer.finish != "length":
        return ""
    return "give it more room by answer_tokens=… in the pipeline, or #max_tokens=… after the address of a server"


def _at(answer: Completion) -> str:
    return f" at {answer.usage.completion_tokens} tokens" if answer.usage.completion_tokens else ""


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


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
