"""A learned baseline: gradient-boosted trees over the feature table (LightGBM), with their file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...core.rerank import Group
from ...core.types import Judgement, Ranking
from ...judges.trees import gain_shares, judged_tables, lightgbm_module
from .features import features, names
from .matching import NARROW, Tolerance
from .peptide import Peptide
from .saved import read_record, write_record
from .split import fingerprints

SETTINGS: Mapping[str, Any] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 5, "feature_fraction": 0.5,
    "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 1.0, "num_threads": 1, "verbosity": -1,
    "deterministic": True,
}  # fmt: skip
"""Small trees for small data; chosen in advance, not tuned."""
KIND = "anyrank peptide trees"


@dataclass(frozen=True)
class Boosted:
    """A judge: the log-odds that a candidate is the right peptide, by trees over `features.features`. ``engines`` are
    those whose scores are features; candidates of others are judged by the spectrum alone. ``facts`` describe the
    training (spectra, candidates, seed, …) and are saved with the trees, as is ``trained_on``: the hashes of the
    peptides trained on (see `split.fingerprints`)."""

    booster: Any = field(repr=False)
    engines: tuple[str, ...]
    tolerance: Tolerance = Tolerance()
    facts: Mapping[str, Any] = field(default_factory=dict)
    trained_on: Sequence[str] = field(default=(), repr=False)

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
        """Train trees that tell the true peptides from the others; ``truths`` has one a ranking. Raises InputError
        unless there are right and wrong candidates."""
        lightgbm = lightgbm_module()
        tables = [features(r.query, r.candidates, engines, tolerance) for r in rankings]
        right = np.array([c.id == t.key for r, t in zip(rankings, truths, strict=True) for c in r], dtype=float)
        if not 0 < right.sum() < len(right):
            raise InputError(
                f"{int(right.sum())} of {len(right)} candidates are right: training needs both right and wrong ones"
            )
        data = lightgbm.Dataset(np.concatenate(tables), right, params={"verbosity": -1})
        booster = lightgbm.train({**settings, "seed": seed}, data, rounds)
        facts = {"spectra": len(rankings), "candidates": len(right), "right": int(right.sum()), "trees": rounds}
        return cls(booster, tuple(engines), tolerance, facts, fingerprints(truths))

    @property
    def weights(self) -> dict[str, float]:
        """Feature importance: each feature's share of the total gain, highest first; unused features are left out."""
        return gain_shares(self.booster, names(self.engines))

    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file: the engines, the fragment tolerance, the features' names, the facts and LightGBM's own
        text. Raises InputError if it can't be written."""
        record = {
            "engines": self.engines,
            "tolerance": asdict(self.tolerance),
            "features": names(self.engines),
            "facts": dict(self.facts),
            "trained on": list(self.trained_on),
            "booster": self.booster.model_to_string(),
        }
        write_record(path, KIND, record)

    @classmethod
    def load(cls, path: str | PathLike[str], engines: Sequence[str] | None = None) -> Boosted:
        """Load saved trees, with the fragment tolerance they were trained with. Raises InputError if the file is not
        one of `save`, has other features than this version, or needs an engine that is not among ``engines``, if these
        are given."""
        lightgbm = lightgbm_module()
        record = read_record(path, KIND, "anyrank peptides train --kind lightgbm")
        trained = tuple(record["engines"])
        if missing := [e for e in trained if engines is not None and e not in engines]:
            raise InputError(
                f"the trees were trained with the scores of the engine {missing[0]!r}, given are "
                f"{', '.join(engines or ())}: name its output --engine {missing[0]}=FILE, or train again without it",
                path=path,
            )
        if record["features"] != names(trained):
            raise InputError("trained on other features than those of this version: train again", path=path)
        booster = lightgbm.Booster(model_str=record["booster"])
        return cls(booster, trained, Tolerance(**record["tolerance"]), record["facts"], record.get("trained on", ()))

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        tables = [features(q, members, self.engines, self.tolerance) for q, members in groups]
        return judged_tables(self.booster, tables)
