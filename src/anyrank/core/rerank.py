"""The one reranker: a grouping decides what is looked at together, a judge looks, the driver runs many queries in
lockstep and never loses a candidate."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from .errors import AnyrankError, InputError, JudgeError
from .groupings import Grouping, Groups, Plan, Pointwise, Scores
from .stage import Stage
from .trace import Step, Usage
from .types import Candidate, Judgement, Order, Query, Ranking

log = logging.getLogger(__name__)

Group = tuple[Query, Sequence[Candidate]]


class Judge(Protocol):
    """Scores the members of each group, higher is better: a cross-encoder, a language model, a peptide model.

    Called with any number of groups; returns one Judgement a group, in the same order. NaN marks a member it could not
    score. An exception makes the driver fall back for that group only (it splits the batch to find it).
    """

    def __call__(self, groups: Sequence[Group], /) -> Sequence[Judgement]: ...


@dataclass(slots=True)
class _Job:
    """One query on its way through a grouping."""

    ranking: Ranking
    plan: Plan
    asked: Groups = ()
    reply: Scores | None = None
    order: Order | None = None
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    spent: str = ""  # the budget that ended it, if one did
    scored: bool = False  # some member of some group was
    notes: dict[str, None] = field(default_factory=dict)

    def advance(self) -> bool:
        """Send the last reply; True while the plan asks for more."""
        n = len(self.ranking)
        try:
            self.asked = next(self.plan) if self.reply is None else self.plan.send(self.reply)
        except StopIteration as done:
            self.order = done.value
            return False
        for group in self.asked:
            if not group or len(set(group)) != len(group) or min(group) < 0 or max(group) >= n:
                raise InputError(
                    f"the grouping asked for {list(group)} of {n} candidates: expected distinct places 0 to {n - 1}"
                )
        return True


_Work = list[tuple[_Job, int]]
"""Groups to be judged: a job, and the place of the group in what it asks."""


@dataclass(frozen=True)
class Rerank(Stage):
    """A reranker: ``judge`` scores the groups that ``grouping`` asks for, many queries at once, round by round.

    The result is always a permutation of the input. Members that a judge can't score (NaN) go behind the others of
    their group; a group that it can't score at all keeps its order; both are counted in the trace.

    ``depth``: only the best ``depth`` candidates are reranked, the rest stay below. ``max_calls`` and ``max_tokens``
    are budgets a query, ``max_seconds`` a wall-clock budget of the whole batch; a spent budget ends the judging, and
    what was not judged keeps its order. A group that would pass ``max_calls``, by what groups of its size took so far
    in the batch, isn't asked; so only the first group of a batch, or one dearer than all before it, can overspend, by
    its own calls less one. Tokens and seconds are known only after a call, so they can be overspent by one sub-batch
    of ``chunk`` groups. ``strict`` raises the judge's own error instead of falling back.
    """

    judge: Judge
    grouping: Grouping = Pointwise()
    depth: int | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    chunk: int = 64
    strict: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        for what in ("depth", "max_calls", "max_tokens", "max_seconds", "chunk"):
            if (value := getattr(self, what)) is not None and not value > 0:
                raise InputError(f"{what}={value}: must be more than 0, or None for no limit")

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        deadline = math.inf if self.max_seconds is None else time.monotonic() + self.max_seconds
        heads = [r if self.depth is None else r[: self.depth] for r in rankings]
        jobs = [_Job(head, self.grouping(len(head))) for head in heads]
        patience = _Patience()
        live = [j for j in jobs if len(j.ranking) and j.advance()]
        while live:
            self._round(live, deadline, patience)
            live = [j for j in live if j.advance()]
        return [self._result(r, j) for r, j in zip(rankings, jobs)]

    def _round(self, jobs: Sequence[_Job], deadline: float, patience: _Patience) -> None:
        """Judge what every job asks for now, in one batch (in sub-batches under a budget)."""
        work = [(job, k) for job in jobs for k in range(len(job.asked))]
        for job in jobs:
            job.reply = [[-math.inf] * len(g) for g in job.asked]
        while work:
            now, work = self._affordable(work, time.monotonic() >= deadline, patience)
            self._judge(now, patience)

    def _affordable(self, work: _Work, late: bool, patience: _Patience) -> tuple[_Work, _Work]:
        """What may be judged now and what perhaps later; the groups that no budget is left for fall back."""
        now, later, planned, held = _Work(), _Work(), dict[int, int](), set[int]()  # held: jobs that wait
        timed, probing = self.max_tokens is not None or self.max_seconds is not None, False
        for i, (job, k) in enumerate(work):
            if timed and len(now) >= self.chunk:
                return now, later + work[i:]
            size, planning = len(job.asked[k]), planned.get(id(job), 0)
            need, left = patience.calls(size), math.inf if self.max_calls is None else self.max_calls - job.usage.calls
            new = self.max_calls is not None and size not in patience.seen
            waits = id(job) in held
            if not (waits or job.spent):
                job.spent = self._spent(job.usage, need, late)
                waits = planning + need > left or (new and probing)
            if job.spent:
                job.usage += Usage(fallback=1)
            elif waits:
                held.add(id(job))
                later.append((job, k))
            else:
                planned[id(job)], probing = planning + need, probing or new
                now.append((job, k))
        return now, later

    def _spent(self, usage: Usage, need: int, late: bool) -> str:
        """The budget that a further group of ``need`` calls would pass, if there is one."""
        if self.max_calls is not None and usage.calls + need > self.max_calls:
            return f"max_calls={self.max_calls}"
        if self.max_tokens is not None and usage.tokens >= self.max_tokens:
            return f"max_tokens={self.max_tokens}"
        return f"max_seconds={self.max_seconds}" if late else ""

    def _judge(self, todo: _Work, patience: _Patience) -> None:
        groups = [(j.ranking.query, [j.ranking[i] for i in j.asked[k]]) for j, k in todo]
        start = time.perf_counter()
        said = self._ask(groups, patience) if groups else []
        share = (time.perf_counter() - start) / max(len(todo), 1)
        for (job, k), (_, members), answer in zip(todo, groups, said):
            job.seconds += share
            scores, usage, note = _read(answer, len(members))
            patience.learn(len(members), usage.calls + usage.cached)
            job.usage += usage
            job.scored = job.scored or any(map(math.isfinite, scores))
            if note:
                job.notes[note] = None
            job.reply[k] = scores  # type: ignore[index]

    def _ask(self, groups: Sequence[Group], patience: _Patience) -> list[Judgement | Exception]:
        """The judge's answers; where it raises, the batch is halved until the groups at fault stand alone."""
        try:
            said = list(self.judge(groups))
            if len(said) != len(groups):
                raise JudgeError(f"the judge gave {len(said)} judgements for {len(groups)} groups")
            patience.left = _Patience.FULL
            return list(said)
        except Exception as error:
            if self.strict or (isinstance(error, AnyrankError) and not isinstance(error, JudgeError)):
                raise
            patience.left -= 1
            if len(groups) == 1 or patience.left <= 0:
                return [error] * len(groups)
            mid = len(groups) // 2
            return self._ask(groups[:mid], patience) + self._ask(groups[mid:], patience)

    def _result(self, whole: Ranking, job: _Job) -> Ranking:
        done = job.ranking.ordered(job.order) if job.order and job.scored else job.ranking
        rest = whole.candidates[len(done) :]
        if rest:
            below = (c.rescored(done[-1].score - 1.0 - i) for i, c in enumerate(rest))
            done = replace(done, candidates=(*done.candidates, *below))
        if job.usage.fallback and job.notes:
            what = (self.label, job.usage.fallback, whole.query.id, next(iter(job.notes)))
            log.warning("%s: %d group(s) of query %s kept their order: %s", *what)
        notes = tuple(job.notes) + ((f"budget spent: {job.spent}",) if job.spent else ())
        untouched = job.usage.fallback > 0 and not job.scored
        return done.with_step(Step(self.label, job.seconds, job.usage, notes, untouched))

    @property
    def label(self) -> str:
        """The name in traces."""
        return self.name or f"{type(self.judge).__name__}/{type(self.grouping).__name__}"


