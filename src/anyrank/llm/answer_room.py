"""A backend that writes answers of more (or fewer) tokens than its method asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InputError
from .wrapper import Item, Wrapper, call


@dataclass(frozen=True)
class AnswerRoom(Wrapper):
    """A backend whose answers may take ``tokens`` new tokens, whatever its method asks for; for models that think
    before they answer."""

    wraps: Any
    tokens: int

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise InputError(f"answer_tokens={self.tokens}: must be at least 1")

    @property
    def answer_room(self) -> int:
        return self.tokens

    def ask(self, verb: str, items: Sequence[Item], settings: Mapping[str, Any]) -> list[Any]:
        room = {"max_tokens": self.tokens} if "max_tokens" in settings else {}
        return call(self.wraps, verb, items, {**settings, **room})
