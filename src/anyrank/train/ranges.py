"""The ranges of a training's settings, in one table: every number of a recipe, and of the options of losses and models.

A setting out of its range is refused when the recipe is read, before anything is loaded or computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..core.errors import InputError


@dataclass(frozen=True, slots=True)
class Range:
    """Finite numbers from ``low`` to ``high``; ``above`` leaves ``low`` itself out. ``hint`` says what is usual.

    >>> str(Range(0, 1, above=True)), str(Range(1)), str(Range())
    ('more than 0 and at most 1', 'at least 1', 'a finite number')
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    hint: str = ""

    def __str__(self) -> str:
        bounds = [f"{'more than' if self.above else 'at least'} {self.low:g}"] if self.low > -math.inf else []
        bounds += [f"at most {self.high:g}"] if self.high < math.inf else []
        return " and ".join(bounds) or "a finite number"

    def __contains__(self, value: float) -> bool:
        return math.isfinite(value) and self.low <= value <= self.high and not (self.above and value == self.low)

    def check(self, name: str, value: float) -> None:
        """Raises InputError if the value is outside."""
        if value not in self:
            hint = f" ({self.hint})" if self.hint else ""
            raise InputError(f"{name}: expected {self}{hint}, found {value:g}")


SHARE = Range(0, 1)
COUNT = Range(1, 1e9)
COUNT_OR_NONE = Range(0, 1e9)
POSITIVE = Range(0, 1e6, above=True)
WEIGHT = Range(0, 1e6)
ANY = Range()

SETTINGS: Mapping[str, Mapping[str, Range]] = {
    "Model": {"max_length": Range(3, 1e6)},
    "Data": {"texts": COUNT_OR_NONE},
    "ValidSet": {"weight": POSITIVE},
    "Source": {"depth": COUNT_OR_NONE, "weight": Range(0, 1000, above=True)},
    "Draw": {
        "negatives": COUNT_OR_NONE,
        "start": POSITIVE,
        "end": POSITIVE,
        "epochs": COUNT,
        "relative": Range(0, 1e6),
        "absolute": WEIGHT,
        "adaptive": WEIGHT,
    },
    "Refresh": {"negatives": COUNT, "depth": COUNT, "steps": COUNT_OR_NONE, "every": COUNT},
    "Loss": {"weight": WEIGHT},
    "Language": {
        "rank_weight": WEIGHT,
        "lora": Range(0, 65536),
        "neftune": Range(0, 1000, hint="5 in FIRST"),
        "words": COUNT,
    },
    "Adapters": {
        "rank": Range(1, 65536),
        "alpha": Range(0, 1e6, hint="0 is twice the rank"),
        "dropout": SHARE,
        "reduction": Range(1, 65536),
        "coupling": Range(0, 65536),
        "keep": Range(0, 1e12, above=True, hint="a share, or above 1 a number of weights"),
        "l1": WEIGHT,
        "first_steps": COUNT_OR_NONE,
    },
    "Reinforce": {
        "samples": Range(2, 4096, hint="answers to a prompt"),
        "temperature": Range(0, 100, above=True),
        "tokens": COUNT,
        "negatives": COUNT_OR_NONE,
        "clip": Range(0, 1, above=True, hint="0.2 is usual"),
        "beta": WEIGHT,
        "iterations": COUNT,
        "words": COUNT,
        "lora": Range(0, 65536),
        "alpha": COUNT_OR_NONE,
        "dropout": SHARE,
    },
    "Curriculum": {"end": COUNT_OR_NONE, "threshold": ANY},
    "Optimiser": {
        "rate": Range(0, 1, above=True, hint="usual are 1e-6 to 1e-2"),
        "decay": Range(0, 1, hint="usual are 0 to 0.1"),
        "warmup": Range(0, 1, hint="a share of the steps"),
        "epochs": Range(0, 1e6),
        "steps": COUNT_OR_NONE,
        "batch": Range(1, 1e6, hint="a number of groups"),
        "accumulate": Range(1, 1e6),
        "clip": Range(0, 1e6, hint="0 is unbounded"),
        "cache": COUNT_OR_NONE,
    },
    "Check": {"every": COUNT_OR_NONE, "patience": COUNT_OR_NONE},
    "Export": {"least": Range(-1, 1), "samples": COUNT},
    "Recipe": {"seed": Range(0, 2**32 - 1), "threads": Range(0, 4096)},
}
"""The range of every number of a recipe, by its class and name."""

OPTIONS: Mapping[str, Range] = {
    "temperature": POSITIVE,
    "student_temperature": POSITIVE,
    "teacher_temperature": POSITIVE,
    "beta": POSITIVE,
    "sigma": POSITIVE,
    "mu": WEIGHT,
    "k": COUNT_OR_NONE,
    "iterations": Range(1, 10_000),
    "weight": WEIGHT,
    "gold_weight": WEIGHT,
    "scale": WEIGHT,
    "near": WEIGHT,
    "margin": ANY,
    "gold_margin": ANY,
    "slack": WEIGHT,
    "threshold": ANY,
    "skips": COUNT,
    "grow": COUNT_OR_NONE,
    "hidden_dropout_prob": SHARE,
    "attention_probs_dropout_prob": SHARE,
    "classifier_dropout": SHARE,
    "labels": Range(1, 2),
    "examples": Range(0, 100),
    "example_length": COUNT,
    "lora": Range(0, 65536),
    "lora_alpha": COUNT_OR_NONE,
    "lora_dropout": SHARE,
}
"""The range of options of losses and models, by their name."""

ZERO_IS_OFF = {("pairwise_cross_entropy", "temperature")}
"""Options of losses for which 0, below their range, means something of its own."""


def check_settings(value: Any) -> None:
    """Raises InputError if a number of a recipe's part is outside its range."""
    table = SETTINGS[type(value).__name__]
    for field in fields(value):
        if field.name in table:
            table[field.name].check(field.name, getattr(value, field.name))


def check_options(owner: str, options: Mapping[str, Any]) -> None:
    """Raises InputError if a numeric option of a loss or a model is outside its range.

    >>> check_options("the loss infonce", {"temperature": 0})
    Traceback (most recent call last):
    anyrank.core.errors.InputError: the loss infonce: temperature: expected more than 0 and at most 1e+06, found 0
    """
    for name, value in options.items():
        if name in OPTIONS and isinstance(value, str) and _is_number(value):
            raise InputError(
                f"{owner}: {name}: expected a number, found the text {value!r:.60}: YAML reads 1e-2 as a text, and "
                "0.01 or 1.0e-2 as a number"
            )
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and name in OPTIONS and not (value == 0 and (owner.rpartition(" ")[2], name) in ZERO_IS_OFF):
            OPTIONS[name].check(f"{owner}: {name}", value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
