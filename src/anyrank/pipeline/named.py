"""Named: a stage that was built from a name in a pipeline and remembers how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..core.stage import Limited, Stage
from ..core.types import Ranking
from .arguments import Call

Position = Literal["start", "after", "any"]
"""The positions in a pipeline at which a call means this stage: its start, after ``>>``, or both."""


@dataclass(frozen=True, repr=False)
class Named(Limited):
    """``stage`` with the ``call`` that it was built from. It runs and prints as ``stage``, and is equal to
    every stage of the same call, whatever models and indexes are inside."""

    call: Call
    position: Position
    stage: Stage = field(compare=False)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return self.stage.batch(rankings)

    def limit(self, k: int) -> Stage:
        return self.stage.limit(k) if isinstance(self.stage, Limited) else self

    def __repr__(self) -> str:
        return repr(self.stage)
