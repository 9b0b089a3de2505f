"""Outage: whether a judge's server is still to be called after calls that got no connection or no answer in time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import JudgeError
from .trace import UNREACHABLE
from .types import Judgement

NEVER_SERVED = 2
"""Failures in a row after which a server that never gave an answer is not called any more: one may be an accident."""
SERVED_BEFORE = 8
"""The same of a server that gave answers before."""
PAUSE = 60.0
"""Seconds after which it is called again, for programs that run for long."""

Result = Judgement | Exception


@dataclass(slots=True)
class Outage:
    """The failures in a row of one reranker's judge by lack of a connection or by timeouts. Other errors (a refused
    prompt, an unreadable answer) come from a server that lives.

    >>> outage = Outage()
    >>> outage.record([ConnectionError("refused"), ConnectionError("refused")], now=0.0)
    >>> outage.skips(1.0), outage.skips(61.0)
    (True, False)
    """

    failures: int = 0
    served: bool = False
    last: float = -math.inf  # the moment of the last failure
    reason: str = ""

    def skips(self, now: float) -> bool:
        """Whether the judge is not to be called at this moment of ``time.monotonic()``."""
        return self.failures >= (SERVED_BEFORE if self.served else NEVER_SERVED) and now < self.last + PAUSE

    def record(self, results: Sequence[Result], now: float) -> None:
        """What came of groups that were judged together. If one of them was answered, the server lives."""
        failed = [r for r in results if unreachable(r)]
        if any(isinstance(r, Judgement) and not unreachable(r) for r in results):
            self.failures, self.served = 0, True
        elif failed:
            self.failures, self.last = self.failures + len(failed), now
            first = failed[0]
            self.reason = first.note if isinstance(first, Judgement) else f"{type(first).__name__}: {first}"

    @property
    def error(self) -> JudgeError:
        """The error of a group for which the judge was not called."""
        return JudgeError(f"not called any more after {self.failures} failures in a row ({self.reason})")


def unreachable(result: Result) -> bool:
    """Whether a group has no scores because the judge's server could not be reached, or not in time."""
    if isinstance(result, Exception):
        return isinstance(result, ConnectionError | TimeoutError)
    try:
        return bool(result.usage.repairs.get(UNREACHABLE)) and not any(map(math.isfinite, result.scores))
    except Exception:  # noqa: BLE001 - a judge's own objects may do anything
        return False
