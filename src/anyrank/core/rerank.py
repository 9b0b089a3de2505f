"""The one reranker: a grouping decides what is judged together, a judge scores it, the driver runs many queries in
lockstep and never loses a candidate."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from numbers import Integral
from typing import Protocol, runtime_checkable

from .budget import Account, Budget, CallEstimate, affordable
from .content import is_blank
from .errors import AnyrankError, InputError, JudgeError, quoted
from .groupings import Grouping, Groups, Plan, Pointwise, Scores
from .limits import until
from .outage import Outage
from .stage import Stage
from .trace import SPENT, Step, Usage
from .types import Candidate, Judgement, Order, Query, Ranking, read_together

log = logging.getLogger(__name__)

Group = tuple[Query, Sequence[Candidate]]


class Judge(Protocol):
    """Scores the members of each group, higher is better: a cross-encoder, a language model, a peptide model.

    Called with any number of groups; returns one Judgement a group, in the same order. NaN marks a member it could not
    score. An exception makes the driver fall back for that group only (it splits the batch to find it).
    """

    def __call__(self, groups: Sequence[Group], /) -> Sequence[Judgement]: ...


@runtime_checkable
class ScoresBlank(Protocol):
    """A judge that sees by itself which candidates have no content (`is_blank`), and scores those alone -inf: one that
    knows stored vectors, so that the driver need not read every document first."""

    @property
    def scores_blank(self) -> bool: ...


Summand = tuple[str, float, tuple[int, int]]
"""A text, what it adds to a candidate's score, and its span [start, end) in the candidate's text."""


@runtime_checkable
class ExplainsScores(Protocol):
    """A judge that says what the score of each member of a group is made of: its summands add up to the score that the
    judge gives the member in this group. None where it can't say."""

    def summands(self, group: Group) -> list[list[Summand]]: ...


