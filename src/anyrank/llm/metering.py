"""Metered and Budget: what a backend has cost so far, and a limit on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import InputError
from ..core.trace import Usage
from .wrapper import Item, Wrapper, call, unanswered


@dataclass
class Metered(Wrapper):
    """A backend whose answers are counted: ``usage`` in all, ``batches``, ``seconds`` spent in it, and prompts by
    verb. Safe between threads."""

    wraps: Any
    usage: Usage = field(default_factory=Usage)
    batches: int = 0
    seconds: float = 0.0
    prompts: dict[str, int] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    def ask(self, verb: str, items: Sequence[Item], settings: Mapping[str, Any]) -> list[Any]:
        start = time.perf_counter()
        said = call(self.wraps, verb, items, settings)
        with self._lock:
            self.seconds += time.perf_counter() - start
            self.batches += bool(items)
            self.prompts[verb] = self.prompts.get(verb, 0) + len(items)
            self.usage = sum((s.usage for s in said), self.usage)
        return said


@dataclass
class Budget(Wrapper):
    """A backend with a limit for its whole life, over all queries (a limit for each query is `Rerank`'s own). Once it
    is spent, prompts come back unanswered, at no cost, so that rankings keep what they have and say so.

    ``max_calls`` is never overspent; ``max_tokens`` and ``max_seconds`` are known only after a call, and can be
    overspent by one sub-batch of ``chunk`` prompts. Seconds count from the first prompt.
    """

    wraps: Any
    max_calls: int | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    chunk: int = 16
    spent: Usage = field(default_factory=Usage)
    refused: int = 0
    _started: float | None = field(default=None, repr=False, compare=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        for what in ("max_calls", "max_tokens", "max_seconds", "chunk"):
            value = getattr(self, what)
            if value is not None and not value > 0:
                raise InputError(f"{what}={value}: must be more than 0, or None for no limit")

    def ask(self, verb: str, items: Sequence[Item], settings: Mapping[str, Any]) -> list[Any]:
        with self._lock:
            out: list[Any] = []
            while len(out) < len(items):
                room = self._room(items[len(out) :])
                if not room:
                    self.refused += len(items) - len(out)
                    return out + [unanswered(verb, item, "budget spent") for item in items[len(out) :]]
                said = call(self.wraps, verb, items[len(out) : len(out) + room], settings)
                self.spent = sum((s.usage for s in said), self.spent)
                out += said
            return out

    def _room(self, items: Sequence[Item]) -> int:
        """How many prompts may go now."""
        now = time.monotonic()
        self._started = now if self._started is None else self._started
        late = self.max_seconds is not None and now - self._started >= self.max_seconds
        dear = self.max_tokens is not None and self.spent.tokens >= self.max_tokens
        if late or dear:
            return 0
        timed = self.max_seconds is not None or self.max_tokens is not None
        left = len(items) if self.max_calls is None else max(0, self.max_calls - self.spent.calls)
        return min(len(items), left, self.chunk if timed else len(items))
