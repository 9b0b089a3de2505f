"""Card, Figure, Price and Cost: a paper's citation, the figures it reports, and the cost of its method.

A card holds constants, figures and a price alone, so that it can be read without importing the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..core.errors import InputError
from ..core.groupings import Grouping
from ..core.language import Attends, Generates, ScoresNext, ScoresText
from ..llm.capabilities import FusesSources, GivesLogits, offers

Capability = Literal[
    "generate", "next_token_logprobs", "next_token_logits", "loglikelihood", "attention", "generate_fused", "judge"
]
"""A capability of a model: a method of a language model, or "judge", scoring the members of groups by itself."""

PROTOCOLS: Mapping[Capability, Any] = {
    "generate": Generates,
    "next_token_logprobs": ScoresNext,
    "next_token_logits": GivesLogits,
    "loglikelihood": ScoresText,
    "attention": Attends,
    "generate_fused": FusesSources,
    "judge": Callable,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that a paper reports, or another source that ``source`` names; never one measured by anyrank."""

    value: float
    dataset: str
    metric: str
    setting: str
    source: str = "the paper"

    def __str__(self) -> str:
        return f"{self.metric} {self.value:g} on {self.dataset}, {self.setting} ({self.source})"


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of ranking n documents for one query: model calls (prompts), rounds (calls that wait for another's
    answer), prompt and completion tokens. ``exact``: the same on every input; else that of the worst input tried."""

    calls: int = 0
    rounds: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Price:
    """The cost of n documents, computed by running the grouping on an input in best-first and in worst-first order.

    Each group of m costs ``calls`` prompts of ``fixed`` + m * ``document`` tokens and ``answer`` + m * ``per_label``
    generated ones. ``depth``: the number of documents that are ranked, if not all. The token figures are assumptions: a
    passage of 100 and an instruction with the query of 100 tokens.

    >>> from anyrank.core.groupings import Sliding
    >>> Price(Sliding(20, 10), per_label=6)(100)
    Cost(calls=9, rounds=9, prompt_tokens=18900, completion_tokens=1080, exact=True)
    """

    grouping: Grouping
    answer: float = 0
    per_label: float = 0
    calls: int = 1
    fixed: int = 100
    document: int = 100
    depth: int | None = None

    def __call__(self, n: int) -> Cost:
        ranked = n if self.depth is None else min(n, self.depth)
        best, worst = (self._run(ranked, sign) for sign in (-1.0, 1.0))
        high = max(best, worst, key=lambda c: c.calls)
        return Cost(high.calls, high.rounds, high.prompt_tokens, high.completion_tokens, best == worst)

    def _run(self, n: int, sign: float) -> Cost:
        calls = rounds = prompt = 0
        completion = 0.0
        plan = self.grouping(n)
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


@dataclass(frozen=True, slots=True)
class Card:
    """A paper's card. A method's model must have at least one of ``capabilities``; ``needs``
    says in words what else the system needs. ``formula`` says the cost of ranking in words, ``cost(n)``
    computes it at the paper's settings; a paper without a method has neither. ``differences``: where the method here
    does something else than its authors' program, or another well-known one, and why.

    Of a rewriter of queries: ``lexical`` if it needs a lexical index; ``starts`` if it needs no candidates, so that it
    may stand at the start of a pipeline; ``moves`` if it changes the query's vector, of which there must be one."""

    name: str
    title: str
    arxiv: str
    year: int
    summary: str
    needs: str = ""
    capabilities: tuple[Capability, ...] = ()
    formula: str = ""
    cost: Price | None = None
    figures: tuple[Figure, ...] = ()
    differences: tuple[str, ...] = ()
    lexical: bool = False
    starts: bool = False
    moves: bool = False

    @property
    def reference(self) -> str:
        """The title, with the arXiv number if there is one."""
        return f"{self.title}, arXiv {self.arxiv}" if self.arxiv else self.title

    def check(self, model: Any, name: str) -> None:
        """Raise InputError if an opened model, called ``name``, has none of the capabilities that the method needs."""
        if any(offers(model, PROTOCOLS[c]) for c in self.capabilities):
            return
        needed = f"with {' or '.join(self.capabilities)}"
        if self.capabilities == ("judge",):
            needed = "that scores candidates by itself"
        raise InputError(f"{self.name} needs a model {needed}, and {name} is {_described(model)}")

    def __str__(self) -> str:
        lines = [
            f"{self.name} ({self.year}): {self.reference}",
            f"  {self.summary}",
            f"  needs: {self.needs or ' or '.join(self.capabilities)}",
        ]
        if self.cost is not None:
            c = self.cost(100)
            lines += [
                f"  cost:  {self.formula}",
                f"  for 100 candidates: {'' if c.exact else 'about '}{_count(c.calls, 'call')} in "
                f"{_count(c.rounds, 'round')}, about "
                f"{c.prompt_tokens:,} prompt and {c.completion_tokens:,} completion tokens",
            ]
        lines += (f"  differs: {difference}" for difference in self.differences)
        return "\n".join([*lines, *(f"  reported, not ours: {figure}" for figure in self.figures)])


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'s' * (n != 1)}"


def _described(model: Any) -> str:
    """An opened model in words, by its capabilities."""
    verbs = [verb for verb, protocol in PROTOCOLS.items() if verb != "judge" and offers(model, protocol)]
    if verbs:
        return f"a language model with {', '.join(verbs)}"
    return (
        "a judge, no language model"
        if offers(model, PROTOCOLS["judge"])
        else f"no language model: {type(model).__name__}"
    )
