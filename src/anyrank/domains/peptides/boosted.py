"""A learned baseline: gradient-boosted trees over the feature table (LightGBM), with their file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.rerank import Group
from ...core.types import Judgement, Ranking
from ...judges.trees import gain_shares, judged_tables, lightgbm_module
from . import intensities as heights
from . import retention as times
from .features import features, names
from .intensities import Intensities
from .matching import NARROW, Tolerance
from .peptide import Peptide
from .retention import Retention
from .saved import read_record, write_record
from .spectrum import Spectrum
from .split import fingerprints, folds

SETTINGS: Mapping[str, Any] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 5, "feature_fraction": 0.5,
    "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 1.0, "num_threads": 1, "verbosity": -1,
    "deterministic": True,
}  # fmt: skip
"""Small trees for small data; chosen in advance, not tuned."""
KIND = "anyrank peptide trees"
LEARNED = ("intensities", "retention")
"""Features that are themselves learned from the annotated spectra."""
FOLDS = 3
"""Parts of the training spectra: the learned features of each come from the others, as those of a new spectrum will."""


@dataclass(frozen=True)
class Learned:
    """What the learned features come from: fragment intensities and retention times, each if it is wanted."""

    intensities: Intensities | None = None
    retention: Retention | None = None

    @classmethod
    def fit(cls, spectra: Sequence[Spectrum], kinds: Sequence[str], tolerance: Tolerance, seed: int = 0) -> Learned:
        """Learn those of `LEARNED` that are named from annotated spectra."""
        return cls(
            Intensities.fit(spectra, tolerance, seed=seed) if "intensities" in kinds else None,
            Retention.fit(spectra) if "retention" in kinds else None,
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of what was learned."""
        return tuple(name for name, part in zip(LEARNED, (self.intensities, self.retention)) if part is not None)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [
            *(heights.NAMES if self.intensities is not None else ()),
            *(times.NAMES if self.retention is not None else ()),
        ]

    def columns(self, query: Any, members: Sequence[Any], tolerance: Tolerance) -> list[Any]:
        """The tables of columns, one a kind."""
        out = [] if self.intensities is None else [self.intensities.columns(query, members, tolerance)]
        return out if self.retention is None else [*out, self.retention.columns(query, members)]

    def as_dict(self) -> dict[str, Any]:
        """Both as JSON values."""
        return {
            "intensities": None if self.intensities is None else self.intensities.booster.model_to_string(),
            "retention": None if self.retention is None else asdict(self.retention),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Learned:
        """The inverse of `as_dict`."""
        text, values = record.get("intensities"), record.get("retention")
        return cls(
            None if text is None else Intensities(lightgbm_module().Booster(model_str=text)),
            None if values is None else Retention(tuple(values["weights"]), values["error"]),
        )


@dataclass(frozen=True)
class Boosted:
    """A judge: the log-odds that a candidate is the right peptide, by trees over `features.features` and the features
    that were ``learned``. ``engines`` are those whose scores are features; candidates of others are judged by the
    spectrum alone. ``facts`` describe the training (spectra, candidates, seed, …) and are saved with the trees, as is
    ``trained_on``: the hashes of the peptides trained on (see `split.fingerprints`)."""

    booster: Any = field(repr=False)
    engines: tuple[str, ...]
    tolerance: Tolerance = Tolerance()
    facts: Mapping[str, Any] = field(default_factory=dict)
    trained_on: Sequence[str] = field(default=(), repr=False)
    learned: Learned = field(default=Learned(), repr=False)

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
        learn: Sequence[str] = (),
    ) -> Boosted:
        """Train trees that tell the true peptides from the others; ``truths`` has one a ranking. ``learn`` names those
        of `LEARNED` that are features too: of a training spectrum they come from spectra without its peptide. Raises
        InputError unless there are right and wrong candidates, and on an unknown name."""
        if wrong := [name for name in learn if name not in LEARNED]:
            raise InputError(f"nothing named {wrong[0]!r} is learned: choose of {', '.join(LEARNED)}")
        lightgbm = lightgbm_module()
        crossed, learned = _learned(rankings, learn, tolerance, seed)
        tables = [_table(r.query, r.candidates, engines, tolerance, part) for r, part in zip(rankings, crossed)]
        right = np.array([c.id == t.key for r, t in zip(rankings, truths, strict=True) for c in r], dtype=float)
        if not 0 < right.sum() < len(right):
            raise InputError(
                f"{int(right.sum())} of {len(right)} candidates are right: training needs both right and wrong ones"
            )
        data = lightgbm.Dataset(np.concatenate(tables), right, params={"verbosity": -1})
        booster = lightgbm.train({**settings, "seed": seed}, data, rounds)
        facts = {"spectra": len(rankings), "candidates": len(right), "right": int(right.sum()), "trees": rounds}
        return cls(booster, tuple(engines), tolerance, facts, fingerprints(truths), learned)

    @property
    def weights(self) -> dict[str, float]:
        """Feature importance: each feature's share of the total gain, highest first; unused features are left out."""
        return gain_shares(self.booster, [*names(self.engines), *self.learned.names])

    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file: the engines, the fragment tolerance, the features' names, the facts and LightGBM's own
        text. Raises InputError if it can't be written."""
        record = {
            "engines": self.engines,
            "tolerance": asdict(self.tolerance),
            "features": [*names(self.engines), *self.learned.names],
            "learned": self.learned.as_dict(),
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
        learned = Learned.from_dict(record.get("learned") or {})
        if record["features"] != [*names(trained), *learned.names]:
            raise InputError("trained on other features than those of this version: train again", path=path)
        booster = lightgbm.Booster(model_str=record["booster"])
        tolerance = Tolerance(**record["tolerance"])
        return cls(booster, trained, tolerance, record["facts"], record.get("trained on", ()), learned)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        tables = [_table(q, members, self.engines, self.tolerance, self.learned) for q, members in groups]
        return judged_tables(self.booster, tables)


def _table(
    query: Any, members: Sequence[Any], engines: Sequence[str], tolerance: Tolerance, learned: Learned
) -> NDArray[np.float64]:
    """All features of a group."""
    own = features(query, members, engines, tolerance)
    return np.column_stack([own, *learned.columns(query, members, tolerance)]) if learned.kinds else own


def _learned(
    rankings: Sequence[Ranking], kinds: Sequence[str], tolerance: Tolerance, seed: int
) -> tuple[list[Learned], Learned]:
    """What each ranking's features come from, learned without its peptide, and what new spectra's will come from."""
    if not kinds:
        return [Learned()] * len(rankings), Learned()
    spectra = list({id(r.query.content): r.query.content for r in rankings}.values())
    of = folds([s.peptide for s in spectra], FOLDS, seed)
    parts = [Learned.fit([s for s, f in zip(spectra, of) if f != k], kinds, tolerance, seed) for k in range(FOLDS)]
    part_of = {id(s): parts[f] for s, f in zip(spectra, of)}
    return [part_of[id(r.query.content)] for r in rankings], Learned.fit(spectra, kinds, tolerance, seed)
