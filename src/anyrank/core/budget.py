"""Budgets: what a stage may spend on a query, and which groups can still be judged within it.

The driver of `Rerank` keeps an `Account` for each query. Before every batch it asks `affordable` which groups may be
judged now, which must wait until the price of others is known, and which no limit leaves room for; after it, it tells
the `CallEstimate` what the groups took.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .limits import Limits
from .trace import Usage


@dataclass(frozen=True, slots=True)
class Bound:
    """The most of one thing (calls, tokens, seconds, or a moment of ``time.monotonic()``), and how a step's note names
    it."""

    most: float = math.inf
    name: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """The bounds of one stage on one query. ``seconds`` are the query's share of the batches that it is judged in.

    >>> own = Budget.of_stage(max_calls=12)
    >>> shared = Budget.of_limits(Limits(max_calls=20), spent=Usage(calls=15))
    >>> own.stricter(shared).calls
    Bound(most=5, name='limits.max_calls=20')
    """

    calls: Bound = Bound()
    tokens: Bound = Bound()
    deadline: Bound = Bound()
    seconds: Bound = Bound()

    @classmethod
    def of_stage(
        cls,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        max_seconds: float | None = None,
        max_ms: float | None = None,
        start: float = 0.0,
    ) -> Budget:
        """A stage's own options; ``max_seconds`` count from ``start``."""
        return cls(
            Bound() if max_calls is None else Bound(max_calls, f"max_calls={max_calls}"),
            Bound() if max_tokens is None else Bound(max_tokens, f"max_tokens={max_tokens}"),
            Bound() if max_seconds is None else Bound(start + max_seconds, f"max_seconds={max_seconds}"),
            Bound() if max_ms is None else Bound(max_ms / 1000, f"max_ms={max_ms}"),
        )

    @classmethod
    def of_limits(cls, limits: Limits, spent: Usage) -> Budget:
        """The rest of a ranking's limits after what earlier stages have spent on it."""
        left = limits.less(spent)
        return cls(
            Bound() if left.max_calls is None else Bound(left.max_calls, f"limits.max_calls={limits.max_calls}"),
            Bound() if left.max_tokens is None else Bound(left.max_tokens, f"limits.max_tokens={limits.max_tokens}"),
            Bound() if left.deadline is None else Bound(left.deadline, "limits.deadline"),
        )

    def stricter(self, other: Budget) -> Budget:
        """The smaller bound of each kind."""
        names = ("calls", "tokens", "deadline", "seconds")
        pairs = ((getattr(self, name), getattr(other, name)) for name in names)
        return Budget(*(min(pair, key=lambda bound: bound.most) for pair in pairs))

    @property
    def known_after(self) -> bool:
        """Whether something is bounded that is only known after a call: tokens and time."""
        return min(self.tokens.most, self.deadline.most, self.seconds.most) < math.inf

    def exceeded(self, usage: Usage, calls: int, now: float, seconds: float = 0.0) -> str:
        """The name of the bound that ``calls`` more calls would pass after ``usage``, or that the moment ``now`` or the
        query's own ``seconds`` reach; empty if there is none."""
        if usage.calls + calls > self.calls.most:
            return self.calls.name
        if usage.tokens >= self.tokens.most:
            return self.tokens.name
        if now >= self.deadline.most:
            return self.deadline.name
        return self.seconds.name if seconds >= self.seconds.most else ""


@dataclass(slots=True)
class Account:
    """One query in one stage: its budget, what was spent, its share of the seconds, and the name of the bound that
    ended its judging, if any."""

    budget: Budget = Budget()
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    ended_by: str = ""


PROBE = 4
"""Groups of the first batch under a deadline, which shows how fast the judge is."""


