"""BM25 with any settings: against bm25s, and against the engine."""

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.build import build
from anyrank.index.exact import Settings
from anyrank.pipeline.context import Settings as Context
from anyrank.pipeline.parser import parse

PLAIN = Settings(title=1, smoothing=0)


@pytest.fixture
def collection(tmp_path, make):
    return build(make(60), tmp_path / "x")


def test_the_plain_formula_is_that_of_bm25s(collection):
    bm25s = pytest.importorskip("bm25s")
    docs = list(collection.documents())
    lexical = collection.lexical
    tokens = [lexical.analyser.terms(d.content) for d in docs]
    for k1, b in ((1.2, 0.75), (0.9, 0.4), (2.0, 0.0)):
        retriever = bm25s.BM25(k1=k1, b=b, method="lucene")
        retriever.index(tokens, show_progress=False)
        for query in ("wing lift drag", "heat wing wing"):
            terms = lexical.analyser.terms(query)
            expected = retriever.get_scores(terms) * (k1 + 1)  # the constant factor that Lucene leaves out
            settings = Settings(k1, b, title=1, smoothing=0)
            actual = lexical.exact().scores(terms, settings)
            np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_the_default_settings_are_the_engines(collection):
    for query in ("wing lift", "heat", "drag drag jet"):
        engine = dict(collection.lexical.search([query], 100)[0])
        rows, scores = collection.lexical.exact().best(collection.lexical.terms(query), 100, Settings())
        exact = dict(zip(collection.store.rows.of(rows.tolist()).ids(rows.tolist()), scores))
        assert exact.keys() == engine.keys()
        for i, score in engine.items():  # the engine rounds lengths to a byte
            assert exact[i] == pytest.approx(score, rel=0.05)


def test_a_title_counts_three_times_and_four_words_smooth_lengths(tmp_path):
    docs = [
        Candidate(str(n), "wing " * (n % 3 + 1) + "heat " * n, meta={"title": "jet"} if n % 2 else {}) for n in range(9)
    ]
    collection = build(docs, tmp_path / "x")
    for query in ("wing", "jet", "heat jet"):
        engine = dict(collection.lexical.search([query], 99)[0])
        rows, scores = collection.lexical.exact().best(
            collection.lexical.terms(query), 99, Settings(1.2, 0.75, title=3, smoothing=4)
        )
        exact = dict(zip(collection.store.rows.of(rows.tolist()).ids(rows.tolist()), scores))
        assert exact == pytest.approx(engine, rel=1e-4)  # the engine holds lengths under 40 exactly


def test_k1_and_b_are_chosen_in_a_pipeline(tmp_path):
    docs = [Candidate("short", "wing"), Candidate("long", "wing wing wing " + "heat " * 60)]
    context = Context(build(docs, tmp_path / "x"))
    query = [Ranking(Query("q", "wing"))]
    assert parse("bm25(title=1, smoothing=0, b=0, k1=2)", context).batch(query)[0].ids == ["long", "short"]
    assert parse("bm25(title=1, smoothing=0, b=1, k1=0.1)", context).batch(query)[0].ids == ["short", "long"]


def test_counts_follow_changes_and_filters(tmp_path):
    collection = build([Candidate("a", "wing", meta={"x": 1}), Candidate("b", "wing", meta={"x": 2})], tmp_path / "x")

    def search(text, **options):
        return [i for i, _ in collection.lexical.search([text], 9, settings=PLAIN, **options)[0]]

    assert search("wing") == ["a", "b"]
    assert search("wing", among={"x": 2}) == ["b"]
    collection.update([Candidate("a", "heat"), Candidate("c", "wing wing")])
    assert search("wing") == ["c", "b"]
    assert search("the unknown") == []
    collection.delete(["b", "c"])
    assert search("wing") == []


@pytest.mark.parametrize("wrong", [{"b": 2}, {"k1": -1}, {"title": "x"}, {"smoothing": float("nan")}, {"k1": True}])
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Settings(**wrong)
