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
    """A stage that goes by a calibration of the pipeline that it follows. ``documents``: those of the index now, 0
    without one; a note says if they are others than those of the calibration."""

    calibration: Calibration = field(repr=False)
    describe: Describe | None = field(default=None, repr=False, compare=False)
    checked: bool = field(default=False, repr=False, compare=False)
    documents: int = field(default=0, repr=False, compare=False)

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

    def _grown(self) -> str:
        """How much the index changed since the calibration, if by more than a tenth."""
        then, now = self.calibration.documents, self.documents
        if not then or not now or abs(now - then) <= 0.1 * then:
            return ""
        return f"; the index had {then:,} documents then, and has {now:,} now: calibrate again"


def _degraded(ranking: Ranking) -> str:
    """The stage before whose judge didn't score all candidates, so that the scores aren't those of the calibration."""
    return next((s.name for s in reversed(ranking.trace) if s.status in ("partial", "fallback")), "")


@dataclass(frozen=True)
class Cutoff(_Calibrated):
    """Cuts the candidates below the probability (of "any": the score) at which the promise holds: ``kind`` at
    ``level``. It may cut all of them. The trace's step says how many, why, and their ids.

    Where a stage before didn't judge all candidates (a server that was down, a spent budget), the scores mean
    something else, so nothing is cut, and a note says so.

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
            name = f"keep({self.kind}={self.level:g})"
            if failed := _degraded(ranking):
                note = (
                    f"nothing was cut: {failed} did not judge all candidates, so its scores are not the calibrated ones"
                )
                after.append(ranking.with_step(Step(name, notes=(note,))))
                continue
            kept = int(np.count_nonzero(self.calibration.values(self.kind, ranking.scores) >= threshold))
            why = f"below the {what} {threshold:.3g} ({promise}; calibrated on {made}{self._grown()})"
            after.append(cut_at(ranking, kept, name, why))
        return after


@dataclass(frozen=True)
class Probabilities(_Calibrated):
    """Gives each candidate its calibrated probability of relevance as score. The order stays. Where a stage before
    didn't judge all candidates, each gets 1, so that nothing is cut unjudged, and a note says so."""

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        self._check()
        after = []
        for ranking in rankings:
            values = self.calibration.probabilities(ranking.scores).tolist()
            notes: tuple[str, ...] = ()
            if failed := _degraded(ranking):
                values = [1.0] * len(ranking)
                notes = (
                    f"not calibrated: {failed} did not judge all candidates; each counts as 1, so that none is cut",
                )
            elif grown := self._grown():
                notes = (f"calibrated on {self.calibration.queries} queries{grown}",)
            after.append(ranking.scored(values).with_step(Step("calibrated", notes=notes)))
        return after
