"""Average and Rocchio feedback: the identities of their definitions, on dense and sparse vectors."""

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.build import build
from anyrank.papers import average_prf, rocchio
from anyrank.pipeline import table
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse
from anyrank.pipeline.text import text
from anyrank.retrieve import rewritten
from anyrank.retrieve.stages import VectorSearch
from anyrank.retrieve.vector_feedback import Interpolated, feedback_vectors
from anyrank.vectors import Tokens

QUERIES = ["wing lift", "heat jet shock", "body"]


@pytest.fixture
def search(tmp_path, make, bag):
    collection = build(make(60), tmp_path / "x")
    collection.encode(bag, "v")
    return VectorSearch(collection.vectors("v"), bag, collection, 60)


def moved(stage, search, k, query):
    """The vector that is searched after feedback of k documents."""
    ranking = stage((search % k)(query) if k else Ranking(Query("q", query)))
    return rewritten.encode([ranking], search.encoder, search.index).vectors.filled()[0]


@pytest.mark.parametrize("stage", [rocchio.rewriter(), average_prf.rewriter()], ids=["rocchio", "average"])
def test_no_feedback_is_the_base_run(search, stage):
    base = search.run(QUERIES)
    after = (stage >> search).run(QUERIES)
    assert [(r.ids, r.scores) for r in after] == [(r.ids, r.scores) for r in base]
    assert after[0].trace[0].notes == ("no candidate: the query stays as it was",)
    blank = Ranking(Query("q", "wing"), (Candidate("x", ""), Candidate("y", None)))
    assert (stage >> search)(blank).scores == search("wing").scores


def test_average_of_documents_equal_to_the_query_leaves_it_unchanged(search):
    query = "wing lift"
    same = Ranking.of(query, [query] * 3, ["x", "y", "z"])
    after = (average_prf.rewriter() >> search)(same)
    base = search(query)
    assert after.ids == base.ids
    assert after.scores == pytest.approx(base.scores)
    assert after.cost.usage.calls == base.cost.usage.calls + 3  # the documents are in no index, so they are encoded


@pytest.mark.parametrize("alpha", [0.4, 1.0, 7.0])
def test_without_beta_the_order_stays(search, alpha):
    for query in QUERIES:
        after = (search % 3 >> rocchio.rewriter(alpha=alpha, beta=0.0) >> search)(query)
        assert after.ids == search(query).ids
        assert after.scores == pytest.approx([alpha * s for s in search(query).scores])


@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_average_is_rocchio_with_beta_k_of_k_plus_1(search, k):
    beta = k / (k + 1)
    same = rocchio.rewriter(alpha=1 - beta, beta=beta)
    for query in QUERIES:
        assert moved(average_prf.rewriter(), search, k, query) == pytest.approx(moved(same, search, k, query))


def test_the_three_forms_by_hand(search):
    """The beta form, the alpha form and the mean, of the definition."""
    for query in QUERIES:
        q = search.encoder.encode([query], query=True).vectors.filled()[0]
        first = (search % 3)(query)
        p = search.encoder.encode([c.content for c in first]).vectors.filled()
        assert moved(rocchio.rewriter(alpha=1.0, beta=0.3), search, 3, query) == pytest.approx(q + 0.3 * p.mean(axis=0))
        half = moved(rocchio.rewriter(alpha=0.5, beta=0.5), search, 3, query)
        assert half == pytest.approx(0.5 * q + 0.5 * p.mean(axis=0))
        assert moved(average_prf.rewriter(), search, 3, query) == pytest.approx(np.vstack([q, p]).mean(axis=0))


def test_a_second_round_goes_on_from_the_moved_vector(search):
    stage = rocchio.rewriter()
    once = search % 3 >> stage >> search
    twice = once % 3 >> stage >> search
    for query in QUERIES:
        q = moved(stage, search, 3, query)
        p = search.encoder.encode([c.content for c in (once % 3)(query)]).vectors.filled()
        vector = 0.4 * q + 0.6 * p.mean(axis=0)
        documents = search.encoder.encode([c.content for c in search.documents.documents()]).vectors.filled()
        scores = dict(zip(search.documents.ids(), (documents @ vector).tolist()))
        after = twice(query)
        assert after.scores == pytest.approx([scores[i] for i in after.ids], rel=1e-5)
        assert [s.name for s in after.trace] == ["bag", "rocchio", "bag", "rocchio", "bag"]


def test_stored_vectors_are_taken_and_others_encoded(search):
    (stored, other) = search.documents.get(["d1", "d2"])
    known = (Candidate("d1", stored.content), Candidate("d2", other.content))
    vectors, usage = feedback_vectors(known, search.encoder, search.index)
    assert (len(vectors), usage) == (2, Usage())
    mixed = (Candidate("new", other.content), Candidate("d1", None))
    vectors, usage = feedback_vectors(mixed, search.encoder, search.index)
    assert usage.calls == 1
    expected = search.encoder.encode([stored.content, other.content]).vectors.filled()
    assert vectors.filled() == pytest.approx(expected)
    assert feedback_vectors((), search.encoder, search.index) == (None, Usage())


def test_token_vectors_are_refused(search):
    tokens = Tokens.of([np.ones((2, 4), np.float32)])
    rule = Interpolated(0.4, 0.6, search("wing").candidates)
    with pytest.raises(InputError, match="one vector a text, and bag makes tokens: take a dense or sparse encoder"):
        rule(tokens, search.encoder, search.index)


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (-1.0, 0.5), (0.5, float("nan")), (float("inf"), 1.0)])
def test_weights_are_checked(alpha, beta):
    with pytest.raises(InputError, match=r"alpha=.*expected numbers of at least 0"):
        rocchio.rewriter(alpha=alpha, beta=beta)


def test_names_in_pipelines(tmp_path, make, monkeypatch, bag):
    monkeypatch.setattr(table, "model", lambda name: bag)
    collection = build(make(60), tmp_path / "x")
    collection.encode(bag, "bag")
    written = "minilm % 3 >> rocchio(alpha=0.5) >> minilm % 5 >> average_prf >> bm25 + minilm"
    stage = parse(written, Settings(collection))
    assert text(stage) == written
    after = stage("wing lift")
    assert [s.name for s in after.trace] == ["bag", "rocchio", "bag", "average_prf", "bm25", "bag"]
    assert after.trace[1].notes == ("0.5 * query + 0.6 * mean of 3 documents",)
    assert all(isinstance(r, Interpolated) for r in rewritten.rules(stage.first("wing").query))
