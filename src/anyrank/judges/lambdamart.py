"""LambdaMART: gradient-boosted trees that rank by features, trained by LightGBM's lambdarank objective.

Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", 2010 (MSR-TR-2010-82).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError, listed
from ..core.rerank import Group
from ..core.types import Judgement, Ranking
from ..io.files import atomic
from .features import Features
from .trees import Floats, check_settings, gain_shares, judged_tables, lightgbm_module

SETTINGS: Mapping[str, Any] = {
    "objective": "lambdarank", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 20, "lambda_l2": 1.0,
    "feature_fraction": 0.7, "bagging_fraction": 0.9, "bagging_freq": 1, "metric": "ndcg", "eval_at": [10],
    "num_threads": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
"""LightGBM's parameters, chosen for some hundred queries and not tuned on any collection."""
_OURS = "anyrank:"
_LAST = "pandas_categorical:"


@dataclass(frozen=True)
class LambdaMart:
    """A judge: the score of trees over ``features``. Missing features are NaN, which the trees read as missing; a note
    counts those that no candidate of the training lacked. ``facts`` describe the training. Raises InputError on groups
    whose candidates have none of the features.

    Its file is LightGBM's own text with one line of ours (the features' names and statistics), so LightGBM and every
    program that reads its models read it too."""

    booster: Any = field(repr=False)
    features: Features
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        rankings: Sequence[Ranking],
        labels: Sequence[Sequence[float]],
        features: Features | None = None,
        valid: tuple[Sequence[Ranking], Sequence[Sequence[float]]] | None = None,
        *,
        rounds: int = 300,
        patience: int = 50,
        seed: int = 0,
        settings: Mapping[str, Any] = {},
    ) -> LambdaMart:
        """Train on rankings with a grade for each candidate, 0 to 30. With ``valid`` it stops after ``patience`` rounds
        without a gain of its nDCG@10 there and keeps the best number of trees. ``settings`` are LightGBM's, beside
        ours. Raises InputError unless some query has candidates of different grades."""
        lightgbm = lightgbm_module()
        check_settings(settings)
        features = features or Features.of(rankings)
        chosen = {**SETTINGS, "seed": seed, **settings}
        if not any(len(set(values)) > 1 for values in labels):
            raise InputError("no query has candidates of different grades: there is nothing to learn an order from")
        table, target, sizes = _data(features, rankings, labels)
        # LightGBM's names may hold no characters of JSON; ours stand in our line
        names = [re.sub(r"[^\w.-]", "_", name) for name in features.names]
        names = names if len(set(names)) == len(names) else [f"f{i}" for i in range(len(names))]
        quiet = {"verbosity": -1, "max_bin": chosen.get("max_bin", 255), "min_data_in_leaf": chosen["min_data_in_leaf"]}
        data = lightgbm.Dataset(table, target, group=sizes, feature_name=names, params=quiet)
        held_out, callbacks = [], []
        if valid is not None:
            v_table, v_target, v_sizes = _data(features, *valid)
            held_out = [lightgbm.Dataset(v_table, v_target, group=v_sizes, reference=data, params=quiet)]
            callbacks = [lightgbm.early_stopping(patience, verbose=False)]
        try:
            booster = lightgbm.train(chosen, data, rounds, valid_sets=held_out, callbacks=callbacks)
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            listed = ", ".join(f"{name}={value}" for name, value in settings.items()) or "ours"
            raise InputError(f"LightGBM refuses its settings ({listed}): {str(error).strip()}") from None
        missing = [name for i, name in enumerate(features.names) if np.isnan(table[:, i]).any()]
        trees = int(booster.best_iteration) if valid is not None and booster.best_iteration > 0 else rounds
        facts = {
            "queries": len(rankings),
            "candidates": len(target),
            "trees": trees,
            "seed": seed,
            "sometimes missing": missing,
        }
        return cls(lightgbm.Booster(model_str=booster.model_to_string(num_iteration=trees)), features, facts)

    @property
    def importances(self) -> dict[str, float]:
        """Each feature's share of the total gain of all splits, highest first; unused features are left out."""
        return gain_shares(self.booster, self.features.names)

    def save(self, path: str | PathLike[str]) -> None:
        """Write LightGBM's text of the model with our line in it. Raises InputError if it can't be written."""
        ours = json.dumps({"features": self.features.as_dict(), "facts": dict(self.facts)})
        text, _, last = self.booster.model_to_string().rpartition(_LAST)
        with atomic(path) as f:  # the line stands before LightGBM's last one, which its reader looks for at the end
            f.write(f"{text}{_OURS}{ours}\n{_LAST}{last}")

    @classmethod
    def load(cls, path: str | PathLike[str]) -> LambdaMart:
        """A saved model, or one that LightGBM wrote: its column i is then feature i of candidates' vectors. Raises
        InputError if the file is neither."""
        lightgbm = lightgbm_module()
        try:
            text = Path(path).read_text("utf-8")
        except OSError as error:
            raise InputError(
                f"can't be read: {error.strerror}: train a model by 'anyrank ltr train'", path=path
            ) from None
        except ValueError:
            text = ""
        if not text.startswith("tree\n"):
            raise InputError("not a model of LightGBM: train one by 'anyrank ltr train'", path=path)
        try:
            booster = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise InputError(f"a damaged model of LightGBM ({error})", path=path) from None
        line = next((line for line in text.splitlines() if line.startswith(_OURS)), None)
        if line is None:
            return cls(booster, Features(tuple(f"vector.{i}" for i in range(booster.num_feature()))))
        try:
            record = json.loads(line[len(_OURS) :])
            features = Features.from_dict(record["features"])
        except (ValueError, KeyError, TypeError):
            raise InputError("a damaged line 'anyrank:' in the model: train it again", path=path) from None
        if len(features.names) != booster.num_feature():
            names, columns = len(features.names), booster.num_feature()
            raise InputError(f"{names} names for the {columns} features of the trees: train it again", path=path)
        return cls(booster, features, record.get("facts", {}))

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        tables = [self.features.table(query, members) for query, members in groups]
        if tables and all(np.isnan(table).all() for table in tables):
            names = listed(self.features.names, 5)
            raise InputError(f"the candidates have none of the features of the trees ({names}): train it on such ones")
        return judged_tables(self.booster, tables, [self._note(table) for table in tables])

    def _note(self, table: Floats) -> str:
        """A sentence on features that candidates lack, and that no candidate of the training lacked."""
        known = set(self.facts.get("sometimes missing", ()))
        lacking = {n: int(k) for n, k in zip(self.features.names, np.isnan(table).sum(axis=0)) if k and n not in known}
        if not lacking:
            return ""
        parts = [f"{name} of {count}" for name, count in list(lacking.items())[:5]]
        more = f" and {len(lacking) - 5} more features" if len(lacking) > 5 else ""
        return f"missing features of {len(table)} candidates: {', '.join(parts)}{more}"


def _data(
    features: Features, rankings: Sequence[Ranking], labels: Sequence[Sequence[float]]
) -> tuple[Floats, Floats, list[int]]:
    """The table of all candidates, their grades, and the number of candidates of each query."""
    for ranking, values in zip(rankings, labels, strict=True):
        if len(values) != len(ranking):
            raise InputError(f"query {ranking.query.id!r}: {len(values)} grades for {len(ranking)} candidates")
        if wrong := next((v for v in values if not 0 <= v <= 30 or v != int(v)), None):
            raise InputError(f"query {ranking.query.id!r}: the grade {wrong} is no whole number from 0 to 30")
    tables = [features.table(r.query, r.candidates) for r in rankings]
    return (
        np.concatenate(tables),
        np.concatenate([np.asarray(v, dtype=float) for v in labels]),
        [len(t) for t in tables],
    )
