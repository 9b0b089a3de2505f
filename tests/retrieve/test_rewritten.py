"""Rewritten queries: what the searches after a rewriter look for."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.fusion import RRF
from anyrank.core.stage import merge
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.build import build
from anyrank.index.exact import Settings
from anyrank.retrieve import rewritten
from anyrank.retrieve.rewritten import FirstOccurrence, Queries, Rewrite
from anyrank.retrieve.stages import BM25, VectorSearch
from anyrank.vectors import Dense, Encoded, Sparse


def of_kind(like, rows):
    """Rows as vectors of the kind of others."""
    return Dense(rows) if like.kind == "dense" else Sparse.from_weights(rows)


WORDS = ["wing", "lift", "heat", "jet", "flow", "shock"]


@pytest.fixture(scope="module")
def lexical(tmp_path_factory):
    rng = np.random.default_rng(3)
    docs = [
        Candidate(f"d{i}", {"title": str(rng.choice(WORDS)), "text": " ".join(rng.choice(WORDS, rng.integers(1, 12)))})
        for i in range(50)
    ]
    return build(docs, tmp_path_factory.mktemp("terms") / "x").lexical


weights = st.dictionaries(st.sampled_from([*WORDS, "absent"]), st.floats(0.01, 10), min_size=1)


@settings(deadline=None, max_examples=60)
@given(weights)
def test_weighted_terms_score_the_same_by_the_engine_and_by_counts(lexical, terms):
    (engine,) = lexical.search([terms], 50)
    rows, scores = lexical.exact().best(terms, 50, Settings())
    assert dict(zip(rows.tolist(), scores.tolist())) == pytest.approx(
        dict(zip(engine.rows.tolist(), engine.scores.tolist())), rel=1e-4
    )
    assert scores.tolist() == pytest.approx(engine.scores.tolist(), rel=1e-4)


def test_the_terms_of_a_text_search_as_the_text(lexical):
    text = "wings wing lifting"
    assert lexical.weights(text) == {"wing": 2, "lift": 1}
    other = Settings(k1=0.9, b=0.4, title=1, smoothing=0)
    for formula in (None, other):
        first, second = lexical.search([text, lexical.weights(text)], 50, settings=formula)
        assert first.ids == second.ids
        assert first.scores.tolist() == pytest.approx(second.scores.tolist(), rel=1e-6)


@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf])
def test_a_weight_is_a_positive_number(lexical, weight):
    with pytest.raises(InputError, match="of the term 'wing': expected a number above 0"):
        lexical.search([{"wing": weight}], 3)


def test_bm25_reads_terms_then_queries_then_the_rewritten_text(lexical):
    stage, plain = BM25(lexical, 50), Query("1", "wing")
    ids = {word: stage(word).ids for word in WORDS}
    assert stage(rewritten.with_terms(plain, {"jet": 2.0})).ids == ids["jet"]
    assert stage(rewritten.with_rewritten(plain, "heat")).ids == ids["heat"]
    both = rewritten.with_queries(plain, Queries(("jet", "heat"), FirstOccurrence()))
    assert stage(both).ids == list(dict.fromkeys(ids["jet"] + ids["heat"]))
    assert stage(rewritten.with_terms(both, {"lift": 1.0})).ids == ids["lift"]
    fused = stage(rewritten.with_queries(plain, Queries(("jet", "heat"))))
    parts = [stage(Query("1", word)) for word in ("jet", "heat")]
    assert fused.ids == merge(Ranking(plain), parts, RRF()).ids
    assert fused.query.content == "wing"
    assert [step.name for step in fused.trace] == ["bm25", "bm25"]
    mixed = stage.batch([Ranking(q) for q in (plain, rewritten.with_terms(plain, {"jet": 1}), both)])
    assert [len(r.trace) for r in mixed] == [1, 1, 3]
    assert [r.ids[0] for r in mixed] == [ids["wing"][0], ids["jet"][0], ids["jet"][0]]


def test_a_new_text_replaces_what_was_made_of_the_old_one():
    query = rewritten.with_terms(Query("1", "wing", {"mine": 1}), {"jet": 2.0})
    query = rewritten.with_rewritten(query, "heat")
    assert (rewritten.terms(query), rewritten.searched(query), query.content) == (None, "heat", "wing")
    query = rewritten.with_queries(query, Queries(("a", "b")))
    assert rewritten.searched(query) == "wing"
    assert rewritten.queries(rewritten.with_rewritten(query, "heat")) is None
    assert query.meta["mine"] == 1


def test_no_terms_find_nothing_and_the_trace_says_so(lexical):
    nothing = BM25(lexical)(rewritten.with_terms(Query("1", "wing"), {}))
    assert not nothing.ids
    assert "no term" in nothing.trace[0].notes[0]
    absent = BM25(lexical)(rewritten.with_terms(Query("1", "wing"), {"absent": 1.0}))
    assert (absent.ids, absent.trace[0].notes) == ([], ())


def test_a_query_of_a_file_with_such_fields_is_searched_as_it_is(lexical):
    query = Query("1", "wing", {"terms": "of trade", "rewritten": 3, "queries": ["x"], "vector_feedback": ("y",)})
    assert BM25(lexical)(query).ids == BM25(lexical)("wing").ids
    assert rewritten.rules(query) == ()


def test_vector_search_encodes_the_rewritten_text_and_applies_the_rules(tmp_path, make, bag):
    collection = build(make(60), tmp_path / "x")
    collection.encode(bag, "v")
    index = collection.vectors("v")
    stage, query = VectorSearch(index, bag, collection, 20), Query("1", "wing")
    assert stage(rewritten.with_rewritten(query, "heat jet")).ids == stage("heat jet").ids
    assert stage(rewritten.with_terms(query, {"jet": 1.0})).ids == stage("wing").ids
    seen = []

    def double(vector, encoder, on):
        seen.append((len(vector), encoder is bag, on is index))
        return Encoded(of_kind(vector, vector.filled() * 2), Usage(calls=3))

    def plus(vector, encoder, on):
        return Encoded(of_kind(vector, vector.filled() + bag.encode(["heat"]).vectors.filled()))

    twice = stage(rewritten.with_rule(rewritten.with_rule(query, double), double))
    base = stage(query)
    assert twice.scores == pytest.approx([4 * s for s in base.scores])
    assert twice.cost.usage.calls == base.cost.usage.calls + 6
    assert seen == [(1, True, True)] * 2
    first = stage(rewritten.with_rule(rewritten.with_rule(query, double), plus))
    wing, heat = bag.encode(["wing"]).vectors, bag.encode(["heat"]).vectors
    expected = index.search(of_kind(wing, 2 * wing.filled() + heat.filled()), 20)
    assert first.ids == list(expected[0].ids)
    several = rewritten.with_queries(rewritten.with_rule(query, double), Queries(("wing", "heat"), FirstOccurrence()))
    assert stage(several).ids == list(dict.fromkeys([*stage("wing").ids, *stage("heat").ids]))


def test_a_rewriter_leaves_candidates_and_says_what_it_did():
    stage = Rewrite("shout", lambda r: (rewritten.with_rewritten(r.query, r.query.content.upper()), "in capitals"))
    before = Ranking.of("wing", ["a", "b"])
    after = stage(before)
    assert (after.ids, after.query.content, rewritten.searched(after.query)) == (before.ids, "wing", "WING")
    assert [(s.name, s.notes) for s in after.trace] == [("shout", ("in capitals",))]
