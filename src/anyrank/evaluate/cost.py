"""The cost of a run: time, calls, tokens and memory, summed from the traces of its rankings."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.trace import Step, Usage, total
from ..core.types import Ranking

_NOTES = 5  # distinct notes that a step keeps


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a run. ``steps`` has one step per stage name, summed over the queries; ``statuses`` counts the
    queries that ended ``ok``, ``repaired``, ``partial`` and ``fallback``; ``peak_mb`` is the peak memory of the process
    in MB, if it was measured."""

    queries: int
    steps: tuple[Step, ...] = ()
    statuses: Mapping[str, int] = field(default_factory=dict)
    peak_mb: float | None = None

    @classmethod
    def of(cls, rankings: Sequence[Ranking], peak_mb: float | None = None) -> Cost:
        by_name: dict[str, list[Step]] = {}
        for r in rankings:
            for step in r.trace:
                by_name.setdefault(step.name, []).append(step)
        return cls(
            len(rankings),
            tuple(_sum(name, steps) for name, steps in by_name.items()),
            dict(Counter(r.status for r in rankings)),
            peak_mb,
        )

    @property
    def usage(self) -> Usage:
        return total(self.steps).usage

    @property
    def ms(self) -> float:
        """Milliseconds per query."""
        return 1000 * sum(s.seconds for s in self.steps) / max(self.queries, 1)

    def as_row(self) -> dict[str, float | int | None]:
        """The columns shown beside quality: ms, calls and tokens a query; the rest are counts over all queries."""
        u, n = self.usage, max(self.queries, 1)
        return {
            "ms": self.ms,
            "calls": u.calls / n,
            "tokens": u.tokens / n,
            "truncated": u.truncated,
            "repaired": u.repaired,
            "fallback": u.fallback,
            "cached": u.cached,
            "peak_mb": self.peak_mb,
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Cost:
        steps = (Step(s["name"], s["seconds"], Usage(**s["usage"]), tuple(s["notes"])) for s in d["steps"])
        return cls(d["queries"], tuple(steps), d["statuses"], d["peak_mb"])


def _sum(name: str, steps: Sequence[Step]) -> Step:
    usage = Usage()
    for s in steps:
        if s.usage != _NOTHING:
            usage = usage + s.usage
    notes = dict.fromkeys(n for s in steps for n in s.notes)
    return Step(name, sum(s.seconds for s in steps), usage, tuple(notes)[:_NOTES])


_NOTHING = Usage()


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in MB (it never falls, so take it after each pipeline)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
