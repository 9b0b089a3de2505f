"""Recency learned from forecasters: news counts most at the times when forecasters' accuracy rose most.

Specified by AutoCast++ (arXiv 2310.01880): over questions that are closed, the mean accuracy of the crowd as a function
of the share of the question's time that had passed; its slope is the value of an article published then.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import InputError, reason
from .questions import Question

POINTS = 109
"""Points at which accuracies are interpolated."""
SHARE = (0.05, 0.97)
"""The part of a question's time that counts: at the ends the slope is that of few forecasts."""


@dataclass(frozen=True, slots=True)
class Recency:
    """A value from 0 to 1 for each moment of a question's time: `at` interpolates ``values`` between rising
    ``times``."""

    times: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.times) != len(self.values) or not self.times:
            raise InputError(f"{len(self.times)} times but {len(self.values)} values of a recency curve")
        if not all(np.isfinite(self.times)) or any(b < a for a, b in zip(self.times, self.times[1:])):
            raise InputError("times of a recency curve: expected numbers that rise")
        if any(not 0 <= v <= 1 for v in self.values):
            raise InputError(f"a recency of {min(self.values):g} to {max(self.values):g}: expected 0 to 1")

    def at(self, elapsed: float) -> float:
        """The value when a share of the time has passed; before and after the curve its ends'.

        >>> Recency((0.0, 1.0), (0.0, 1.0)).at(0.5)
        0.5
        """
        return float(np.interp(elapsed, self.times, self.values))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"times": self.times, "values": self.values}) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Recency:
        """Raises InputError on a file that holds no curve."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            return cls(tuple(map(float, stored["times"])), tuple(map(float, stored["values"])))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"no recency curve ({reason(error)}): write one by anyrank forecast curve", path=str(path)
            ) from None


def accuracy(questions: Sequence[Question], points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """(times, mean over questions of what the crowd gave to the right answer), of questions with an answer that are no
    numbers and have two forecasts or more. Before a question's first forecast its accuracy is that of the first."""
    times = np.linspace(0, 1, points)
    curves = []
    for q in questions:
        if q.kind == "number" or q.answer is None or len(q.forecasts) < 2:
            continue
        elapsed = [q.elapsed(f.at) for f in q.forecasts]
        curves.append(np.interp(times, elapsed, [q.truth(f.values) for f in q.forecasts]))
    curves = [c for c in curves if np.isfinite(c).all()]
    if not curves:
        raise InputError(
            f"none of {len(questions)} questions has an answer and two forecasts: a curve is learned from closed ones"
        )
    return times, np.mean(curves, axis=0)


def learned(questions: Sequence[Question], points: int = POINTS, share: tuple[float, float] = SHARE) -> Recency:
    """The recency of questions' forecasts: the slope of `accuracy` within ``share`` of the time. A falling accuracy
    counts 0, and slopes are divided by the greatest if that is above 1, so that values are from 0 to 1 (the authors
    ask for such values, and don't scale)."""
    times, mean = accuracy(questions, points)
    inside = (times >= share[0]) & (times <= share[1])
    slope = np.clip(np.gradient(mean, times), 0, None)[inside]
    slope = np.clip(slope / max(1.0, float(slope.max())), 0, 1)
    return Recency(tuple(times[inside].tolist()), tuple(slope.tolist()))
