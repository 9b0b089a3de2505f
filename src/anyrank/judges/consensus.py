"""Consensus: the same reranker on several shuffles of its input, and the rankings agreed on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..core.errors import InputError
from ..core.rerank import Rerank
from ..core.stage import Stage
from ..core.trace import Step, Usage, total
from ..core.types import Ranking


@dataclass(frozen=True)
class SelfConsistency(Stage):
    """A stage asked about ``shuffles`` random orders of its input (the first is the input's own order), all in one
    batch; the answers are joined by ``how``: ``borda`` points, or ``kemeny``, the Borda order improved until no swap
    of neighbours agrees with more of the rankings (permutation self-consistency, arXiv 2310.07712).

    Against the bias for places in a prompt. Costs ``shuffles`` times the stage. A shuffle that the stage only passed
    through is no opinion and doesn't count.
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
        """The same under budgets a query (``max_calls``, ``max_tokens``), of which each shuffle gets an equal share;
        ``max_seconds`` is the whole batch's. Raises InputError where a share is less than one, for other names, and
        where the inner stage is not a `Rerank`."""
        if not isinstance(self.stage, Rerank) or budgets.keys() - {"max_calls", "max_tokens", "max_seconds"}:
            raise InputError(f"{self.name} takes no {', '.join(budgets)}")
        shares = dict(budgets)
        for what in ("max_calls", "max_tokens"):
            if what in shares and (whole := shares[what]) is not None:
                shares[what] = whole // self.shuffles
                if shares[what] < 1:
                    raise InputError(f"{what}={whole}: less than one for each of {self.shuffles} shuffles")
        return replace(self, stage=replace(self.stage, **shares))

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        asked = [self._shuffled(r, i) for r in rankings for i in range(self.shuffles)]
        done = self.stage.batch(asked)
        voted = [_read(a) or a.ids != before.ids for before, a in zip(asked, done)]
        parts = [slice(i * self.shuffles, (i + 1) * self.shuffles) for i in range(len(rankings))]
        return [self._agree(r, done[part], voted[part]) for r, part in zip(rankings, parts)]

    def _shuffled(self, ranking: Ranking, i: int) -> Ranking:
        members = list(ranking.candidates)
        if i:
            random.Random(f"{self.seed}/{i}/{ranking.query.id}").shuffle(members)
        return replace(ranking, candidates=tuple(members), trace=())

    def _agree(self, ranking: Ranking, answers: Sequence[Ranking], voted: Sequence[bool]) -> Ranking:
        place = {id: i for i, id in enumerate(ranking.ids)}
        orders = [[place[id] for id in a.ids] for a, vote in zip(answers, voted) if vote]
        cost = total(s for a in answers for s in a.trace)
        usage, notes = cost.usage, cost.notes
        if orders and len(orders) < len(answers):
            usage = usage + Usage(repairs={"shuffle not ranked": len(answers) - len(orders)})
        step = Step(self.name, cost.seconds, usage, tuple(dict.fromkeys(notes)), untouched=bool(answers) and not orders)
        points = borda(orders, len(ranking))
        scores = points if orders else [0.0] * len(ranking)
        if orders and self.how == "kemeny":
            scores = [0.0] * len(ranking)
            for rank, i in enumerate(kemeny(orders, points)):
                scores[i] = float(len(ranking) - rank)
        return (ranking.scored(scores) if orders else ranking).with_step(step)


def _read(answer: Ranking) -> bool:
    """Whether every group of an answer was judged."""
    usage = answer.cost.usage
    return not usage.fallback and "unread pair" not in usage.repairs


def borda(orders: Sequence[Sequence[int]], n: int) -> list[float]:
    """Mean number of others that each of n candidates stands before.

    >>> borda([[0, 1, 2], [1, 0, 2]], 3)
    [1.5, 1.5, 0.0]
    """
    points = [0.0] * n
    for order in orders:
        for rank, i in enumerate(order):
            points[i] += (n - 1 - rank) / len(orders)
    return points


def kemeny(orders: Sequence[Sequence[int]], start: Sequence[float]) -> list[int]:
    """An order in which no neighbours stand against the majority (locally Kemeny-optimal), found from the order of
    the ``start`` scores; n² steps at most.

    >>> kemeny([[0, 1, 2], [1, 2, 0], [1, 0, 2]], [0.0, 0.0, 0.0])
    [1, 0, 2]
    """
    n = len(start)
    places = [{i: rank for rank, i in enumerate(order)} for order in orders]
    out: list[int] = []
    for i in sorted(range(n), key=lambda i: -start[i]):
        at = len(out)
        while at and 2 * sum(p[i] < p[out[at - 1]] for p in places) > len(places):
            at -= 1
        out.insert(at, i)
    return out
