"""Gradient-boosted trees over the feature table (LightGBM): a learned baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np

from ..core.errors import InputError, MissingExtra
from ..core.rerank import Group
from ..core.types import Judgement, Ranking
from .features import features, names
from .matching import NARROW, Tolerance
from .peptide import Peptide

SETTINGS: Mapping[str, Any] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 5, "feature_fraction": 0.5,
    "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 1.0, "num_threads": 1, "verbosity": -1,
    "deterministic": True,
}  # fmt: skip
"""Small trees for small data; chosen beforehand, not tuned."""


@dataclass(frozen=True)
class Boosted:
    """A judge: the log-odds that a candidate is the right peptide, by trees over `features.features`."""

    booster: Any = field(repr=False)
    engines: tuple[str, ...]
    tolerance: Tolerance = Tolerance()

    @classmethod
    def fit(
        cls,
        rankings: Sequence[Ranking],
        truths: Sequence[Peptide],
        engines: Sequence[str],
        *,
        rounds: int = 100,
        seed: int = 0,
        tolerance: Tolerance = NARROW,
        settings: Mapping[str, Any] = SETTINGS,
    ) -> Boosted:
        """Trees that tell the true peptides from the others. Raises InputError where all candidates are of one kind."""
        lightgbm = _lightgbm()
        tables = [features(r.query, r.candidates, engines, tolerance) for r in rankings]
        right = np.array([c.id == t.key for r, t in zip(rankings, truths, strict=True) for c in r], dtype=float)
        if not 0 < right.sum() < len(right):
            raise InputError(f"{int(right.sum())} right of {len(right)} candidates: both kinds are needed to learn")
        known = [n.replace(" ", "_") for n in names(engines)]
        data = lightgbm.Dataset(np.concatenate(tables), right, feature_name=known, params={"verbosity": -1})
        return cls(lightgbm.train({**settings, "seed": seed}, data, rounds), tuple(engines), tolerance)

    def save(self, path: str | PathLike[str]) -> None:
        """LightGBM's own text format."""
        self.booster.save_model(str(path))

    @classmethod
    def load(cls, path: str | PathLike[str], engines: Sequence[str], tolerance: Tolerance = NARROW) -> Boosted:
        """Saved trees. Raises InputError where they were made for other engines."""
        lightgbm = _lightgbm()
        try:
            booster = lightgbm.Booster(model_file=str(path))
        except lightgbm.basic.LightGBMError as error:
            raise InputError(f"no model of LightGBM: {error}", path=path) from None
        known = [n.replace(" ", "_") for n in names(engines)]
        if booster.feature_name() != known:
            missing = sorted(set(booster.feature_name()) ^ set(known))
            raise InputError(f"the model knows other features than the engines given make: {missing[:6]}", path=path)
        return cls(booster, tuple(engines), tolerance)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        tables = [features(q, members, self.engines, self.tolerance) for q, members in groups]
        if not tables:
            return []
        said = self.booster.predict(np.concatenate(tables), raw_score=True)
        return [Judgement(part.tolist()) for part in np.split(said, np.cumsum([len(t) for t in tables])[:-1])]


def _lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        raise MissingExtra("lightgbm", extra="lightgbm") from error
    return lightgbm
