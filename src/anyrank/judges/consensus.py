"""Consensus: the same reranker on several shuffles of its input, and one ranking that agrees with most of them."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..core.budget import Budget
from ..core.errors import InputError
from ..core.limits import Limits
from ..core.rerank import Rerank
from ..core.stage import Stage
from ..core.trace import Step, Usage, total
from ..core.types import Ranking


@dataclass(frozen=True)
class SelfConsistency(Stage):
    """A stage asked about ``shuffles`` random orders of its input (the first is the input's own order), all in one
    batch; the answers are joined by ``how``: ``borda`` points, or ``kemeny``, the Borda order improved until no swap
    of neighbours agrees with more of the rankings (permutation self-consistency, arXiv 2310.07712).

    Against the bias for positions in a prompt. Costs ``shuffles`` times the stage; a ranking's limits are shared out
    among its shuffles. A shuffle that the stage only passed through is no opinion and doesn't count.
    """

    stage: Stage
    shuffles: int = 5
    how: Literal["borda", "kemeny"] = "borda"
    seed: int = 0
    name: str = "self_consistency"

    def __post_init__(self) -> None:
        if self.shuffles < 1:
            raise InputError(f"shuffles={self.shuffles}: must be at least 1")
        if self.how not in ("borda", "kemeny"):
            raise InputError(f"how={self.how!r}: choose 'borda' or 'kemeny'")

    def within(self, **budgets: Any) -> SelfConsistency:
        """The same under budgets a query (``max_calls``, ``max_tokens``, ``max_ms``), of which each shuffle gets an
        equal share; ``max_seconds`` is the whole batch's. Raises InputError if a share is less than one, for other
        names, and if the inner stage is not a `Rerank`."""
        if not isinstance(self.stage, Rerank) or budgets.keys() - {"max_calls", "max_tokens", "max_seconds", "max_ms"}:
            raise InputError(f"{self.name} takes no {', '.join(budgets)}")
        shares = dict(budgets)
        for option in ("max_calls", "max_tokens"):
            if option in shares and (whole := shares[option]) is not None:
                shares[option] = whole // self.shuffles
                if shares[option] < 1:
                    raise InputError(f"{option}={whole}: less than one for each of {self.shuffles} shuffles")
        if shares.get("max_ms") is not None:
            shares["max_ms"] /= self.shuffles
        return replace(self, stage=replace(self.stage, **shares))

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        shuffled = [self._shuffled(ranking) for ranking in rankings]
        flat = [one for several in shuffled for one in several]
        answers = iter(self.stage.batch(flat) if flat else [])
        return [
            self._agreed(ranking, several, [next(answers) for _ in several])
            for ranking, several in zip(rankings, shuffled)
        ]

    def _shuffled(self, ranking: Ranking) -> list[Ranking]:
        """The orders to ask about, each with an equal share of what the ranking's limits leave; if they leave less
        than a call or token for each, fewer orders."""
        left = ranking.limits.less(ranking.cost.usage)
        count = min(n for n in (self.shuffles, left.max_calls, left.max_tokens) if n is not None)
        share = Limits(
            left.deadline,
            None if left.max_calls is None else left.max_calls // max(count, 1),
            None if left.max_tokens is None else left.max_tokens // max(count, 1),
        )
        orders = []
        for i in range(count):
            members = list(ranking.candidates)
            if i:
                random.Random(f"{self.seed}/{i}/{ranking.query.id}").shuffle(members)
            orders.append(replace(ranking, candidates=tuple(members), trace=(), limits=share))
        return orders

    def _agreed(self, ranking: Ranking, shuffled: Sequence[Ranking], answers: Sequence[Ranking]) -> Ranking:
        """The ranking in the order that the answers agree on; as it is if none of them is an opinion."""
        index = {id: i for i, id in enumerate(ranking.ids)}
        # An answer that is its own input counts only if every group was judged: else it is no more than the shuffle.
        orders = [
            [index[id] for id in answer.ids]
            for before, answer in zip(shuffled, answers)
            if _fully_judged(answer) or answer.ids != before.ids
        ]
        cost = total(step for answer in answers for step in answer.trace)
        usage, notes = cost.usage, cost.notes
        refused = sum(step.refused for answer in answers for step in answer.trace)
        if not answers and len(ranking):
            spent = Budget.of_limits(ranking.limits, ranking.cost.usage).exceeded(Usage(), 1, time.monotonic())
            notes, refused = (f"budget spent: {spent}",), 1
        if not orders:
            return ranking.with_step(
                Step(self.name, cost.seconds, usage, tuple(dict.fromkeys(notes)), len(ranking) > 0, refused)
            )
        if len(orders) < len(answers):
            left_out = len(answers) - len(orders)
            usage = usage + Usage(repairs={"shuffle not ranked": left_out}, mended=left_out)
        scores = borda(orders, len(ranking))
        if self.how == "kemeny":
            for rank, i in enumerate(kemeny(orders, scores)):
                scores[i] = float(len(ranking) - rank)
        step = Step(self.name, cost.seconds, usage, tuple(dict.fromkeys(notes)), refused=refused)
        return ranking.scored(scores).with_step(step)


def _fully_judged(answer: Ranking) -> bool:
    """Whether every group of an answer was judged."""
    return not answer.cost.usage.fallback


def borda(orders: Sequence[Sequence[int]], n: int) -> list[float]:
    """The mean number of candidates that each of n ranks above (Borda).

    >>> borda([[0, 1, 2], [1, 0, 2]], 3)
    [1.5, 1.5, 0.0]
    """
    points = [0.0] * n
    for order in orders:
        for rank, i in enumerate(order):
            points[i] += (n - 1 - rank) / len(orders)
    return points


def kemeny(orders: Sequence[Sequence[int]], start: Sequence[float]) -> list[int]:
    """An order in which no swap of neighbours agrees with more of the rankings (locally Kemeny-optimal), starting from
    the order of the ``start`` scores; n² steps at most.

    >>> kemeny([[0, 1, 2], [1, 2, 0], [1, 0, 2]], [0.0, 0.0, 0.0])
    [1, 0, 2]
    """
    n = len(start)
    ranks = [{i: rank for rank, i in enumerate(order)} for order in orders]
    agreed: list[int] = []
    # An insertion sort whose comparison is a vote: each candidate rises past those that a majority puts it before.
    for i in sorted(range(n), key=lambda i: -start[i]):
        position = len(agreed)
        while position and 2 * sum(rank[i] < rank[agreed[position - 1]] for rank in ranks) > len(ranks):
            position -= 1
        agreed.insert(position, i)
    return agreed
