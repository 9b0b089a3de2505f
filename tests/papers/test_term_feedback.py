"""RM3 and Bo1: weights against values computed by hand, and queries that must stay as they were."""

import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.build import build
from anyrank.papers import bo1, rm3
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse
from anyrank.pipeline.text import text
from anyrank.retrieve import rewritten

DOCS = {
    "a": "wing wing lift",
    "b": "lift heat",
    "c": "jet nozzle",
    "d": "heat heat heat",
    "e": "nozzle nozzle",
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return build([Candidate(i, t) for i, t in DOCS.items()], tmp_path_factory.mktemp("prf") / "x")


def ranking(query, **scores):
    return Ranking(Query("1", query), tuple(Candidate(i, DOCS[i], s) for i, s in scores.items()))


def test_rm3_by_hand(collection):
    """Document a: wing 2/3, lift 1/3, with score 2; b: lift 1/2, heat 1/2, with score 1. Sums: wing 4/3, lift 7/6, heat
    1/2, all together 3. The query's two terms have 1/2 each."""
    after = rm3.rewriter(collection.lexical, max_df=1.0)(ranking("wing jets", a=2.0, b=1.0))
    expected = {"wing": 0.25 + 2 / 9, "jet": 0.25, "lift": 7 / 36, "heat": 1 / 12}
    assert rewritten.terms(after.query) == pytest.approx(expected)
    assert after.query.content == "wing jets"
    assert after.ids == ["a", "b"]
    assert after.trace[-1].name == "rm3"
    assert after.trace[-1].notes == ("2 documents add 2 terms: lift 0.194, heat 0.0833",)


def test_rm3_cuts_documents_and_model_to_the_best_terms(collection):
    """Of two terms at most: a and b are whole; the model keeps wing 4/3 and lift 7/6 of the sum 5/2."""
    stage = rm3.rewriter(collection.lexical, fb_terms=2, weight=0.25, max_df=1.0)
    after = rewritten.terms(stage(ranking("wing", a=2.0, b=1.0)).query)
    assert after == pytest.approx({"wing": 0.25 + 0.75 * 8 / 15, "lift": 0.75 * 7 / 15})
    stage = rm3.rewriter(collection.lexical, fb_terms=1, weight=0.5, max_df=1.0)  # b keeps heat, before lift
    after = rewritten.terms(stage(ranking("jet", b=3.0)).query)
    assert after == pytest.approx({"jet": 0.5, "heat": 0.5})


def test_rm3_leaves_out_terms_of_many_documents(collection):
    stage = rm3.rewriter(collection.lexical, max_df=0.3)  # wing is in 1 of 5, lift and heat in 2
    assert set(rewritten.terms(stage(ranking("jet", a=2.0, b=1.0)).query)) == {"jet", "wing"}


def test_rm3_weighs_documents_alike_under_scores_below_zero(collection):
    stage = rm3.rewriter(collection.lexical, weight=0.0, max_df=1.0)
    after = rewritten.terms(stage(ranking("jet", d=-1.0, e=-7.0)).query)
    assert after == pytest.approx({"heat": 0.5, "nozzl": 0.5})


def test_bo1_by_hand(collection):
    """All 5 documents: F of lift is 2, of wing 2, of heat 4. In a and b together: wing 2, lift 2, heat 1.
    w(wing) = w(lift) = 2 log2((1 + .4) / .4) + log2(1.4) = 4.1001366; w(heat) = log2(1.8 / .8) + log2(1.8) =
    2.0179219; the largest is the normaliser, since its F is its tf."""
    after = bo1.rewriter(collection.lexical, min_docs=1)(ranking("wing jet jet", a=2.0, b=1.0))
    expected = {"wing": 0.5 + 1, "jet": 1.0, "lift": 1.0, "heat": 2.0179219 / 4.1001366}
    assert rewritten.terms(after.query) == pytest.approx(expected)
    both = bo1.rewriter(collection.lexical)(ranking("wing jet", a=2.0, b=1.0))  # lift alone is in both
    assert rewritten.terms(both.query) == pytest.approx({"wing": 1, "jet": 1, "lift": 1})
    one = bo1.rewriter(collection.lexical, fb_terms=1)(ranking("jet", a=2.0))
    assert rewritten.terms(one.query) == pytest.approx({"jet": 1, "wing": 1})


@pytest.mark.parametrize("name", ["rm3", "bo1"])
def test_empty_feedback_leaves_the_query_as_it_was(collection, name):
    stage = parse(f"{name} >> bm25", Settings(collection), starts=False)
    base = parse("bm25", Settings(collection))("wing lift")
    for before in (ranking("wing lift"), Ranking(Query("1", "wing lift"), (Candidate("x", "", 1.0),))):
        after = stage(before)
        assert (after.ids, after.scores) == (base.ids, base.scores)
        assert after.trace[0].notes == ("no candidate with a term: it stays as it was",)
    after = stage(ranking("the of", a=1.0))
    assert after.trace[0].notes == ("no term in the query: it stays as it was",)
    assert rewritten.terms(after.query) is None


@pytest.mark.parametrize("name", ["rm3", "bo1"])
def test_feedback_finds_documents_without_a_word_of_the_query(collection, name):
    options = "(max_df=1)" if name == "rm3" else "(min_docs=1)"
    stage = parse(f"bm25 % 1 >> {name}{options} >> bm25 % 4", Settings(collection))
    assert text(stage) == f"bm25 % 1 >> {name}{options} >> bm25 % 4"
    found = stage("wings")
    assert parse("bm25", Settings(collection))("wings").ids == ["a"]
    assert found.ids == ["a", "b"]
    assert [step.name for step in found.trace] == ["bm25", name, "bm25"]
    twice = parse(f"bm25 % 1 >> {name}{options} >> bm25 % 2 >> {name}{options} >> bm25", Settings(collection))
    assert twice("wings").ids == ["a", "b", "d"]


def test_candidates_without_content_are_read_from_the_index(collection):
    bare = Ranking(Query("1", "jet"), (Candidate("a", None, 2.0), Candidate("b", None, 1.0)))
    stage = rm3.rewriter(collection.lexical, max_df=1.0)
    full = rewritten.terms(stage(ranking("jet", a=2.0, b=1.0)).query)
    assert rewritten.terms(stage(bare).query) == full


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("bm25 >> rm3(weight=2.0) >> bm25", "weight=2.0.* parts from 0 to 1"),
        ("bm25 >> rm3(fb_terms=0) >> bm25", "at least 1 term"),
        ("bm25 >> bo1(min_docs=0) >> bm25", "min_docs=0: expected at least 1"),
        ("bm25 >> rm3(terms=3) >> bm25", "did you mean 'fb_terms'"),
    ],
)
def test_wrong_options_are_named(collection, pipeline, message):
    with pytest.raises(InputError, match=message):
        parse(pipeline, Settings(collection))


def test_without_an_index_of_words_the_rewriter_says_so():
    with pytest.raises(InputError, match="rm3 needs an index of words: give one"):
        parse("rm3 >> mini", Settings(), starts=False)
