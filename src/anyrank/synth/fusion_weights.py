"""The weights of a fusion, tuned on lists with relevant documents: often all that an adaptation needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.fusion import Combine
from ..train.group import Group
from .harm import Scores, ndcg

GRID = (0.0, 0.25, 0.5, 1.0, 2.0)
"""The weights that are tried of each part beside the first."""


def fused(parts: Mapping[str, Scores], weights: Mapping[str, float]) -> list[list[float]]:
    """The weighted sums of the parts' z-scores within each list, as ``a + b`` in a pipeline.

    >>> [round(x, 2) for x in fused({"a": [[1.0, 2.0]], "b": [[5.0, 3.0]]}, {"a": 1.0, "b": 0.5})[0]]
    [-0.5, 0.5]
    """
    names = [name for name in parts if weights.get(name)]
    method = Combine()
    out = []
    for rows in zip(*(parts[name] for name in names)):
        runs = [{str(i): value for i, value in enumerate(row)} for row in rows]
        summed = method(runs, [weights[name] for name in names])
        out.append([summed[str(i)] for i in range(len(rows[0]))])
    return out


def tuned(
    groups: Sequence[Group], parts: Mapping[str, Scores], grid: Sequence[float] = GRID, least: float = 0.002
) -> dict[str, float]:
    """The weights with the highest mean nDCG@10, by one part after the other until none improves; the first part has
    weight 1. A weight changes only where that gains ``least``, so that a part without use has weight 0.

    Raises InputError without parts.

    >>> group = Group.from_texts("q", ("a", "b"), (0.0, 1.0), grades=(0.0, 1.0))
    >>> tuned([group], {"weak": [[1.0, 0.0]], "strong": [[0.0, 1.0]]})
    {'weak': 1.0, 'strong': 2.0}
    """
    if not parts:
        raise InputError("no part to weigh")
    columns = [_standard(parts[name]) for name in parts]
    weights = [1.0, *[0.0] * (len(columns) - 1)]
    best = _value(groups, columns, weights)
    improved = True
    while improved:
        improved = False
        for i in range(1, len(columns)):
            for weight in grid:
                trial = [*weights[:i], weight, *weights[i + 1 :]]
                if (value := _value(groups, columns, trial)) > best + least:
                    weights, best, improved = trial, value, True
    return dict(zip(parts, weights))


def text(weights: Mapping[str, float]) -> str:
    """The fusion as a pipeline writes it.

    >>> text({"mini": 1.0, "minilm": 0.0, "splade": 0.5})
    'mini + 0.5 * splade'
    """
    return " + ".join(name if w == 1 else f"{w:g} * {name}" for name, w in weights.items() if w)


def _standard(scores: Scores) -> list[NDArray[np.float64]]:
    """z-scores within each list."""
    rows = [np.asarray(s, dtype=np.float64) for s in scores]
    return [(r - r.mean()) / (r.std() if r.std() > 1e-12 else np.inf) for r in rows]


def _value(groups: Sequence[Group], columns: Sequence[list[NDArray[np.float64]]], weights: Sequence[float]) -> float:
    used = [(c, w) for c, w in zip(columns, weights) if w]
    sums = [sum(w * c[i] for c, w in used) for i in range(len(groups))]
    return float(np.mean(ndcg(groups, sums)))  # type: ignore[arg-type]
