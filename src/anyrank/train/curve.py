"""The curve of a training, from its log, as a file beside the model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..io.files import atomic
from ..pages.figures import standalone
from ..pages.training_curve import training_curve

CURVE = "training.svg"
"""The file of the curve in a training's folder."""


def series_of(history: Sequence[Mapping[str, float]]) -> dict[str, list[tuple[float, float]]]:
    """(step, value) of the loss, of rewards and of each validation in a Trainer's log.

    >>> series_of([{"step": 1, "loss": 0.7, "epoch": 0.5}, {"step": 2, "eval_nDCG@10": 0.4}, {"step": 2, "loss": 0.6}])
    {'loss': [(1, 0.7), (2, 0.6)], 'nDCG@10': [(2, 0.4)]}
    """
    out: dict[str, list[tuple[float, float]]] = {}
    for line in history:
        for name, value in line.items():
            if (name in ("loss", "reward") or name.startswith("eval_")) and math.isfinite(value):
                out.setdefault(name.removeprefix("eval_"), []).append((line["step"], value))
    return out


def write_curve(folder: Path, history: Sequence[Mapping[str, float]]) -> str:
    """Write the curve into a training's folder. Returns the section of its card, "" if the log holds no number."""
    series = series_of(history)
    if not series:
        return ""
    with atomic(folder / CURVE) as stream:
        stream.write(standalone(training_curve(series)))
    image = f"![{', '.join(series)} by step]({CURVE})"
    return f"\n## Curve\n\n{image}\n\nAll that was logged: `tensorboard --logdir logs` in this folder.\n"