class CallEstimate:
    """The calls that a judge makes for a group of each size, and the time it takes, learnt from the groups judged so
    far.

    A judge may make one call a group (a listwise prompt), one a member (a cross-encoder) or one a pair.

    >>> estimate = CallEstimate()
    >>> estimate.expect(20)
    1
    >>> estimate.learn(10, 10)
    >>> estimate.expect(20), estimate.expect(5)
    (20, 10)
    """

    def __init__(self) -> None:
        self._most: dict[int, int] = {}  # size of a group -> the most calls that one took
        self._pace = 0.0  # seconds a member in the last batch; 0 before it

    def learn(self, size: int, calls: int) -> None:
        """A group of this size took so many calls, answers from a cache included."""
        self._most[size] = max(self._most.get(size, 1), calls)

    def knows(self, size: int) -> bool:
        """Whether a group of this size was judged."""
        return size in self._most

    def expect(self, size: int) -> int:
        """The calls to expect of a group: the most that one of its size took; else as many as a larger one, or in
        proportion to a smaller one (but for judges of one call a group); 1 before anything is known."""
        others = (
            calls if size < known or calls == 1 < known else math.ceil(calls * size / known)
            for known, calls in self._most.items()
        )
        return self._most.get(size) or max(others, default=1)

    def learn_pace(self, members: int, seconds: float) -> None:
        """A batch with so many members in all its groups took so long."""
        self._pace = seconds / members

    def seconds(self, size: int) -> float:
        """The seconds to expect of a group, by the last batch's pace; 0 before one is known."""
        return self._pace * size

    def batch(self, seconds: float, size: int) -> float:
        """How many groups of ``size`` are judged in so many seconds, by the last batch's pace: at least 1, and `PROBE`
        before anything is known.

        >>> estimate = CallEstimate()
        >>> estimate.batch(2.0, size=1), estimate.batch(math.inf, size=1)
        (4, inf)
        >>> estimate.learn_pace(members=4, seconds=1.0)
        >>> estimate.batch(2.0, size=1), estimate.batch(0.1, size=1)
        (8.0, 1)
        """
        if seconds == math.inf:
            return math.inf
        return max(1, seconds // (self._pace * max(size, 1))) if self._pace else PROBE


class Split(NamedTuple):
    """Positions of groups: those to judge now, those to decide on afterwards, those that no budget is left for."""

    now: list[int]
    later: list[int]
    refused: list[int]


def affordable(groups: Sequence[tuple[Account, int]], estimate: CallEstimate, *, time: float, chunk: int) -> Split:
    """Which of some groups, each given as its query's account and its size, may be judged in one batch.

    No query gets more calls than its budget by the estimate; a group that would pass it is refused, with all groups of
    its query after it. While a group of a size that nothing is known of is judged, those under a bound on calls whose
    price isn't known either wait, so that a judge's price is learnt before it is overspent twice. Under a bound on
    tokens or time a batch has at most ``chunk`` groups, and no more than the time that is left allows. A query with a
    time of its own gets one group at least, and then as many as fit into it.
    """
    split = Split([], [], [])
    most = math.inf  # groups of the batch
    if any(account.budget.known_after for account, _ in groups):
        left = min(account.budget.deadline.most for account, _ in groups) - time
        most = min(chunk, estimate.batch(max(left, 0.0), max(size for _, size in groups)))
        if not estimate.seconds(1) and any(account.budget.seconds.most < math.inf for account, _ in groups):
            most = min(most, PROBE)
    planned: dict[int, int] = {}  # calls that the batch is expected to take, by account
    busy: dict[int, float] = {}  # seconds that it is expected to take, by account
    waiting: set[int] = set()  # accounts with a group put off: all that follow of it wait too, to keep their order
    exploring = False  # whether the batch has a group of unknown price
    for position, (account, size) in enumerate(groups):
        if len(split.now) >= most:
            split.later.extend(range(position, len(groups)))
            break
        key, need, bound = id(account), estimate.expect(size), account.budget.calls.most
        unknown = bound < math.inf and not estimate.knows(size)
        if key not in waiting and not account.ended_by:
            took, takes, own = busy.get(key, 0.0), estimate.seconds(size), account.budget.seconds.most
            # The first group is judged however long it takes; those after it, if they are likely to fit.
            account.ended_by = account.budget.exceeded(
                account.usage, need, time, account.seconds and account.seconds + takes
            )
            # There is room for this group, but perhaps not beside those of its query that are in the batch already:
            # these may turn out cheaper than expected (cached), so it waits for what they really take.
            no_room = planned.get(key, 0) + need > bound - account.usage.calls
            late = took > 0 and account.seconds + took + takes > own
            if not account.ended_by and (no_room or late or (unknown and exploring)):
                waiting.add(key)
        if account.ended_by:
            split.refused.append(position)
        elif key in waiting:
            split.later.append(position)
        else:
            split.now.append(position)
            planned[key] = planned.get(key, 0) + need
            busy[key] = busy.get(key, 0.0) + estimate.seconds(size)
            exploring = exploring or not estimate.knows(size)
    return split
