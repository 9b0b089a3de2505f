"""What a candidate is judged by when it may be cut: its score, its score within the pool, and its rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NAMES = ("score", "score within the pool", "log rank")


def features(scores: Sequence[float]) -> Floats:
    """The features [n, 3] of a ranking's candidates, best first: the score itself, the score less the pool's mean in
    standard deviations (0 where none differs), and -log2 of the rank.

    >>> features([3.0, 1.0]).tolist()
    [[3.0, 1.0, -0.0], [1.0, -1.0, -1.0]]
    """
    values = np.asarray(scores, dtype=np.float64)
    spread = float(values.std()) if len(values) else 0.0
    within = (values - values.mean()) / spread if spread > 1e-12 else np.zeros(len(values))
    return np.stack([values, within, -np.log2(np.arange(1, len(values) + 1))], axis=1).reshape(-1, 3)
