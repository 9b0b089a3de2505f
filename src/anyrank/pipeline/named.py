"""Named: a stage that was built from a name in a pipeline and remembers how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ..core.stage import Above, Cut, Follows, Keep, Limited, Stage, Then, Weighted
from ..core.types import Ranking
from .arguments import Call

Position = Literal["start", "after", "any"]
"""The positions in a pipeline at which a call means this stage: its start, after ``>>``, or both."""


Context = Literal["start", "after", "rewritten"]
"""What comes before a name: nothing, so that it is a retriever; candidates, so that it scores them; or a rewriter, so
that it searches again for the new query, if it can search."""


@dataclass(frozen=True, repr=False)
class Named(Limited):
    """``stage`` with the ``call`` that it was built from. It runs and prints as ``stage``, and is equal to
    every stage of the same call, whatever models and indexes are inside."""

    call: Call
    position: Position
    stage: Stage = field(compare=False)
    rewrites: bool = field(default=False, compare=False)
    moves: bool = field(default=False, compare=False)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return self.stage.batch(rankings)

    def limit(self, k: int) -> Stage:
        return self.stage.limit(k) if isinstance(self.stage, Limited) else self

    def following(self, before: Stage) -> Stage:
        return replace(self, stage=self.stage.following(before)) if isinstance(self.stage, Follows) else self

    def __repr__(self) -> str:
        return repr(self.stage)


def next_context(stage: Stage) -> Context:
    """The context of a name after ``stage``: "rewritten" if a rewriter was the last to do more than drop candidates."""
    match stage:
        case Then(first, Cut() | Keep() | Above()):
            return next_context(first)
        case Then(_, second):
            return next_context(second)
        case Weighted(inner, _):
            return next_context(inner)
        case Named(rewrites=True):
            return "rewritten"
    return "after"


def mover(stage: Stage) -> str:
    """The name of the last rewriter in ``stage`` that gives the query rules for its vector; empty if there is none."""
    match stage:
        case Then(first, second):
            return mover(second) or mover(first)
        case Weighted(inner, _):
            return mover(inner)
        case Named(moves=True):
            return stage.call.name
    return ""
