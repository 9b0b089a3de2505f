"""Limits: how much time, how many calls and how many tokens the work on a query may take."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from .errors import InputError
from .trace import Usage


@dataclass(frozen=True, slots=True)
class Limits:
    """One way for a request, a command and a test to bound the cost of a ranking.

    ``deadline`` is a moment of ``time.monotonic()`` (see `within`), ``max_calls`` and ``max_tokens`` are a query's, for
    all stages of a pipeline together. A stage that meets a limit ends early with a valid ranking, and its step in the
    trace says which one. None is no limit; 0 is left of a limit that is spent.

    >>> Limits(max_calls=20).less(Usage(calls=15))
    Limits(deadline=None, max_calls=5, max_tokens=None)
    """

    deadline: float | None = None
    max_calls: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_calls", "max_tokens"):
            if (value := getattr(self, name)) is not None and not value >= 0:
                raise InputError(f"{name}={value}: must not be less than 0; None for no limit")

    @classmethod
    def within(
        cls, seconds: float | None = None, *, max_calls: int | None = None, max_tokens: int | None = None
    ) -> Limits:
        """Limits with a deadline so many seconds from now."""
        for name, value in {"seconds": seconds, "max_calls": max_calls, "max_tokens": max_tokens}.items():
            if value is not None and not value > 0:
                raise InputError(f"{name}={value}: must be more than 0, or None for no limit")
        return cls(None if seconds is None else time.monotonic() + seconds, max_calls, max_tokens)

    def less(self, spent: Usage) -> Limits:
        """The limits left after some calls and tokens, at least 0 of each; the deadline stays."""
        return Limits(
            self.deadline,
            None if self.max_calls is None else max(self.max_calls - spent.calls, 0),
            None if self.max_tokens is None else max(self.max_tokens - spent.tokens, 0),
        )


_DEADLINE: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """The block's work has to end by this moment of ``time.monotonic()``, as backends learn from `seconds_left`."""
    token = _DEADLINE.set(min(deadline, _DEADLINE.get()))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def seconds_left() -> float:
    """The seconds that are left to a backend under the driver that called it; infinite without a deadline."""
    return _DEADLINE.get() - time.monotonic()