@dataclass(frozen=True)
class Rerank(Stage):
    """A reranker: ``judge`` scores the groups that ``grouping`` yields, many queries at once, round by round.

    The result is always a permutation of the input. Members that a judge can't score (NaN) go behind the others of
    their group; a group that it can't score at all keeps its order; both are counted in the trace. Candidates without
    content (an empty or blank text) are not shown to the judge: they come last of all, and a note counts them.

    A judge whose server can't be reached, or doesn't answer in time, is not called for ever: after some failures in a
    row (`Outage`) the other groups keep their order, and the notes say why.

    ``depth``: only the best ``depth`` candidates are reranked, the rest stay below. ``max_calls``, ``max_tokens`` and
    ``max_ms`` (milliseconds of wall-clock time; of queries judged together each has its share by what is judged) are
    budgets a query, ``max_seconds`` one of the whole batch; beside them each ranking's own limits hold
    (`Ranking.limits`, which count what earlier stages spent too), whichever is stricter. A spent budget ends the
    judging, what was not judged keeps its order, and the step's notes name the limit.

    A group that would pass the limit of calls, by what groups of its size took so far in the batch, isn't judged; so
    only the first group of a batch, or one dearer than all before it, can overspend, by its own calls less one. Tokens
    and seconds are known only after a call, so they can be overspent by one sub-batch of ``chunk`` groups; under a
    bound on time it has as many as the time left allows by the pace of the one before, and the first only a few.
    ``strict`` raises the judge's own error instead of falling back.
    """

    judge: Judge
    grouping: Grouping = Pointwise()
    depth: int | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    max_ms: float | None = None
    chunk: int = 64
    strict: bool = False
    name: str = ""
    outage: Outage = field(default_factory=Outage, init=False, repr=False, compare=False)
    """Kept from batch to batch, so that a long job doesn't wait for a dead server at every batch."""

    def __post_init__(self) -> None:
        for option in ("depth", "max_calls", "max_tokens", "max_seconds", "max_ms", "chunk"):
            if (value := getattr(self, option)) is not None and not value > 0:
                raise InputError(f"{option}={value}: must be more than 0, or None for no limit")

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        own = Budget.of_stage(self.max_calls, self.max_tokens, self.max_seconds, self.max_ms, time.monotonic())
        if not self._finds_blank:
            read_together(candidate for ranking in rankings for candidate in ranking[: self.depth])
        runs = [self._start(ranking, own) for ranking in rankings]
        # What this batch learns of its judge: how often it fails, what a group costs, and how long it takes.
        failures, estimate = _Failures(), CallEstimate()
        active = [run for run in runs if len(run.ranking) and run.advance()]
        while active:
            self._round(active, failures, estimate)
            active = [run for run in active if run.advance()]
        return [self._result(ranking, run) for ranking, run in zip(rankings, runs)]

    def _start(self, ranking: Ranking, own: Budget) -> _Run:
        head = ranking if self.depth is None else ranking[: self.depth]
        blank = [] if self._finds_blank else [c for c in head if is_blank(c.content)]
        if blank:
            ids = {c.id for c in blank}
            head = replace(head, candidates=tuple(c for c in head if c.id not in ids))
        limits = Budget.of_limits(ranking.limits, ranking.cost.usage)
        return _Run(head, self.grouping(len(head)), Account(own.stricter(limits)), blank=blank)

    @property
    def _finds_blank(self) -> bool:
        """Whether the judge finds candidates without content by itself."""
        return isinstance(self.judge, ScoresBlank) and self.judge.scores_blank

    def _round(self, runs: Sequence[_Run], failures: _Failures, estimate: CallEstimate) -> None:
        """Judge the groups that every run waits for, in one batch (under budgets in several).

        Groups that no budget is left for keep -inf for every member, which leaves them in their order.
        """
        pending = [(run, position) for run in runs for position in range(len(run.groups))]
        for run in runs:
            run.scores = [[-math.inf] * len(group) for group in run.groups]
        while pending:
            costs = [(run.account, len(run.groups[position])) for run, position in pending]
            split = affordable(costs, estimate, time=time.monotonic(), chunk=self.chunk)
            for i in split.refused:
                pending[i][0].account.usage += Usage(fallback=1)
                pending[i][0].refused += 1
            self._judge([pending[i] for i in split.now], failures, estimate)
            pending = [pending[i] for i in split.later]

    def _judge(self, requests: Sequence[tuple[_Run, int]], failures: _Failures, estimate: CallEstimate) -> None:
        """Judge some groups, each given as a run and a position among its groups, in one batch."""
        if not requests:
            return
        groups = [(run.ranking.query, [run.ranking[i] for i in run.groups[position]]) for run, position in requests]
        read_together(candidate for _, members in groups for candidate in members)
        start = time.perf_counter()
        with until(max(run.account.budget.deadline.most for run, _ in requests)):
            judgements = self._judge_or_split(groups, failures)
        finds_blank = self._finds_blank
        seconds = time.perf_counter() - start
        judged = sum(len(members) for _, members in groups)
        estimate.learn_pace(judged, seconds)
        for (run, position), (_, members), judgement in zip(requests, groups, judgements):
            scores, usage, note = _checked(judgement, len(members))
            estimate.learn(len(members), usage.calls + usage.cached)
            if finds_blank:
                run.mark_blank(m for m, score in zip(members, scores) if score == -math.inf and is_blank(m.content))
            run.record(position, scores, usage, note, seconds * len(members) / judged)

    def _judge_or_split(self, groups: Sequence[Group], failures: _Failures) -> list[Judgement | Exception]:
        """The judge's answers; if it raises, the batch is halved until the groups at fault are alone. None is asked
        for if its server is down."""
        if self.outage.skips(time.monotonic()):
            return [self.outage.error] * len(groups)
        try:
            judgements = list(self.judge(groups))
            if len(judgements) != len(groups):
                raise JudgeError(f"the judge gave {len(judgements)} judgements for {len(groups)} groups")
        except Exception as error:
            # Our own errors but the judge's (bad input, a missing model) would come again with every group.
            if self.strict or (isinstance(error, AnyrankError) and not isinstance(error, JudgeError)):
                raise
            failures.in_a_row += 1
            if len(groups) == 1 or failures.too_many:
                self.outage.record([error] if len(groups) == 1 else [], time.monotonic())
                return [error] * len(groups)
            middle = len(groups) // 2
            return self._judge_or_split(groups[:middle], failures) + self._judge_or_split(groups[middle:], failures)
        failures.in_a_row = 0
        self.outage.record(judgements, time.monotonic())
        return list(judgements)

    def _result(self, whole: Ranking, run: _Run) -> Ranking:
        """The reranked head, the rest of the ranking below it, what has no content at the end, and this stage's step
        in the trace."""
        usage, ended_by = run.account.usage, run.account.ended_by
        untouched = usage.fallback > 0 and not run.any_scored
        # A sort by ties alone can move candidates (a heap does), so its order counts only if something was scored.
        result = run.ranking.ordered(run.order) if run.order and run.any_scored else run.ranking
        if untouched or len(run.blank) == len(whole):
            result = whole
        elif len(whole) > len(result) or run.blank:
            blank = {c.id for c in run.blank}
            judged = [c for c in result if c.id not in blank]
            rest = [*whole.candidates[len(whole if self.depth is None else whole[: self.depth]) :], *run.blank]
            last = judged[-1].score if judged else 0.0
            below = (c.rescored(last - 1.0 - i) for i, c in enumerate(rest))
            result = replace(result, candidates=(*judged, *below))
        if usage.fallback and run.notes:
            note, message = next(iter(run.notes)), "%s: %d group(s) of query %s kept their order: %s"
            log.warning(message, self.label, usage.fallback, whole.query.id, note)
        notes = tuple(run.notes) + ((f"budget spent: {ended_by}",) if ended_by else ())
        if usage.truncated:
            cut = f"{usage.truncated} texts of {len(run.ranking)} candidates were cut to the model's length"
            notes += (f"{cut}: passages(…) reads them whole",)
        if run.blank:
            notes += (f"{len(run.blank)} of {len(whole)} candidates have no content: they come last",)
        return result.with_step(Step(self.label, run.account.seconds, usage, notes, untouched, run.refused))

    @property
    def label(self) -> str:
        """The name in traces."""
        return self.name or f"{type(self.judge).__name__}/{type(self.grouping).__name__}"


