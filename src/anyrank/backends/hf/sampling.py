"""Sampling of one text: the choice of the next token, and the test for the end. No tensors."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Draft:
    """The new tokens of one prompt, at most ``limit``, ended by a token of ``ends`` or a text of ``stop``. Its draws
    depend on ``seed`` and the prompt alone, not on the rest of the batch."""

    decode: Callable[[Sequence[int]], str]
    prompt: Sequence[int]
    limit: int
    ends: frozenset[int]
    stop: Sequence[str] = ()
    temperature: float = 0.0
    seed: int = 0
    ids: list[int] = field(default_factory=list)
    finish: Literal["stop", "length"] = "stop"
    done: bool = False
    _random: Any = None

    def add(self, best: int, logits: Callable[[], NDArray[np.float32]]) -> int:
        """Choose the next token: the likeliest, ``best``, or at a temperature one drawn by ``logits()``; the token."""
        token = best if self.temperature <= 0 else self._draw(logits())
        self.ids.append(token)
        if token in self.ends or (self.stop and self._stopped()):
            self.done = True
        elif len(self.ids) >= self.limit:
            self.done, self.finish = True, "length"
        return token

    def _draw(self, logits: NDArray[np.float32]) -> int:
        if self._random is None:
            self._random = np.random.default_rng([self.seed, zlib.crc32(str(list(self.prompt)).encode())])
        scaled = logits.astype(np.float64) / self.temperature
        chances = np.exp(scaled - scaled.max())
        return int(self._random.choice(len(chances), p=chances / chances.sum()))

    def _stopped(self) -> bool:
        text = self.decode(self.ids[-(4 * max(map(len, self.stop)) + 4) :])  # a character has at most 4 tokens
        return any(s in text for s in self.stop)

    @property
    def text(self) -> str:
        """The new text, up to the first stop text."""
        text = self.decode(self.ids)
        end = min((text.find(s) for s in self.stop if s in text), default=math.inf)
        return text if end == math.inf else text[: int(end)]
