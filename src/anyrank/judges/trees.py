"""Gradient-boosted trees of LightGBM over tables of features: what every judge made of them shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, MissingExtra, quoted
from ..core.types import Judgement

Floats = NDArray[np.float64]


def lightgbm_module() -> Any:
    """The package lightgbm. Raises MissingExtra without it."""
    try:
        import lightgbm
    except ImportError as error:
        raise MissingExtra("lightgbm", extra="lightgbm") from error
    return lightgbm


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raises InputError on a name that is no parameter of LightGBM's, which it would ignore."""
    aliases: Mapping[str, Sequence[str]] = lightgbm_module().basic._ConfigAliases._get_all_param_aliases()
    known = {name for names in aliases.values() for name in names} | set(aliases)
    if wrong := next((name for name in settings if name not in known), None):
        near = get_close_matches(wrong, sorted(aliases), 1)
        mend = f": did you mean {near[0]}?" if near else ", see its page Parameters"
        raise InputError(f"LightGBM has no parameter {quoted(wrong)}{mend}")


def gain_shares(booster: Any, names: Sequence[str]) -> dict[str, float]:
    """Each feature's share of the total gain of all splits, highest first; unused features are left out."""
    gain = booster.feature_importance("gain")
    shares = {n: float(g) / max(float(gain.sum()), 1e-12) for n, g in zip(names, gain) if g > 0}
    return dict(sorted(shares.items(), key=lambda pair: -pair[1]))


def judged_tables(booster: Any, tables: Sequence[Floats], notes: Sequence[str] = ()) -> list[Judgement]:
    """A judgement a table [candidates, features], by the trees' raw scores; all tables are scored at once."""
    if not sum(map(len, tables)):
        return [Judgement([]) for _ in tables]
    margins = booster.predict(np.concatenate(tables), raw_score=True)
    parts = np.split(margins, np.cumsum([len(t) for t in tables])[:-1])
    return [Judgement(p.tolist(), note=n) for p, n in zip(parts, notes or [""] * len(parts), strict=True)]
