"""Stages that cut by calibrated probabilities, and say what they cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..core.errors import InputError
from ..core.stage import Stage, cut_at
from ..core.trace import Step
from ..core.types import Ranking
from .calibration import Calibration
from .risk import Kind

Describe = Callable[[Stage], tuple[str, str]]
"""The text of a pipeline and the fingerprint of its models."""
PROMISES = {
    "recall": "of the relevant documents found, {level:.0%} stay on average",
    "precision": "of what stays, {level:.0%} is relevant on average",
    "any": "of the queries with a relevant document, {level:.0%} keep one on average",
}


@dataclass(frozen=True)
class _Calibrated(Stage):
    """A stage that goes by a calibration of the pipeline that it follows."""

    calibration: Calibration = field(repr=False)
    describe: Describe | None = field(default=None, repr=False, compare=False)
    checked: bool = field(default=False, repr=False, compare=False)

    def following(self, before: Stage) -> Stage:
        """This stage after ``before``. Raises InputError if that isn't the pipeline of the calibration."""
        if self.describe is not None:
            self.calibration.check(*self.describe(before))
        return replace(self, checked=True)

    def _check(self) -> None:
        if not self.checked and self.describe is not None:
            raise InputError(
                f"a calibrated stage stands alone: write it after its pipeline, {self.calibration.pipeline} >> …"
            )


@dataclass(frozen=True)
class Cutoff(_Calibrated):
    """Cuts the candidates below the probability (of "any": the score) at which the promise holds: ``kind`` at
    ``level``. It may cut all of them. The trace's step says how many, why, and their ids.

    Raises InputError where the calibration is too small for the promise.
    """

    kind: Kind = "recall"
    level: float = 0.9

    def __post_init__(self) -> None:
        self.calibration.threshold(self.kind, self.level)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        self._check()
        threshold = self.calibration.threshold(self.kind, self.level)
        made = f"{self.calibration.queries} queries of {self.calibration.date}"
        promise = PROMISES[self.kind].format(level=self.level)
        what = "score" if self.kind == "any" else "probability"
        after = []
        for ranking in rankings:
            kept = int(np.count_nonzero(self.calibration.values(self.kind, ranking.scores) >= threshold))
            why = f"below the {what} {threshold:.3g} ({promise}; calibrated on {made})"
            after.append(cut_at(ranking, kept, f"keep({self.kind}={self.level:g})", why))
        return after


@dataclass(frozen=True)
class Probabilities(_Calibrated):
    """Gives each candidate its calibrated probability of relevance as score. The order stays."""

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        self._check()
        after = []
        for ranking in rankings:
            values = self.calibration.probabilities(ranking.scores).tolist()
            after.append(ranking.scored(values).with_step(Step("calibrated")))
        return after
