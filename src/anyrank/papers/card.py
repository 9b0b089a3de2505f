"""Card, Figure and Cost: what a paper is, what it reports, and what its method costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..core.groupings import Grouping


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a paper (or, where ``source`` says so, another's report) gives; never one of ours."""

    value: float
    dataset: str
    metric: str
    setting: str
    source: str = "the paper"

    def __str__(self) -> str:
        return f"{self.metric} {self.value:g} on {self.dataset}, {self.setting} ({self.source})"


@dataclass(frozen=True, slots=True)
class Cost:
    """What ranking n documents for one query costs: model calls (prompts), rounds (calls that wait for another's
    answer), prompt and completion tokens. ``exact``: on every input; else on the worst of the ones tried."""

    calls: int = 0
    rounds: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Card:
    """A paper's card. ``formula`` says the cost of ranking in words; ``cost(n)`` computes it at the paper's settings. A
    paper on training has neither."""

    name: str
    title: str
    arxiv: str
    year: int
    summary: str
    needs: str
    formula: str = ""
    cost: Callable[[int], Cost] | None = None
    figures: tuple[Figure, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"{self.name} ({self.year}): {self.title}, arXiv {self.arxiv}",
            f"  {self.summary}",
            f"  needs: {self.needs}",
        ]
        if self.cost is not None:
            c = self.cost(100)
            lines += [
                f"  cost:  {self.formula}",
                f"  for 100 candidates: {'' if c.exact else 'about '}{c.calls:,} calls in {c.rounds:,} rounds, about "
                f"{c.prompt_tokens:,} prompt and {c.completion_tokens:,} completion tokens",
            ]
        return "\n".join([*lines, *(f"  reported, not ours: {figure}" for figure in self.figures)])


@dataclass(frozen=True, slots=True)
class Price:
    """The cost of n documents, found by running the grouping on inputs that stand best first and worst first.

    Each group of m costs ``calls`` prompts of ``fixed`` + m * ``document`` tokens and ``answer`` + m * ``per_label``
    generated ones. ``alone``: a group costs a prompt for each member instead. The token figures are assumptions:
    a passage of 100 and an instruction with the query of 100 tokens.
    """

    grouping: Callable[[int], Grouping]
    answer: float = 0
    per_label: float = 0
    calls: int = 1
    fixed: int = 100
    document: int = 100

    def __call__(self, n: int) -> Cost:
        best, worst = (self._run(n, sign) for sign in (-1.0, 1.0))
        high = max(best, worst, key=lambda c: c.calls)
        return Cost(high.calls, high.rounds, high.prompt_tokens, high.completion_tokens, best == worst)

    def _run(self, n: int, sign: float) -> Cost:
        calls = rounds = prompt = 0
        completion = 0.0
        plan = self.grouping(n)(n)
        if n == 0:
            return Cost()
        try:
            groups = next(plan)
            while True:
                rounds += bool(groups)
                calls += self.calls * len(groups)
                prompt += self.calls * sum(self.fixed + self.document * len(g) for g in groups)
                completion += self.calls * sum(self.answer + self.per_label * len(g) for g in groups)
                groups = plan.send([[sign * i for i in g] for g in groups])
        except StopIteration:
            return Cost(calls, rounds, prompt, round(completion))
