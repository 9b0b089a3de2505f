"""Named: a stage that was built from a name in a pipeline and remembers how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..core.stage import Limited, Stage
from ..core.types import Ranking
from .arguments import Call

Place = Literal["start", "after", "any"]
"""Where in a pipeline a call means this stage: at its start, after ``>>``, or in both places alike."""


@dataclass(frozen=True, repr=False)
class Named(Limited):
    """``stage`` with the ``call`` that it was built from. It does what ``stage`` does, prints as ``stage`` does, and is
    equal to every stage of the same call: the models and indexes inside don't count."""

    call: Call
    place: Place
    stage: Stage = field(compare=False)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return self.stage.batch(rankings)

    def limit(self, k: int) -> Stage:
        return self.stage.limit(k) if isinstance(self.stage, Limited) else self

    def __repr__(self) -> str:
        return repr(self.stage)
