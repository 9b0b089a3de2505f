"""Calibration: what judged queries taught about a pipeline's scores, as a file that its cut-offs use."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.errors import InputError, quoted, reason
from ..core.types import Ranking
from ..io.files import File, atomic, label
from .features import NAMES, Floats, features
from .fit import Logistic, Reliability, isotonic, logistic, reliability, sigmoid, temperature
from .risk import KINDS, Curve, Kind, Pool, curve

FORMAT = 1
FOLDS = 5
LEAST = 20
"""The fewest queries with a relevant candidate that a calibration is made of."""
Method = Literal["platt", "temperature", "isotonic"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The map from a pipeline's scores to probabilities of relevance, and the curves of losses by threshold.

    ``model`` is a logistic regression on score, score within the pool and rank; ``method`` says what maps its result to
    the probability: nothing more ("platt"), a ``factor`` fitted on queries that the model didn't see ("temperature"),
    or the ``corners`` of a rising line ("isotonic"). ``curves`` are measured on queries that the model behind them
    didn't see. ``found`` is the mean share of all relevant documents that the pipeline's result holds, which no
    cut-off can raise. ``documents``: those of the index then, 0 if there was none.
    """

    pipeline: str
    fingerprint: str
    date: str
    queries: int
    candidates: int
    alpha: float
    method: Method
    model: Logistic
    curves: Mapping[Kind, Curve]
    reliability: Reliability
    found: float
    factor: float = 1.0
    corners: tuple[tuple[float, float], ...] = ()
    documents: int = 0

    @classmethod
    def of(
        cls,
        rankings: Sequence[Ranking],
        qrels: Mapping[str, Mapping[str, int]],
        pipeline: str,
        fingerprint: str,
        *,
        method: Method = "platt",
        alpha: float = 0.1,
        today: str = "",
        documents: int = 0,
    ) -> Calibration:
        """The calibration of a pipeline by its results for judged queries; unjudged candidates count as not relevant.

        The loss of each query is measured with a model that was fitted on the other folds, so that the curves hold for
        queries that were never seen. Raises InputError on fewer than 20 queries with a relevant candidate.
        """
        judged = [r for r in rankings if r.query.id in qrels and len(r)]
        rows = [features(r.scores) for r in judged]
        labels = [np.array([float(qrels[r.query.id].get(id, 0) > 0) for id in r.ids], dtype=np.float64) for r in judged]
        useful = sum(bool(mine.any()) for mine in labels)
        if judged and not useful:
            raise InputError(
                f"none of the {len(judged):,} judged queries has a relevant document among its candidates: do the "
                "ids of the judgements belong to this index, and do grades above 0 stand in them?"
            )
        if useful < max(LEAST, least_queries(alpha)):
            raise InputError(
                f"{useful} queries with a relevant document among their candidates: at least "
                f"{max(LEAST, least_queries(alpha))} are needed for alpha={alpha:g}, better 100; judge more queries"
            )
        folds = [int(hashlib.sha256(r.query.id.encode()).hexdigest(), 16) % FOLDS for r in judged]
        unseen: list[Floats] = [np.zeros(0)] * len(judged)
        for fold in sorted(set(folds)):
            others = [i for i, f in enumerate(folds) if f != fold]
            model = _fitted([rows[i] for i in others], [labels[i] for i in others])
            for i, f in enumerate(folds):
                if f == fold:
                    unseen[i] = model.logits(rows[i])
        model = _fitted(rows, labels)
        logits, marks = np.concatenate(unseen), np.concatenate(labels)
        factor, corners = _map_of(method, logits, marks)
        mapped: list[Floats] = [np.zeros(0)] * len(judged)
        for fold in sorted(set(folds)):  # the map, too, is fitted on the other folds
            rest = np.repeat([f != fold for f in folds], [len(mine) for mine in unseen])
            own = _map_of(method, logits[rest], marks[rest])
            for i, f in enumerate(folds):
                if f == fold:
                    mapped[i] = _mapped(unseen[i], *own)
        falling = [np.minimum.accumulate(p) for p in mapped]
        pools = [Pool(p, mine) for p, mine in zip(falling, labels)]
        raw = [Pool(mine[:, 0], marks_of) for mine, marks_of in zip(rows, labels)]
        shares = [
            float(mine.sum()) / total
            for r, mine in zip(judged, labels)
            if (total := sum(grade > 0 for grade in qrels[r.query.id].values()))
        ]
        return cls(
            pipeline,
            fingerprint,
            today or date.today().isoformat(),
            useful,
            len(marks),
            alpha,
            method,
            model,
            {kind: curve(kind, raw if kind == "any" else pools) for kind in KINDS},
            reliability(np.concatenate(falling), marks),
            float(np.mean(shares)) if shares else 0.0,
            factor,
            corners,
            documents,
        )

    def probabilities(self, scores: Sequence[float]) -> Floats:
        """The probability of relevance of each candidate of a ranking, best first; they never rise down the list, so
        that a threshold cuts the end of it."""
        if not len(scores):
            return np.zeros(0)
        values = _mapped(self.model.logits(features(scores)), self.factor, self.corners)
        return np.asarray(np.minimum.accumulate(values), dtype=np.float64)

    def values(self, kind: Kind, scores: Sequence[float]) -> Floats:
        """What a promise compares with its threshold, for each candidate, best first: probabilities; for "any" the
        scores themselves. A candidate's place among the others says nothing of whether any is relevant: also the best
        of a hundred strangers is the best of its pool."""
        return np.asarray(scores, dtype=np.float64) if kind == "any" else self.probabilities(scores)

    def threshold(self, kind: Kind, level: float) -> float:
        """The value (see `values`) below which candidates are cut, so that on average over queries the ``level``
        holds. Raises InputError if it can't be promised from so few queries, or at all."""
        if not 0 < level < 1:
            raise InputError(f"{kind}={level:g}: a share between 0 and 1")
        alpha, losses = 1 - level, self.curves[kind]
        if kind == "precision":
            found = losses.tested(alpha)
            if found is None:
                best = 1 - min(losses.losses)
                raise InputError(
                    f"precision={level:g} can't be promised by {losses.n} calibration queries: the best that a "
                    f"threshold had on them is {best:.2f}; ask for less, or judge more queries"
                )
            return found
        found = losses.controlled(alpha)
        if found is None:
            most = losses.n / (losses.n + 1)
            raise InputError(
                f"{kind}={level:g} can't be promised by {losses.n} calibration queries (at most {most:.3f}): it takes "
                f"{least_queries(alpha)} or more; ask for less, or judge more queries"
            )
        return found

    def as_json(self) -> str:
        """The content of its file."""
        record = {
            "format": FORMAT,
            "features": NAMES,
            **asdict(self),
            "reliability": self.reliability.as_dict(),
        }
        return json.dumps(record, indent=1) + "\n"

    def save(self, path: File) -> None:
        """Write the calibration to a file, as JSON."""
        with atomic(path) as file:
            file.write(self.as_json())

    @classmethod
    def load(cls, path: File) -> Calibration:
        """Raises InputError, naming the file, if it is none, is damaged or of a newer format."""
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            command = "anyrank calibrate INDEX -p PIPELINE --queries … --qrels … -o"
            raise InputError(f"there is no such file: `{command} {label(path)}` makes it", path=label(path)) from None
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"is no calibration: {reason(error)}", path=label(path)) from None
        try:
            if int(record["format"]) <= FORMAT:
                return cls._read(record)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = f"is no calibration ({reason(error)}): make it anew by anyrank calibrate"
            raise InputError(what, path=label(path)) from None
        what = f"is of format {int(record['format'])}, and this anyrank reads {FORMAT}: update it"
        raise InputError(what, path=label(path))

    @classmethod
    def _read(cls, record: Mapping[str, Any]) -> Calibration:
        curves: dict[Kind, Curve] = {}
        for kind in KINDS:
            stated = record["curves"][kind]
            thresholds, losses = tuple(map(float, stated["thresholds"])), tuple(map(float, stated["losses"]))
            if len(thresholds) != len(losses) or not all(map(math.isfinite, (*thresholds, *losses))):
                raise ValueError(f"{len(thresholds)} thresholds and {len(losses)} losses of {kind}")
            curves[kind] = Curve(int(stated["n"]), thresholds, losses)
        weights, held = tuple(map(float, record["model"]["weights"])), record["reliability"]
        factor, corners = float(record["factor"]), tuple((float(x), float(p)) for x, p in record["corners"])
        numbers = (*weights, float(record["model"]["bias"]), factor, *(n for corner in corners for n in corner))
        if not all(map(math.isfinite, numbers)) or list(corners) != sorted(corners):
            raise ValueError("a weight or corner is no number, or corners fall")
        if len(weights) != len(NAMES):
            raise ValueError(f"{len(weights)} weights of {len(NAMES)} features")
        return cls(
            str(record["pipeline"]),
            str(record["fingerprint"]),
            str(record["date"]),
            int(record["queries"]),
            int(record["candidates"]),
            float(record["alpha"]),
            record["method"],
            Logistic(weights, float(record["model"]["bias"])),
            curves,
            Reliability(tuple((float(p), float(s), int(n)) for p, s, n in held["bins"]), float(held["ece"])),
            float(record["found"]),
            factor,
            corners,
            int(record.get("documents", 0)),
        )

    def check(self, pipeline: str, fingerprint: str) -> None:
        """Raises InputError if the calibration was made for another pipeline, or for other weights of its models."""
        if pipeline != self.pipeline:
            raise InputError(
                f"the calibration is of the pipeline {quoted(self.pipeline)}, and here it follows {quoted(pipeline)}: "
                "calibrate this one"
            )
        if fingerprint != self.fingerprint:
            raise InputError(
                f"the calibration is of other weights of {quoted(pipeline)} ({self.fingerprint} then, {fingerprint} "
                "now): calibrate again"
            )


def least_queries(alpha: float) -> int:
    """The fewest queries by which a loss can be bounded by alpha.

    >>> least_queries(0.1), least_queries(0.05)
    (9, 19)
    """
    return math.ceil(1 / alpha - 1e-9) - 1


def _fitted(rows: Sequence[Floats], labels: Sequence[Floats]) -> Logistic:
    return logistic(np.concatenate(rows), np.concatenate(labels))


def _map_of(method: Method, logits: Floats, marks: Floats) -> tuple[float, tuple[tuple[float, float], ...]]:
    """The factor and the corners by which a method maps logits to probabilities."""
    factor = temperature(logits, marks) if method == "temperature" else 1.0
    return factor, tuple(isotonic(logits, marks)) if method == "isotonic" else ()


def _mapped(logits: Floats, factor: float, corners: Sequence[tuple[float, float]]) -> Floats:
    if corners:
        x, p = np.array(corners).T
        return np.asarray(np.interp(logits, x, p), dtype=np.float64)
    return sigmoid(logits * factor)
