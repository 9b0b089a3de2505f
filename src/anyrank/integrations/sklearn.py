"""scikit-learn: a pipeline as an estimator (`Ranker`), for cross-validation and grid search over pipelines.

A sample is a query with its documents, so that a split never tears a query's documents apart:

    from anyrank.integrations.sklearn import Ranker
    X = [("capital of France", ["Lyon is large.", "Paris is the capital."]), …]
    y = [[0, 1], …]
    GridSearchCV(Ranker(), {"pipeline": ["tiny", "mini", "mini + prior"]}, cv=5).fit(X, y).best_params_
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, MissingExtra
from ..core.types import Query, Ranking
from ..io.documents import ranking_of
from .ranked import reranker, scores_of

try:
    from sklearn.base import BaseEstimator
    from sklearn.utils.validation import check_is_fitted
except ModuleNotFoundError as error:
    raise MissingExtra("sklearn", "sklearn") from error


class Ranker(BaseEstimator):  # type: ignore[misc,unused-ignore]
    """Ranks the documents of each query by a pipeline, or by the server at an address.

    ``X`` is a list of (query, documents), each what `anyrank.rerank` takes; ``y`` has a list of grades (whole numbers,
    0 for not relevant) for each, in the documents' order. `score` is the mean of ``measure`` over the queries, in
    ``anyrank[eval]``'s names. ``settings`` fill braces in the pipeline's text, so that numbers can be searched as well:
    ``Ranker("{weight} * mini + prior", settings={"weight": 2})``.

    Nothing is learned: `fit` reads the pipeline, so that a wrong one is an error there.
    """

    def __init__(
        self, pipeline: str = "mini", *, settings: Mapping[str, Any] | None = None, measure: str = "nDCG@10"
    ) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.measure = measure

    def fit(self, X: Sequence[Any], y: Any = None) -> Ranker:
        """Reads the pipeline. Raises InputError if it can't be read."""
        if not isinstance(self.pipeline, str):
            raise InputError(f"pipeline is of type {type(self.pipeline).__name__}: expected a text")
        try:
            text = self.pipeline.format(**self.settings) if self.settings else self.pipeline
        except (KeyError, IndexError, ValueError) as error:
            raise InputError(f"settings {dict(self.settings or {})} don't fill {self.pipeline!r}: {error}") from None
        reranker(text)
        self.pipeline_ = text
        return self

    def rank(self, X: Sequence[Any]) -> list[Ranking]:
        """A ranking for each query, best documents first, each with its ``index`` and ``original``."""
        check_is_fitted(self)
        rankings = [_ranking(pair, i) for i, pair in enumerate(X)]
        some = [r for r in rankings if len(r)]
        done = iter(reranker(self.pipeline_).batch(some) if some else ())
        return [next(done) if len(r) else r for r in rankings]

    def predict(self, X: Sequence[Any]) -> list[NDArray[np.float64]]:
        """An array of scores for each query, in its documents' order; higher is better."""
        return [np.array(scores_of(r, len(_documents(x)))) for r, x in zip(self.rank(X), X)]

    def score(self, X: Sequence[Any], y: Sequence[Sequence[int]]) -> float:
        """The mean of the measure over the queries. Raises InputError if grades and documents don't match."""
        from ..evaluate.measures import Meter

        if len(X) != len(y):
            raise InputError(f"{len(X)} queries and {len(y)} lists of grades")
        rankings = self.rank(X)
        for i, (pair, grades) in enumerate(zip(X, y)):
            if len(_documents(pair)) != len(grades):
                raise InputError(f"X[{i}] has {len(_documents(pair))} documents and y[{i}] {len(grades)} grades")
        # ids are positions, since grades are known by these
        qrels = {str(i): {str(n): _whole(g, i) for n, g in enumerate(grades)} for i, grades in enumerate(y)}
        lists = {str(i): [str(c.index) for c in r] for i, r in enumerate(rankings)}
        (values,) = Meter([self.measure], qrels)(lists).values()
        return float(np.mean(values)) if len(values) else 0.0


def _ranking(pair: Any, number: int) -> Ranking:
    """The documents of a sample before they are ranked, under a query id that no other one has."""
    try:
        query, documents = pair
    except (TypeError, ValueError):
        raise InputError(f"X[{number}] is no pair: expected (query, documents)") from None
    try:
        ranking = ranking_of(query, documents)
    except InputError as error:
        raise InputError(f"X[{number}]: {error}") from None
    return ranking.with_query(Query(str(number), ranking.query.content, ranking.query.meta))


def _documents(pair: Any) -> Any:
    return pair[1]


def _whole(grade: Any, number: int) -> int:
    if grade != grade or int(grade) != grade:
        raise InputError(f"y[{number}] has the grade {grade!r}: expected whole numbers")
    return int(grade)
