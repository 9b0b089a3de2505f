"""Metered and Budget: count the cost of a backend, and limit it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.errors import InputError
from ..core.trace import SPENT, Usage
from .wrapper import Item, Wrapper, call, unanswered


@dataclass
class Metered(Wrapper):
    """A backend whose cost is counted: total ``usage``, ``batches``, ``seconds`` spent in it, and ``prompts`` by
    method. Thread-safe."""

    wraps: Any
    usage: Usage = field(default_factory=Usage)
    batches: int = 0
    seconds: float = 0.0
    prompts: dict[str, int] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    def ask(self, verb: str, items: Sequence[Item], settings: Mapping[str, Any]) -> list[Any]:
        start = time.perf_counter()
        answers = call(self.wraps, verb, items, settings)
        with self._lock:
            self.seconds += time.perf_counter() - start
            self.batches += bool(items)
            self.prompts[verb] = self.prompts.get(verb, 0) + len(items)
            self.usage = sum((a.usage for a in answers), self.usage)
        return answers


@dataclass
class Budget(Wrapper):
    """A backend with a limit for its whole life, over all queries (a limit for each query is `Rerank`'s own). Once it
    is spent, prompts come back unanswered at no cost; rankings then keep their present order, and their trace says so.

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
        for option in ("max_calls", "max_tokens", "max_seconds", "chunk"):
            value = getattr(self, option)
            if value is not None and not value > 0:
                raise InputError(f"{option}={value}: must be more than 0, or None for no limit")

    def ask(self, verb: str, items: Sequence[Item], settings: Mapping[str, Any]) -> list[Any]:
        with self._lock:
            answers: list[Any] = []
            while rest := items[len(answers) :]:
                count = self._affordable(len(rest))
                if not count:
                    self.refused += len(rest)
                    refused = (unanswered(verb, item, SPENT) for item in rest)
                    return answers + [replace(answer, usage=Usage(repairs={SPENT: 1})) for answer in refused]
                batch = call(self.wraps, verb, rest[:count], settings)
                self.spent = sum((a.usage for a in batch), self.spent)
                answers += batch
            return answers

    def _affordable(self, count: int) -> int:
        """The number of ``count`` prompts that the budget still allows."""
        now = time.monotonic()
        self._started = now if self._started is None else self._started
        if self.max_seconds is not None and now - self._started >= self.max_seconds:
            return 0
        if self.max_tokens is not None and self.spent.tokens >= self.max_tokens:
            return 0
        if self.max_calls is not None:
            count = min(count, max(0, self.max_calls - self.spent.calls))
        # Seconds and tokens are known only after a call, so batches are small under a limit on them.
        return count if self.max_seconds is None and self.max_tokens is None else min(count, self.chunk)
