"""The trace of a ranking: its cost and what went wrong on the way, as usage, steps and status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

SPENT = "budget spent"
"""The kind of repair of an answer that a backend didn't ask for because its own budget is spent."""

UNREACHABLE = "no connection"
"""The kind of repair of an answer that never came because the server could not be reached, or not in time. Backends
count it, so that the driver can tell a dead server from a prompt that a server refuses."""

UNANSWERED = frozenset({"no answer", "no log-probabilities", SPENT, UNREACHABLE})
"""Kinds of repairs of answers that never came: their groups were not judged, so there was nothing to mend."""

Status = Literal["ok", "repaired", "partial", "fallback"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Cost of some judgements. Adding two of them adds every count.

    ``calls`` model calls (one a prompt or pair); ``prompt_tokens``, ``completion_tokens``;
    ``truncated`` texts cut to fit; ``cached`` answers that cost nothing; ``fallback`` groups that no
    model judged, so that their members kept their order; ``repairs`` faults of answers, counted by kind; ``mended``
    answers that had such faults (one answer may have several kinds). ``cached_prompt_tokens`` and
    ``cached_completion_tokens`` are what the cached answers cost when they were first given; they count in no budget.

    >>> Usage(calls=1, repairs={"repeat": 2}) + Usage(calls=3, repairs={"repeat": 1, "missing": 4})
    Usage(calls=4, prompt_tokens=0, completion_tokens=0, truncated=0, cached=0, fallback=0, \
repairs={'repeat': 3, 'missing': 4}, mended=0, cached_prompt_tokens=0, cached_completion_tokens=0)
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    truncated: int = 0
    cached: int = 0
    fallback: int = 0
    repairs: Mapping[str, int] = field(default_factory=dict)
    mended: int = 0
    cached_prompt_tokens: int = 0
    cached_completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def repaired(self) -> int:
        """Repairs of every kind together."""
        return sum(self.repairs.values())

    def of_one_answer(self) -> Usage:
        """The same as the usage of one answer: ``mended`` is 1 if it has repairs (of other kinds than `UNANSWERED`).

        >>> Usage(calls=1, repairs={"preamble": 1, "repeat": 2}).of_one_answer().mended
        1
        """
        mended = int(any(count for kind, count in self.repairs.items() if kind not in UNANSWERED))
        return self if mended == self.mended else replace(self, mended=mended)

    def __add__(self, other: Usage) -> Usage:
        repairs = dict(self.repairs)
        for kind, count in other.repairs.items():
            repairs[kind] = repairs.get(kind, 0) + count
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.truncated + other.truncated,
            self.cached + other.cached,
            self.fallback + other.fallback,
            repairs,
            self.mended + other.mended,
            self.cached_prompt_tokens + other.cached_prompt_tokens,
            self.cached_completion_tokens + other.cached_completion_tokens,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """The work of one stage on one ranking. ``seconds`` is this query's share of the batch's wall time;
    ``notes`` say in words what a count can't (a spent budget, the error behind a fallback). ``untouched``: nothing was
    judged, so the input came through as it was. ``refused``: of the groups that no model judged, those that a spent
    budget left out. ``cut``: the ids of candidates that a cut-off by their scores dropped."""

    name: str
    seconds: float = 0.0
    usage: Usage = field(default_factory=Usage)
    notes: tuple[str, ...] = ()
    untouched: bool = False
    refused: int = field(default=0, compare=False)
    cut: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether groups were not judged for a reason that may pass, which is any but a spent budget."""
        return self.status in ("partial", "fallback") and self.refused < max(self.usage.fallback, 1)

    @property
    def status(self) -> Status:
        """``ok``; ``repaired`` (answers were mended); ``partial`` (some groups were not judged);
        ``fallback`` (none was: the stage passed its input through)."""
        if self.untouched:
            return "fallback"
        if self.usage.fallback:
            return "partial" if self.usage.calls + self.usage.cached else "fallback"
        return "repaired" if self.usage.repaired else "ok"

    def as_dict(self) -> dict[str, Any]:
        """A flat, JSON-ready form."""
        return {
            "name": self.name,
            "status": self.status,
            "seconds": round(self.seconds, 6),
            **asdict(self.usage),
            "untouched": self.untouched,
            "notes": list(self.notes),
            **({"cut": list(self.cut)} if self.cut else {}),
        }


_WORST: tuple[Status, ...] = ("ok", "repaired", "partial", "fallback")


def worst(steps: Iterable[Step]) -> Status:
    """The worst status among ``steps``; ``ok`` if there are none."""
    return max((s.status for s in steps), key=_WORST.index, default="ok")


def total(steps: Iterable[Step]) -> Step:
    """All steps as one: times and counts added, notes joined; ``untouched`` if one of them was."""
    usage, seconds, untouched, refused = Usage(), 0.0, False, 0
    notes: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    for s in steps:
        usage, seconds, notes = usage + s.usage, seconds + s.seconds, notes + s.notes
        untouched, refused, cut = untouched or s.untouched, refused + s.refused, cut + s.cut
    return Step("total", seconds, usage, notes, untouched, refused, cut)
