"""What each part of a fusion adds to a fused score, by the fusion's own formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.fusion import RRF, Borda, Combine, Fusion, Interleave, Run, minmax, zscore
from ..retrieve.rewritten import FirstOccurrence

NORMALISE: dict[str, Callable[[Run], dict[str, float]]] = {"zscore": zscore, "minmax": minmax, "none": dict}


@dataclass(frozen=True, slots=True)
class Share:
    """One part's share in the fused score of a candidate: ``normalised`` is what the fusion makes of the part's score,
    ``contribution`` what it adds in the end."""

    normalised: float | None
    contribution: float
    note: str = ""


def shares(method: Fusion, runs: Sequence[Run], weights: Sequence[float], id: str, fused: float) -> list[Share] | None:
    """The shares of all runs in the fused score of one candidate; they add up to it. None for a fusion whose formula
    isn't known here.

    >>> [round(s.contribution, 2) for s in shares(RRF(k=1), [{"a": 9.0, "b": 8.0}, {"b": 1.0}], [1, 1], "b", 5 / 6)]
    [0.33, 0.5]
    """
    match method:
        case Combine():
            return _combined(method, runs, weights, id)
        case RRF(k):
            out = []
            for run, weight in zip(runs, weights):
                value = 1 / (k + _rank(run, id)) if id in run else 0.0
                out.append(Share(value, weight * value, "" if id in run else "not in its results"))
            return out
        case Borda():
            n = len({i for run in runs for i in run})
            out = []
            for run, weight in zip(runs, weights):
                points = n - _rank(run, id) + 1 if id in run else (n - len(run) + 1) / 2
                out.append(Share(points, weight * points, "" if id in run else "not in its results: an even share"))
            return out
        case Interleave() | FirstOccurrence():
            return _first(method, runs, id, fused)
    return None


def _rank(run: Run, id: str) -> int:
    return list(run).index(id) + 1


def _combined(method: Combine, runs: Sequence[Run], weights: Sequence[float], id: str) -> list[Share]:
    out = []
    holders = sum(id in run for run in runs)
    for run, weight in zip(runs, weights):
        normal = NORMALISE[method.normalise](run)
        if id in run:
            value, note = float(normal[id]), ""
        elif method.how == "max":
            value, note = -math.inf, "not in its results"
        elif method.missing == "min" and run:
            value, note = float(min(normal.values())), "not in its results: counts as its lowest"
        else:
            value, note = 0.0, "not in its results: counts 0"
        out.append(Share(value, weight * value if math.isfinite(value) else value, note))
    if method.how == "mnz":
        return [Share(s.normalised, s.contribution * holders, s.note or f"times {holders} parts with it") for s in out]
    if method.how == "max":
        best = max(range(len(out)), key=lambda i: out[i].contribution)
        return [
            Share(s.normalised if math.isfinite(s.contribution) else None, s.contribution if i == best else 0.0, s.note)
            for i, s in enumerate(out)
        ]
    return out


def _first(method: Interleave | FirstOccurrence, runs: Sequence[Run], id: str, fused: float) -> list[Share]:
    """The whole score belongs to the part in which the candidate stands first."""
    ranks = [_rank(run, id) if id in run else math.inf for run in runs]
    if isinstance(method, FirstOccurrence):
        best = next(i for i, rank in enumerate(ranks) if rank < math.inf)
    else:
        best = min(range(len(runs)), key=lambda i: ranks[i])
    return [
        Share(None, fused if i == best else 0.0, "not in its results" if rank == math.inf else f"rank {rank}")
        for i, rank in enumerate(ranks)
    ]
