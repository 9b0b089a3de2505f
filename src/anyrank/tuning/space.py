"""The pipelines that are tried: fusions of searches with weights, and rerankers at every depth, or none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .measures import Graded, Measure
from .pool import measured
from .table import Ranked, ScoreTable

Floats = NDArray[np.float64]

DEPTHS = (10, 20, 50, 100)
"""Depths at which rerankers are tried."""
STEP = 10
"""Parts of a whole that weights are multiples of."""
MOST_PARTS = 4
"""The most searches that are fused: of four there are 286 fusions in steps of a tenth."""


@dataclass(frozen=True, slots=True)
class Family:
    """Fusions of the same parts, as texts: ``first`` and a depth before ``>>``, or nothing where the parts begin
    pipelines; ``weights`` [pipelines, parts]. In a cascade the reranker ``sieve`` reads ``wide`` candidates, of which
    ``depth`` are left for the parts."""

    parts: tuple[str, ...]
    weights: Floats
    first: str = ""
    depth: int = 0
    sieve: str = ""
    wide: int = 0

    def texts(self) -> list[str]:
        """The pipelines.

        >>> Family(("prior", "mini"), np.array([[0.25, 0.75], [0, 1]]), "bm25 + minilm", 20).texts()
        ['(bm25 + minilm) % 20 >> 0.25 * prior + 0.75 * mini', '(bm25 + minilm) % 20 >> mini']
        >>> Family(("mini",), np.array([[1.0]]), "bm25", 20, sieve="tiny", wide=100).texts()
        ['bm25 % 100 >> tiny % 20 >> mini']
        """
        return [self._before + fusion(self.parts, row) for row in self.weights.tolist()]

    def results(self, table: ScoreTable) -> dict[str, list[Ranked]]:
        """The results of every part for every query."""
        return {part: table.lists(self._before + part) for part in self.parts}

    def values(self, table: ScoreTable, graded: Graded, measure: Measure) -> Floats:
        """The measure of every pipeline for every query: [queries, pipelines]."""
        return measured(self.results(table), self.weights, graded, measure)

    @property
    def _before(self) -> str:
        if not self.first:
            return ""
        begin = f"{_inside(self.first)} % {self.wide or self.depth} >> "
        return f"{begin}{_inside(self.sieve)} % {self.depth} >> " if self.sieve else begin


@dataclass(frozen=True)
class Space:
    """All pipelines that are tried: ``texts``, ``points`` (see `Contenders`), ``families`` that compute their values,
    in the same order. Each is there once."""

    families: tuple[Family, ...]
    points: Floats
    default: int
    texts: tuple[str, ...] = field(default=())

    def run(self, table: ScoreTable) -> None:
        """Let the table run what it has no scores of: the deepest lists first, so that each search is run once."""
        for family in sorted(self.families, key=lambda f: -max(f.depth, f.wide) if f.first else -math.inf):
            family.results(table)

    def values(
        self,
        table: ScoreTable,
        graded: Graded,
        measure: Measure,
        on_progress: Callable[[int], None] | None = None,
    ) -> Floats:
        """The measure of every pipeline for every query: [queries, pipelines]."""
        columns, done = [], 0
        for family in self.families:
            columns.append(family.values(table, graded, measure))
            done += len(family.weights)
            if on_progress is not None:
                on_progress(done)
        return np.concatenate(columns, axis=1)


def space(
    searches: Sequence[str],
    scorers: Sequence[str] = (),
    depths: Sequence[int] = DEPTHS,
    default: str = "",
    step: int = STEP,
) -> Space:
    """The pipelines of these searches and rerankers (texts of stages): every fusion of up to four searches, its weights
    multiples of 1 / ``step``; and every search, the even fusion of the first two and that of all reranked at every
    depth, by each reranker, alone or with the scores so far, by pairs of them, and by cascades: one reads a depth, and
    leaves a smaller one to a later one of ``scorers`` (so these are given the cheapest first). ``default``: the
    pipeline that the others are compared with, if it isn't the even fusion of the first two searches. Raises InputError
    on a default that is not among them.

    >>> pipelines = space(["bm25", "minilm"], ["mini"])
    >>> len(pipelines.texts), pipelines.texts[pipelines.default]
    (131, 'bm25 + minilm')
    """
    searches, scorers = list(dict.fromkeys(searches)), list(dict.fromkeys(scorers))
    if not searches or len(searches) > MOST_PARTS:
        raise InputError(f"{len(searches)} searches to fuse: give 1 to {MOST_PARTS}")
    weights = grid(len(searches), step)
    even = [_even(len(searches), members) for members in _subsets(len(searches))]
    weights = _distinct(np.concatenate([weights, np.array(even)]))
    searching = [*_families(searches, weights)]
    singles = [_even(len(searches), [i]) for i in range(len(searches))]
    pairs = [_even(len(searches), range(min(2, len(searches)))), _even(len(searches), range(len(searches)))]
    first = {fusion(searches, row): row for row in [*singles, *pairs]}
    depths = sorted(set(depths))
    reranking = [family for text in first for depth in depths for family in _rerankings(text, depth, scorers, step)]
    reranking += [family for text in first for family in _cascades(text, depths, scorers)]
    default = default or fusion(searches, _even(len(searches), range(min(2, len(searches)))))
    everything = [*searching, *reranking]
    texts = [text for family in everything for text in family.texts()]
    if default not in texts:
        raise InputError(f"the default {default!r} is none of the {len(texts):,} pipelines that are tried")
    points = [_point(f, row, searches, scorers, first) for f in everything for row in f.weights]
    return Space(tuple(everything), np.array(points), texts.index(default), tuple(texts))


def of_runs(names: Sequence[str], step: int = STEP, default: str = "") -> Space:
    """The fusions of given runs; the default is all of them with equal weights."""
    return space(names, default=default or fusion(names, [1.0] * len(names)), step=step)


def grid(parts: int, step: int = STEP) -> Floats:
    """All weights of so many parts that are multiples of 1 / ``step`` and sum up to 1.

    >>> grid(2, 2).tolist(), len(grid(3)), len(grid(4))
    ([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]], 66, 286)
    """

    def sums(parts: int, left: int) -> Iterator[tuple[int, ...]]:
        if parts == 1:
            yield (left,)
            return
        for first in range(left + 1):
            yield from ((first, *rest) for rest in sums(parts - 1, left - first))

    return np.array(list(sums(parts, step)), dtype=np.float64) / step


def fusion(parts: Sequence[str], weights: Sequence[float]) -> str:
    """A fusion as a pipeline's text; parts of no weight are left out, and equal weights are not written.

    >>> fusion(["bm25", "minilm", "a % 5"], [0.3, 0.0, 0.7])
    '0.3 * bm25 + 0.7 * (a % 5)'
    """
    used = [(part, w) for part, w in zip(parts, weights) if w]
    if len({w for _, w in used}) == 1:
        return " + ".join(part if len(used) == 1 else _part(part) for part, _ in used)
    return " + ".join(f"{w:.4g} * {_inside(part)}" for part, w in used)


def _inside(text: str) -> str:
    """A text as an operand: in parentheses unless it is a name or a call."""
    return text if text.replace("_", "").isalnum() or _is_call(text) else f"({text})"


def _part(text: str) -> str:
    return f"({text})" if ">>" in text or "|" in text else text


def _is_call(text: str) -> bool:
    name, bracket, rest = text.partition("(")
    return bool(bracket) and name.isidentifier() and rest.count("(") == 0 and rest.endswith(")")


def _subsets(n: int) -> Iterator[tuple[int, ...]]:
    for size in range(1, n + 1):
        yield from combinations(range(n), size)


def _even(n: int, members: Sequence[int] | range) -> list[float]:
    return [1 / len(members) if i in members else 0.0 for i in range(n)]


def _distinct(weights: Floats) -> Floats:
    _, first = np.unique(weights.round(9), axis=0, return_index=True)
    return weights[np.sort(first)]


def _families(parts: Sequence[str], weights: Floats, first: str = "", depth: int = 0) -> Iterator[Family]:
    """Weights by the parts that have any, so that a part without weight adds no candidates."""
    masks = weights > 0
    for mask in np.unique(masks, axis=0):
        rows = weights[(masks == mask).all(axis=1)][:, mask]
        yield Family(tuple(p for p, used in zip(parts, mask) if used), rows, first, depth)


def _rerankings(first: str, depth: int, scorers: Sequence[str], step: int) -> Iterator[Family]:
    for scorer in scorers:
        weights = grid(2, step)
        yield from _families(("prior", scorer), weights[weights[:, 1] > 0], first, depth)
    for pair in combinations(scorers, 2):
        weights = grid(3, max(step // 2, 1))
        weights = _distinct(np.concatenate([weights, np.array([[0.0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]])]))
        yield from _families(("prior", *pair), weights[(weights[:, 1:] > 0).all(axis=1)], first, depth)


def _cascades(first: str, depths: Sequence[int], scorers: Sequence[str]) -> Iterator[Family]:
    """Two rerankers, the first of which leaves the second a part of its candidates."""
    weights = np.array([[0.0, 1.0], [0.5, 0.5]])
    for sieve, scorer in combinations(scorers, 2):
        for depth, wide in combinations(depths, 2):
            for family in _families(("prior", scorer), weights, first, depth):
                yield replace(family, sieve=sieve, wide=wide)


def _point(
    family: Family, weights: Floats, searches: Sequence[str], scorers: Sequence[str], first: dict[str, list[float]]
) -> list[float]:
    """The weights of all searches and rerankers, the depth on a scale on which ten times as deep is .3, and for each
    reranker whether it begins a cascade, and how deep."""
    given = dict(zip(family.parts, weights.tolist()))
    if not family.first:
        return [*(given.get(s, 0.0) for s in searches), 1.0, *[0.0] * len(scorers), 0.0, *[0.0] * len(scorers)]
    scores = [given.get("prior", 0.0), *(given.get(s, 0.0) for s in scorers)]
    sieves = [0.5 + _deep(family.wide) if s == family.sieve else 0.0 for s in scorers]
    return [*first[family.first], *scores, _deep(family.depth), *sieves]


def _deep(depth: int) -> float:
    return 0.3 * math.log10(depth / 10)
