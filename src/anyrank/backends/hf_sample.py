"""One text in the making: which token comes next, and when it is done."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(slots=True)
class Draft:
    """The new tokens of one prompt. Its draws depend on ``seed`` and the prompt alone, not on what is beside it."""

    tokenizer: Any
    prompt: Sequence[int]
    most: int
    ends: frozenset[int]
    stop: Sequence[str] = ()
    temperature: float = 0.0
    seed: int = 0
    ids: list[int] = field(default_factory=list)
    finish: Literal["", "stop", "length"] = ""
    _random: Any = None

    @property
    def done(self) -> bool:
        return bool(self.finish)

    def add(self, logits: Any) -> int:
        """Choose the next token by its logits [vocabulary]; the token."""
        token = int(logits.argmax()) if self.temperature <= 0 else self._draw(logits)
        self.ids.append(token)
        if token in self.ends or (self.stop and self._stopped()):
            self.finish = "stop"
        elif len(self.ids) >= self.most:
            self.finish = "length"
        return token

    def _draw(self, logits: Any) -> int:
        import torch

        if self._random is None:
            own = zlib.crc32(f"{self.seed} {list(self.prompt)}".encode())
            self._random = torch.Generator().manual_seed(own)
        chances = (logits.cpu() / self.temperature).softmax(-1)
        return int(torch.multinomial(chances, 1, generator=self._random))

    def _stopped(self) -> bool:
        tail = self.ids[-(4 * max(map(len, self.stop)) + 4) :]
        text = self._decode(tail)
        return any(s in text for s in self.stop)

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    @property
    def text(self) -> str:
        """The new text, up to the first stop text."""
        text = self._decode(self.ids)
        at = min((text.find(s) for s in self.stop if s in text), default=math.inf)
        return text if at == math.inf else text[: int(at)]
