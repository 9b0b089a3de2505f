"""Measures of benchmarks against values of the authors' own functions, and against definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.benchmarks.measures import (
    accuracy,
    at,
    average_precision,
    micro_recall,
    ndcg,
    of_evidence,
    precision,
    recall,
    reciprocal_rank,
)
from anyrank.core.types import Candidate, Query, Ranking

LABELS = [1, 0, 1, 1, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("positives", "r", "ap", "n"),
    [(4, 1, 0.747024, 0.883824), (6, 0.666667, 0.498016, 0.685095), (20, 0.2, 0.29881, 0.49829)],
)
def test_inquires_functions_gave_these_values(positives, r, ap, n):
    assert precision(LABELS, positives) == pytest.approx(0.4)
    assert recall(LABELS, positives) == pytest.approx(r, abs=1e-6)
    assert average_precision(LABELS, positives) == pytest.approx(ap, abs=1e-6)
    assert ndcg(LABELS, positives) == pytest.approx(n, abs=1e-6)
    assert reciprocal_rank(LABELS, positives) == 1


@given(st.lists(st.integers(0, 1), min_size=1, max_size=30), st.integers(0, 40))
def test_inquires_ap_is_scikit_learns_times_the_share_of_hits(labels, more):
    metrics = pytest.importorskip("sklearn.metrics")
    positives = sum(labels) + more
    scores = np.arange(len(labels), 0, -1)
    expected = 0.0
    if sum(labels):
        expected = metrics.average_precision_score(labels, scores) * sum(labels) / min(positives, len(labels))
    assert average_precision(labels, positives) == pytest.approx(expected)


def ranking(id, docs, **meta):
    return Ranking(Query(id, "?", meta), tuple(Candidate(d, d, float(len(docs) - i)) for i, d in enumerate(docs)))


def test_relevant_documents_that_a_list_lacks_count():
    lists = [ranking("a", ["x", "y", "z"])]
    grades = {"a": {"y": 1, "z": 0, "far": 1}}
    assert at(2, average_precision)(lists, grades) == [0.25]
    assert at(2, recall)(lists, grades) == [0.5]


def test_a_random_order_of_all_has_the_share_of_relevant_ones_as_ap():
    rng = np.random.default_rng(0)
    docs = [f"d{i}" for i in range(100)]
    grades = {"q": dict.fromkeys(docs[:23], 1)}
    values = [at(100, average_precision)([ranking("q", list(rng.permutation(docs)))], grades)[0] for _ in range(300)]
    assert np.mean(values) == pytest.approx(0.23, abs=0.04)  # INQUIRE-Rerank: random 23.0


def test_micro_recall_is_hits_over_all_relevant_documents():
    lists = [ranking("a", ["x", "y"]), ranking("b", ["u", "v"]), ranking("c", [])]
    grades = {"a": {"x": 1}, "b": {"v": 2, "w": 1, "k": 1}, "c": {"m": 1}}
    values = micro_recall(2)(lists, grades)
    assert sum(values) / len(values) == pytest.approx(2 / 5)
    assert micro_recall(2)([], {}) == []


def test_accuracy_looks_at_the_querys_own_options_alone():
    r = ranking("q", ["other", "b", "a"], options=["a", "b", "c"])
    assert accuracy([r], {"q": {"b": 1}}) == [1]
    assert accuracy([r], {"q": {"a": 1}}) == [0]
    nothing = Ranking(Query("q", "?", {"options": ["a", "b", "c"]}), ())
    assert accuracy([nothing], {"q": {"a": 1}}) == [pytest.approx(1 / 3)]


def test_multihop_rags_average_precision_looks_at_eleven_ranks():
    chunks = [Candidate(str(i), "none", float(20 - i)) for i in range(12)]
    chunks[10] = Candidate("10", "the gold fact", chunks[10].score)
    r = Ranking(Query("q", "?", {"facts": ["gold fact"]}), tuple(chunks))
    assert of_evidence("map_10")([r], {}) == [pytest.approx(1 / 11)]
    assert of_evidence("hits_10")([r], {}) == [0]
