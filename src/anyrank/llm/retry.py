"""Retry: a backend that retries failed prompts, a bounded number of times and within a deadline."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import AnyrankError, InputError
from ..core.limits import seconds_left
from ..core.trace import Usage
from .wrapper import Item, Wrapper, call, failed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retry(Wrapper):
    """A backend that is called up to ``tries`` times: again for batches that raised, and for prompts answered by an
    error.

    Before retry i it waits ``wait`` * 2^i seconds, at most ``cap``, times a random factor of 0.5 to 1; no wait begins
    that would end after ``deadline`` seconds from the first try. Then the last error is raised, or the last answers
    returned. Bad input and missing models are not asked again. Attempts that failed count as calls, and each as a
    repair ``asked again``.
    """

    wraps: Any
    tries: int = 4
    wait: float = 0.5
    cap: float = 8.0
    deadline: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise InputError(f"tries={self.tries}: must be at least 1")

    def ask(self, verb: str, items: Sequence[Item], settings: Mapping[str, Any]) -> list[Any]:
        end = self.clock() + min(self.deadline, seconds_left())
        answers: list[Any] = [None] * len(items)
        failures = [Usage()] * len(items)  # the cost of each prompt's failed attempts
        open_prompts = list(range(len(items)))
        for attempt in range(self.tries):
            error: Exception | None = None
            try:
                batch = call(self.wraps, verb, [items[i] for i in open_prompts], settings)
            except AnyrankError:
                raise
            except Exception as raised:  # noqa: BLE001 - whatever a client library raises may pass with time
                error, batch = raised, [None] * len(open_prompts)
            for i, answer in zip(open_prompts, batch):
                answers[i] = answer
            open_prompts = [i for i in open_prompts if answers[i] is None or failed(answers[i])]
            pause = min(self.cap, self.wait * 2**attempt) * random.uniform(0.5, 1.0)
            if not open_prompts or attempt + 1 == self.tries or self.clock() + pause > end:
                break
            counts = (len(open_prompts), len(items))
            log.info("%s: %d of %d prompts are asked again: %s", verb, *counts, error or "error answers")
            for i in open_prompts:
                usage = Usage(calls=1) if answers[i] is None else answers[i].usage
                failures[i] += usage + Usage(repairs={"asked again": 1})
            self.sleep(pause)
        if error is not None:
            raise error
        return [replace(answer, usage=answer.usage + extra) for answer, extra in zip(answers, failures)]