class _Patience:
    """What a batch has learnt of its judge: the calls a group takes, and how many more calls may fail in a row before
    the groups of a failed batch fall back together, so that a dead judge isn't asked about every group alone."""

    FULL = 64

    def __init__(self) -> None:
        self.left = self.FULL
        self.seen: dict[int, int] = {}  # the most calls that a group of each size took

    def learn(self, size: int, calls: int) -> None:
        self.seen[size] = max(self.seen.get(size, 1), calls)

    def calls(self, size: int) -> int:
        """The calls to expect of a group: as of its size, else as of a larger or in proportion to a smaller one."""
        other = (c if size < s or c == 1 < s else -(-c * size // s) for s, c in self.seen.items())
        return self.seen.get(size) or max(other, default=1)


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _read(answer: Judgement | Exception, n: int) -> tuple[list[float], Usage, str]:
    """Scores fit for a grouping (never NaN), what they cost, and a note. Unread members get -inf."""
    if isinstance(answer, Exception):
        return [-math.inf] * n, Usage(fallback=1), _say(answer)
    try:
        scores = [float(s) for s in answer.scores]
        usage, said = answer.usage, answer.note[:300]
    except (AttributeError, TypeError, ValueError) as error:
        return [-math.inf] * n, Usage(calls=1, fallback=1), f"unreadable judgement: {_say(error)}"
    if len(scores) != n:
        return [-math.inf] * n, usage + Usage(fallback=1), f"{len(scores)} scores for a group of {n}"
    unread = sum(math.isnan(s) or s == math.inf for s in scores)
    if unread == n:
        return [-math.inf] * n, usage + Usage(fallback=1), said or "no member of a group was scored"
    if unread:
        scores = [-math.inf if math.isnan(s) or s == math.inf else s for s in scores]
        usage = usage + Usage(repairs={"not a number": unread})
    return scores, usage, said


def each(groups: Sequence[Group]) -> Iterator[tuple[Query, Candidate]]:
    """All (query, candidate) pairs of some groups, in order: what a pointwise judge scores."""
    for query, members in groups:
        for candidate in members:
            yield query, candidate