@dataclass(slots=True)
class _Run:
    """One ranking on its way through the grouping: the groups it waits for, their scores, and what it took so far."""

    ranking: Ranking
    plan: Plan
    account: Account
    groups: Groups = ()
    scores: Scores | None = None  # of ``groups``; None before the first round
    order: Order | None = None  # what the grouping returned in the end
    any_scored: bool = False  # whether any member of any group was
    refused: int = 0  # groups that a spent budget left out
    blank: list[Candidate] = field(default_factory=list)  # those without content
    notes: dict[str, None] = field(default_factory=dict)  # in the order of their first occurrence

    def advance(self) -> bool:
        """Send the scores to the grouping; True while it yields more groups. Raises InputError on groups that are not
        of distinct indices."""
        n = len(self.ranking)
        try:
            self.groups = next(self.plan) if self.scores is None else self.plan.send(self.scores)
        except StopIteration as end:
            self.order = end.value
            return False
        for group in self.groups:
            if not group or len(set(group)) != len(group) or min(group) < 0 or max(group) >= n:
                raise InputError(
                    f"the grouping asked for {list(group)} of {n} candidates: expected distinct indices 0 to {n - 1}"
                )
        return True

    def mark_blank(self, candidates: Iterable[Candidate]) -> None:
        """Some candidates have no content."""
        known = {c.id for c in self.blank}
        self.blank += [c for c in candidates if c.id not in known]

    def record(self, position: int, scores: list[float], usage: Usage, note: str, seconds: float) -> None:
        """Keep the scores of one group and what they took."""
        self.scores[position] = scores  # type: ignore[index]
        self.account.usage += usage
        self.account.seconds += seconds
        self.any_scored = self.any_scored or any(map(math.isfinite, scores))
        self.refused += bool(usage.fallback and usage.repairs.get(SPENT))
        if note:
            self.notes[note] = None


class _Failures:
    """How often a judge failed in a row within a batch. After ``LIMIT`` the groups of a failed batch fall back
    together, so that a dead judge isn't called for every group alone."""

    LIMIT = 64

    def __init__(self) -> None:
        self.in_a_row = 0

    @property
    def too_many(self) -> bool:
        return self.in_a_row >= self.LIMIT


def _checked(judgement: Judgement | Exception, n: int) -> tuple[list[float], Usage, str]:
    """Scores fit for a grouping (never NaN), what they cost, and a note. Unread members get -inf."""
    unknown = [-math.inf] * n
    if isinstance(judgement, Exception):
        return unknown, Usage(fallback=1), _described(judgement)
    try:
        # Any error may come from an object of the judge's own, and must not cost the other groups of the batch.
        scores = [float(score) for score in judgement.scores]
        usage, note = _checked_usage(judgement.usage), str(judgement.note)[:300]
    except Exception as error:  # noqa: BLE001
        return unknown, Usage(calls=1, fallback=1), f"unreadable judgement: {_described(error)}"[:300]
    if len(scores) != n:
        return unknown, usage + Usage(fallback=1), f"{len(scores)} scores for a group of {n}"
    unread = sum(math.isnan(s) or s == math.inf for s in scores)
    if unread == n:
        return unknown, usage + Usage(fallback=1), note or "no member of a group was scored"
    if unread:
        scores = [-math.inf if math.isnan(s) or s == math.inf else s for s in scores]
        usage = usage + Usage(repairs={"not a number": unread})
    return scores, usage if usage.mended else usage.of_one_answer(), note


def _checked_usage(usage: Usage) -> Usage:
    """The usage if it can be added to others. Raises TypeError or ValueError if it is none, or a count is no whole
    number from 0 on."""
    if not isinstance(usage, Usage):
        raise TypeError(f"usage is a {type(usage).__name__}, not a Usage")
    names = (f.name for f in fields(Usage) if f.name != "repairs")
    for name, count in [*((name, getattr(usage, name)) for name in names), *usage.repairs.items()]:
        if not isinstance(count, Integral) or count < 0:
            raise ValueError(f"usage counts {quoted(count)} {name}")
    return usage


def _described(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:300]
    except Exception:  # noqa: BLE001 - an error whose own text fails
        return type(error).__name__


def each(groups: Sequence[Group]) -> Iterator[tuple[Query, Candidate]]:
    """All (query, candidate) pairs of some groups, in order: what a pointwise judge scores."""
    for query, members in groups:
        for candidate in members:
            yield query, candidate
