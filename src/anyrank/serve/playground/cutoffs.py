"""Cut-offs as the page shows them: what each promise keeps and misses, from a calibration on the judged queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...core.types import Ranking
from ...cutoffs.calibration import Calibration
from ...cutoffs.risk import KINDS, Kind
from ...cutoffs.stages import PROMISES

LEVELS = tuple(n / 100 for n in range(50, 100))
"""The levels that a promise may have."""
EXAMPLES, POOL = 40, 200
"""Queries whose candidates are shown, and the most candidates of each."""


def promises(made: Calibration, rankings: Sequence[Ranking], qrels: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """What the page needs so that a move of its slider asks for nothing: for each kind of promise and each level the
    threshold, the share that was missed on queries that the fit didn't see, and what is kept of the queries at hand;
    and the candidates of some queries."""
    examples = [r for r in rankings if any(qrels[r.query.id].get(id, 0) > 0 for id in r.ids)][:EXAMPLES]
    return {
        "pipeline": made.pipeline,
        "queries": made.queries,
        "pool": sum(map(len, rankings)) / len(rankings),
        "found": made.found,
        "ece": made.reliability.ece,
        "kinds": {kind: {"promise": PROMISES[kind], "levels": _levels(made, kind, rankings)} for kind in KINDS},
        "examples": [_example(made, r, qrels[r.query.id]) for r in examples],
        "file": made.as_json(),
    }


def _levels(made: Calibration, kind: Kind, rankings: Sequence[Ranking]) -> list[dict[str, Any]]:
    values = [made.values(kind, r.scores) for r in rankings]
    every = np.sort(np.concatenate(values))
    best = np.array([v.max() if len(v) else -np.inf for v in values])
    curve, out = made.curves[kind], []
    for level in LEVELS:
        try:
            threshold = made.threshold(kind, level)
        except InputError as error:
            out.append({"level": level, "refused": str(error)})
            continue
        kept = (len(every) - int(np.searchsorted(every, threshold))) / len(rankings)
        missed = curve.losses[int(np.searchsorted(curve.thresholds, threshold))]
        nothing = float((best < threshold).mean())
        out.append({"level": level, "threshold": threshold, "kept": kept, "missed": missed, "nothing": nothing})
    return out


def _example(made: Calibration, ranking: Ranking, grades: Mapping[str, int]) -> dict[str, Any]:
    """A query's candidates: ids, probabilities, scores, and the positions of the relevant ones."""
    shown = ranking[:POOL]
    return {
        "query": ranking.query.id,
        "ids": shown.ids,
        "probabilities": [round(p, 5) for p in made.probabilities(ranking.scores)[:POOL].tolist()],
        "scores": [round(float(s), 5) for s in shown.scores],
        "relevant": [n for n, id in enumerate(shown.ids) if grades.get(id, 0) > 0],
        "judged": sum(grade > 0 for grade in grades.values()),
    }
