"""Summaries of runs' values by query, and comparisons of runs: tests, intervals, wins and losses."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..core.errors import InputError
from . import significance as stat

Values = Mapping[str, Mapping[str, Sequence[float]]]
"""Values by run and measure, one a query."""

Pairs = Literal["baseline", "all"]
"""Which runs are compared: each with the baseline, or all with each other."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A mean over the judged queries and its confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run against another, the baseline, by one measure; ``difference`` is run less baseline, with its interval.

    ``effect`` is Cohen's d of the pairs, ``detectable`` the smallest difference these queries would show (power .8);
    both None if the differences have no spread. ``equivalence`` is the corrected p of the test of equivalence, None
    if no margin was given; ``equivalent`` says that it is below alpha."""

    run: str
    measure: str
    difference: float
    low: float
    high: float
    p: float
    corrected: float
    significant: bool
    wins: int
    ties: int
    losses: int
    effect: float | None
    detectable: float | None
    baseline: str = ""
    equivalence: float | None = None
    equivalent: bool = False


@dataclass(frozen=True, slots=True)
class Statistics:
    """How runs are compared; the names are those of `evaluation.evaluate`. Raises InputError on an option that isn't
    known."""

    test: stat.Test = "t"
    correction: stat.Correction = "holm"
    seed: int = 0
    alpha: float = 0.05
    interval: stat.Interval = "bca"
    samples: int = 10_000
    pairs: Pairs = "baseline"
    margin: float | None = None

    def __post_init__(self) -> None:
        for name, value, kind in (
            ("test", self.test, stat.Test),
            ("correction", self.correction, stat.Correction),
            ("pairs", self.pairs, Pairs),
            ("interval", self.interval, stat.Interval),
        ):
            if value not in get_args(kind):
                raise InputError(f"no {name} {value!r}: {', '.join(get_args(kind))}")
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha={self.alpha}: expected a probability between 0 and 1, such as 0.05")
        if self.test == "tukey":
            object.__setattr__(self, "pairs", "all")  # frozen

    def summaries(self, values: Values) -> dict[str, dict[str, Summary]]:
        """The mean of every run and measure with its interval; all are resampled by the same queries."""
        columns = np.array([column for measures in values.values() for column in measures.values()]).T
        low, high = stat.intervals(columns, 1 - self.alpha, self.interval, self.samples, self.seed)
        bounds = iter(zip(columns.mean(axis=0).tolist(), low.tolist(), high.tolist()))
        return {run: {m: Summary(*next(bounds)) for m in measures} for run, measures in values.items()}

    def comparisons(self, values: Values, baseline: str | None) -> tuple[Comparison, ...]:
        """The comparisons of every measure, which are corrected together; () without a baseline."""
        if baseline is None:
            return ()
        pairs = _pairs(list(values), baseline, self.pairs)
        measures = list(values[baseline])
        return tuple(c for m in measures for c in self._of_measure(m, {r: v[m] for r, v in values.items()}, pairs))

    def baseline(self, runs: Collection[str], name: str | None) -> str | None:
        """The run that the others are compared with: the named one, else the first; None if nothing is compared."""
        if self.test == "none":
            return None
        if name is None:
            return next(iter(runs)) if len(runs) > 1 else None
        if name in runs:
            return name
        near = difflib.get_close_matches(name, runs, 3, 0.4) or list(runs)[:5]
        raise InputError(f"the baseline {name!r} is none of the runs; there are {', '.join(near)}")

    def _of_measure(
        self, measure: str, values: Mapping[str, Sequence[float]], pairs: Sequence[tuple[str, str]]
    ) -> list[Comparison]:
        if not pairs:
            return []
        columns = {run: np.array(v) for run, v in values.items()}
        if self.test == "tukey":
            position = {run: i for i, run in enumerate(columns)}
            matrix = stat.tukey_hsd(np.stack(list(columns.values()), axis=1))
            ps = [float(matrix[position[a], position[b]]) for a, b in pairs]
            fixed = ps  # corrected by the test itself
        else:
            ps = [stat.p_value(self.test, columns[a], columns[b], self.seed) for a, b in pairs]
            fixed = stat.corrected(ps, self.correction)
        equal: list[float | None] = [None] * len(pairs)
        if self.margin is not None:
            equal = [
                *stat.corrected(
                    [stat.equivalence_test(columns[a], columns[b], self.margin) for a, b in pairs], self.correction
                )
            ]
        differences = np.stack([columns[a] - columns[b] for a, b in pairs], axis=1)
        low, high = stat.intervals(differences, 1 - self.alpha, self.interval, self.samples, self.seed)
        return [
            Comparison(
                a,
                measure,
                float((columns[a] - columns[b]).mean()),
                float(low[i]),
                float(high[i]),
                ps[i],
                fixed[i],
                fixed[i] < self.alpha,
                *stat.wins(columns[a], columns[b]),
                stat.effect_size(columns[a], columns[b]),
                stat.detectable(columns[a], columns[b], alpha=self.alpha),
                b,
                p_equal,
                p_equal is not None and p_equal < self.alpha,
            )
            for i, ((a, b), p_equal) in enumerate(zip(pairs, equal))
        ]


def _pairs(runs: Sequence[str], baseline: str, pairs: Pairs) -> list[tuple[str, str]]:
    """(run, the run it is compared with), the baseline being the second of each of its pairs.

    >>> _pairs(["a", "b", "c"], "b", "all")
    [('a', 'b'), ('c', 'b'), ('c', 'a')]
    """
    ordered = [baseline, *(r for r in runs if r != baseline)]
    if pairs == "baseline":
        return [(r, baseline) for r in ordered[1:]]
    return [(r, other) for i, other in enumerate(ordered) for r in ordered[i + 1 :]]
