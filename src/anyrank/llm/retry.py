"""Retry: a backend asked again where it failed, a bounded number of times and not beyond a deadline."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import AnyrankError, InputError
from ..core.trace import Usage
from .wrapper import Item, Wrapper, call, failed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retry(Wrapper):
    """A backend asked up to ``tries`` times: whole batches that raised, and single prompts whose answer is an error.

    Waits ``wait`` * 2^i seconds, at most ``cap``, of which a random half to whole is slept; no wait begins that would
    end after ``deadline`` seconds from the first try. Then the last error is raised, or the last answers returned.
    Bad input and missing models are not asked again. Attempts that failed count as calls, and each as a repair
    ``asked again``.
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
        end = self.clock() + self.deadline
        out: list[Any] = [None] * len(items)
        lost = [Usage()] * len(items)
        todo = list(range(len(items)))
        for attempt in range(self.tries):
            error: Exception | None = None
            try:
                said = call(self.wraps, verb, [items[i] for i in todo], settings)
            except AnyrankError:
                raise
            except Exception as raised:  # noqa: BLE001 - whatever a client library raises may pass with time
                error, said = raised, [None] * len(todo)
            for i, answer in zip(todo, said):
                out[i] = answer
            todo = [i for i in todo if out[i] is None or failed(out[i])]
            pause = min(self.cap, self.wait * 2**attempt) * random.uniform(0.5, 1.0)
            if not todo or attempt + 1 == self.tries or self.clock() + pause > end:
                break
            log.info("%s: %d of %d prompts are asked again: %s", verb, len(todo), len(items), error or "error answers")
            for i in todo:
                lost[i] += (Usage(calls=1) if out[i] is None else out[i].usage) + Usage(repairs={"asked again": 1})
            self.sleep(pause)
        if error is not None:
            raise error
        return [replace(answer, usage=answer.usage + extra) for answer, extra in zip(out, lost)]
