"""Runs a stage while the results of every part of it are kept: the same code as any run, with watchers between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ..core.stage import Branch, Cut, Fuse, Limited, Stage, Then, Weighted
from ..core.types import Ranking
from ..pipeline.describe import name_of
from ..pipeline.named import Named

Results = list[tuple[Ranking, Ranking]]
"""What went into a stage and what came out of it, one pair for each ranking that it was given."""


@dataclass(frozen=True)
class Watched(Limited):
    """A stage whose results are kept in ``results``."""

    stage: Stage
    results: Results = field(repr=False)

    def limit(self, k: int) -> Stage:
        limited = self.stage.limit(k) if isinstance(self.stage, Limited) else self.stage
        return self if limited is self.stage else replace(self, stage=limited)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        after = self.stage.batch(rankings)
        self.results.extend(zip(rankings, after))
        return after


@dataclass(frozen=True)
class Node:
    """A part of a pipeline: a ``leaf`` (a search, a reranker, a rewriter, …), ``then``, ``fuse`` or ``branch``, with
    the parts that it is made of and, after a run, its ``results``."""

    kind: Literal["leaf", "then", "fuse", "branch"]
    name: str
    stage: Stage
    results: Results
    children: tuple[Node, ...] = ()
    weight: float = 1.0

    @property
    def before(self) -> Ranking:
        return self.results[0][0]

    @property
    def after(self) -> Ranking:
        return self.results[0][1]


def watched(stage: Stage) -> tuple[Stage, Node]:
    """The stage with watchers between its parts, and the tree of these parts, whose results a run fills in."""
    if isinstance(stage, Weighted):  # a fusion looks for the weight itself
        inner, node = watched(stage.stage)
        return Weighted(inner, stage.weight), replace(node, weight=stage.weight * node.weight)
    results: Results = []
    kind: Literal["leaf", "then", "fuse", "branch"] = "leaf"
    built: Stage = stage
    children: tuple[Node, ...] = ()
    match stage:
        case Named(call, _, Then() | Fuse() | Branch() | Weighted() as inner):
            built, node = watched(inner)
            return built, replace(node, name=str(call))
        case Then(first, Cut() as cut):  # `Then` itself looks for the cut
            watched_first, one = watched(first)
            last = Node("leaf", name_of(cut), cut, [])
            built, kind, children = Then(watched_first, cut), "then", (one, last)
        case Then(first, second):
            (watched_first, one), (watched_second, two) = watched(first), watched(second)
            built, kind, children = Then(watched_first, watched_second), "then", (one, two)
        case Fuse(stages, method):
            pairs = [watched(part) for part in stages]
            built, kind, children = Fuse(tuple(p for p, _ in pairs), method), "fuse", tuple(n for _, n in pairs)
        case Branch(split, inner, method):
            built, node = watched(inner)
            built, kind, children = Branch(split, built, method), "branch", (node,)
    return Watched(built, results), Node(kind, name_of(stage), stage, results, children)
