"""Grades out of clicks: a tree learns from a judged part of a click log which behaviour means which grade, and grades
the rest (Zou et al., KDD 2021, arXiv 2105.11108); and a simulator of position bias, which shows what that is worth.

Raw clicks say as much of where a result stood as of how good it is. The share of long visits among a result's clicks,
and clicks beside the times that it was passed over, say less of the former.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, MissingExtra, quoted

_HIGHEST = 1e15
GRADES = 5
"""Grades 0 (bad) to 4 (perfect)."""


@dataclass(frozen=True, slots=True)
class Clicks:
    """What users did with one result of one query, summed over ``impressions``: ``clicks``, ``long_clicks`` (visits
    that lasted), ``skips`` (a result below was clicked, this one not), the ``dwell`` time of all visits in seconds, the
    ``query_changes`` after it, and its mean ``position`` from 1."""

    query: str
    id: str
    impressions: float
    clicks: float
    long_clicks: float = 0.0
    skips: float = 0.0
    dwell: float = 0.0
    query_changes: float = 0.0
    position: float = 0.0

    def __post_init__(self) -> None:
        numbers = {f.name: getattr(self, f.name) for f in fields(self)[2:]}
        for name, value in numbers.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= value <= _HIGHEST:
                what = f"{name} is {quoted(value)}: expected a number from 0 to {_HIGHEST:.0e}"
                raise InputError(f"{self.query}, {self.id}: {what}")
        if self.long_clicks > self.clicks:
            raise InputError(f"{self.query}, {self.id}: {self.long_clicks:g} long clicks but {self.clicks:g} clicks")

    @property
    def rate(self) -> float:
        """Clicks an impression: the raw label."""
        return self.clicks / self.impressions if self.impressions else 0.0


def features(log: Sequence[Clicks]) -> NDArray[np.float64]:
    """The features [results, 8] of a log: the share of the query's clicks, the share of long ones among the result's,
    clicks against skips, clicks an impression, seconds a visit, query changes an impression, position, impressions."""
    total: dict[str, float] = {}
    for c in log:
        total[c.query] = total.get(c.query, 0.0) + c.clicks
    rows = [
        [
            c.clicks / total[c.query] if total[c.query] else 0.0,
            c.long_clicks / c.clicks if c.clicks else 0.0,
            c.clicks / (c.clicks + c.skips) if c.clicks + c.skips else 0.0,
            c.rate,
            c.dwell / c.clicks if c.clicks else 0.0,
            c.query_changes / c.impressions if c.impressions else 0.0,
            c.position,
            np.log1p(c.impressions),
        ]
        for c in log
    ]
    return np.asarray(rows, dtype=np.float64).reshape(len(rows), 8)


def calibrated(
    log: Sequence[Clicks], judged: Mapping[str, Mapping[str, int]], *, depth: int = 6, leaf: int = 10
) -> list[float]:
    """The expected grade of every result of a log, by a decision tree (scikit-learn's, at most ``depth`` deep, at least
    ``leaf`` judged results in a leaf) over the judged ones.

    Raises InputError without two judged results of different grades and on a grade that isn't one of 0 to 4,
    MissingExtra without scikit-learn.
    """
    try:
        from sklearn.tree import DecisionTreeClassifier
    except ModuleNotFoundError:
        raise MissingExtra("scikit-learn", extra="sklearn") from None

    x = features(log)
    known = [i for i, c in enumerate(log) if c.id in judged.get(c.query, {})]
    grades = [judged[log[i].query][log[i].id] for i in known]
    if wrong := next((g for g in grades if not 0 <= g < GRADES), None):
        raise InputError(f"a result of the log has the grade {wrong}: expected 0 to {GRADES - 1}")
    if len(set(grades)) < 2:
        raise InputError(
            f"{len(known)} results of the log are judged, of {len(set(grades))} grades: judge some of two grades"
        )
    model: Any = DecisionTreeClassifier(
        max_depth=depth, min_samples_leaf=min(leaf, max(1, len(known) // 4)), random_state=0
    )
    model.fit(x[known], grades)
    expected = model.predict_proba(x) @ np.asarray(model.classes_, dtype=np.float64)
    return [float(v) for v in expected]


def simulated(
    queries: int = 200, results: int = 10, bias: float = 1.0, *, impressions: int = 60, seed: int = 0
) -> tuple[list[Clicks], dict[str, dict[str, int]]]:
    """A log of users who look at a result of rank r with the probability r ** -bias, click on what they look at by its
    grade, and stay long by its grade, and the true grades. The ranking that they see is by the grades with much noise.

    >>> log, truth = simulated(2, 3)
    >>> len(log), sorted(truth)
    (6, ['q0', 'q1'])
    """
    rng = np.random.default_rng(seed)
    log: list[Clicks] = []
    truth: dict[str, dict[str, int]] = {}
    attracts, holds = np.array([0.08, 0.2, 0.35, 0.55, 0.8]), np.array([0.05, 0.2, 0.4, 0.65, 0.9])
    seen = np.arange(1, results + 1.0) ** -bias
    for q in range(queries):
        grades = rng.integers(0, GRADES, results)
        grades = grades[np.argsort(-(grades + rng.normal(0, 2, results)), kind="stable")]
        clicked = rng.random((impressions, results)) < seen * attracts[grades]
        stayed = clicked & (rng.random((impressions, results)) < holds[grades])
        below = np.flip(np.cumsum(np.flip(clicked, 1), 1), 1) - clicked > 0
        changed = ~stayed.any(1)
        truth[f"q{q}"] = {f"d{r}": int(g) for r, g in enumerate(grades)}
        for r in range(results):
            visits, long = int(clicked[:, r].sum()), int(stayed[:, r].sum())
            dwell = float(rng.exponential(8, visits - long).sum() + rng.exponential(90, long).sum())
            skips, changes = int((below[:, r] & ~clicked[:, r]).sum()), int((clicked[:, r] & changed).sum())
            log.append(Clicks(f"q{q}", f"d{r}", impressions, visits, long, skips, dwell, changes, r + 1.0))
    return log, truth
