"""Quality over all judged queries, by depth and beside the cost: what the curves and the front of the page show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.limits import Limits
from ...core.stage import Stage
from ...core.types import Query, Ranking
from ...tuning.cost import PROBES, Cost, timed
from ...tuning.measures import Graded, Measure
from ...tuning.table import ScoreTable
from .knobs import Dial

Floats = NDArray[np.float64]
MEASURE = Measure()
"""nDCG@10, as elsewhere on the page."""
DEPTHS = (10, 15, 20, 30, 40, 50, 60, 80, 100)
"""Depths of a curve."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over queries with its 95 % interval (normal)."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Floats) -> Mean:
        """
        >>> Mean.of(np.array([0.0, 1.0]))
        Mean(mean=0.5, low=-0.48, high=1.48)
        """
        mean = float(values.mean())
        error = 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
        return cls(mean, round(mean - error, 10), round(mean + error, 10))

    def as_dict(self) -> dict[str, float]:
        return {"mean": self.mean, "low": self.low, "high": self.high}


def values(table: ScoreTable, pipeline: str, qrels: Mapping[str, Mapping[str, int]]) -> Floats:
    """nDCG@10 of a pipeline for each query of a table."""
    results = table.lists(pipeline)
    graded = Graded.by(qrels, [q.id for q in table.queries], table.ids)
    top = [graded.of(q, r.documents[: MEASURE.depth])[None] for q, r in enumerate(results)]
    return np.array([MEASURE.values(grades, graded.all[q])[0] for q, grades in enumerate(top)])


def depths_of(dial: Dial) -> list[tuple[int, str]]:
    """The depths at which a pipeline's reranker is measured, each with the pipeline's text; its own alone, if there is
    none to turn (then the depth is 0).

    >>> depths_of(Dial.of("bm25 % 7 >> mini", 12))
    [(7, 'bm25 % 7 >> mini'), (10, 'bm25 % 10 >> mini'), (12, 'bm25 % 12 >> mini')]
    """
    if dial.depth is None:
        return [(0, dial.text)]
    knob = dial.knobs[dial.depth]
    depths = sorted({int(knob.value), int(knob.most), *(d for d in DEPTHS if d < knob.most)})
    return [(d, dial.turned({dial.depth: float(d)})) for d in depths]


def costs(stages: Sequence[tuple[int, Stage]], queries: Sequence[Query], seconds: float | None) -> list[dict[str, Any]]:
    """The milliseconds and tokens a query of a pipeline at some depths, each timed with the first few queries: median,
    fastest and slowest."""
    out = []
    for depth, stage in stages:
        rankings = [Ranking(q, limits=Limits.within(seconds)) for q in queries[:PROBES]]
        ms, tokens, _ = timed(stage, rankings)
        cost = Cost(median(ms), min(ms), max(ms), tokens)
        out.append({"depth": depth, "ms": cost.ms, "low": cost.low, "high": cost.high, "tokens": cost.tokens})
    return out
