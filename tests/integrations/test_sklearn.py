"""A pipeline as an estimator of scikit-learn; skipped where the package is absent."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

import anyrank as ar
from anyrank.integrations.sklearn import Ranker

X = [
    ("capital of France", ["Lyon is large.", "Paris is the capital of France.", "Lyon is large."]),
    ("how to cook soup", [{"id": "a", "text": "Wings lift.", "x": None}, {"id": "b", "text": "Cook soup with salt."}]),
    ("日本の首都", {"é": "東京は日本の首都です。", "🙂": ""}),
]
Y = [[0, 1, 0], [0, 1], [2, 0]]


def test_scores_in_the_documents_order():
    ranker = Ranker("tiny").fit(X, Y)
    scores = ranker.predict(X)
    assert [len(s) for s in scores] == [3, 2, 2]
    assert [int(np.argmax(s)) for s in scores] == [1, 1, 0]
    rankings = ranker.rank(X)
    assert [sorted(c.index for c in r) for r in rankings] == [[0, 1, 2], [0, 1], [0, 1]]
    assert rankings[1][0].original is X[1][1][1]
    assert ranker.score(X, Y) == 1
    assert Ranker("prior").fit(X).score(X, Y) < 1


def test_empty_lists():
    ranker = Ranker("tiny").fit([])
    assert ranker.predict([]) == []
    assert [len(s) for s in ranker.predict([("q", []), ("q", ["a"])])] == [0, 1]
    assert ranker.score([("q", []), ("q", ["a"])], [[], [1]]) == 1


def test_documents_that_a_pipeline_leaves_out_come_below():
    (scores,) = Ranker("tiny % 1").fit(X).predict(X[:1])
    assert int(np.argmax(scores)) == 1
    assert scores[0] == scores[2] < scores[1]


def test_it_is_cloned_pickled_and_searched():
    ranker = Ranker("{a} * prior + tiny", settings={"a": 0.5}, measure="RR")
    again = clone(ranker)
    assert again.get_params() == ranker.get_params()
    assert repr(ranker.set_params(measure="AP")).startswith("Ranker(")
    assert pickle.loads(pickle.dumps(again.fit(X))).score(X, Y) == again.score(X, Y)
    search = GridSearchCV(Ranker(), {"pipeline": ["prior", "tiny"], "measure": ["nDCG@10"]}, cv=3).fit(X, Y)
    assert search.best_params_["pipeline"] == "tiny"
    assert [r.ids[0] for r in search.best_estimator_.rank(X)] == ["1", "b", "é"]
    weights = GridSearchCV(again, {"settings": [{"a": 9}, {"a": 0}]}, cv=3).fit(X, Y)
    assert weights.best_params_ == {"settings": {"a": 0}}
    assert cross_val_score(Ranker("tiny"), X, Y, cv=3).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ranker("no such model").fit(X), "no such"),
        (lambda: Ranker(7).fit(X), "expected a text"),
        (lambda: Ranker("{a} * mini", settings={"b": 1}).fit(X), "don't fill"),
        (lambda: Ranker("tiny").fit(X).score(X, Y[:1]), "3 queries and 1 lists"),
        (lambda: Ranker("tiny").fit(X).score(X[:1], [[1]]), "3 documents and y.0. 1 grades"),
        (lambda: Ranker("tiny").fit(X).score(X[:1], [[0.5, 0, 0]]), "whole numbers"),
        (lambda: Ranker("tiny").fit(X).predict(["a text"]), "no pair"),
        (lambda: Ranker("tiny").fit(X).predict([("q", [("a", "x"), ("a", "y")])]), "X.0.*twice"),
        (lambda: Ranker("tiny").fit(X).set_params(measure="nDCK").score(X, Y), "did you mean"),
    ],
)
def test_errors_say_what_is_wrong(make, message):
    with pytest.raises(ar.AnyrankError, match=message):
        make()
